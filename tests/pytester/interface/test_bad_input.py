"""
A user's mistake ends the session before anything is called or changed.

It is exit status 4 and one line that names the option or key, the value, and
what to do; the record says `error` with that same line.
"""

from __future__ import annotations

import json
import re
import socket
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import mlflow
import pytest

from tests.pytester.project import GATES, GateProject, Session

Refused = Callable[[Session], str]


@pytest.fixture
def usage_error(gates: GateProject, refused) -> Refused:
    """Assert what holds for every mistake, and return its one line."""

    def check(session: Session) -> str:
        assert session.status == 4
        errors = [line for line in session.errors if line.strip()]
        assert len(errors) == 1, errors
        [error] = errors
        assert error.startswith("ERROR: ")
        assert "Traceback" not in session.text
        assert "INTERNALERROR" not in session.text
        refused(session)
        assert session.outcome == "error"
        assert session.record["passed"] is False
        assert session.record["evaluation"] is None
        assert session.record["steps"] == []
        assert session.record["failures"] == [error.removeprefix("ERROR: ")]
        assert not (gates.path / "scored.txt").exists(), "a scorer was called"
        assert mlflow.MlflowClient(gates.uri).get_experiment_by_name("gates") is None
        return error.removeprefix("ERROR: ")

    return check


@pytest.fixture
def watched(gates: GateProject) -> GateProject:
    """A project whose scorers leave a file behind, and whose model is needed."""
    gates.write(
        "gates/scorers.py",
        """
        from pathlib import Path
        from mlflow.genai.scorers import scorer

        @scorer
        def a():
            Path("scored.txt").touch()
            return 1.0

        @scorer
        def b():
            return 1.0

        @scorer
        def c():
            return 1.0
        """,
    )
    gates.rows({"inputs": {"question": "q"}}, {"inputs": {"question": "r"}})
    return gates


def gate_file(text: str) -> str:
    return GATES.replace("[thresholds]", f"{text}\n[thresholds]")


THRESHOLD = GATES.replace('"b/mean" = 0.5', "{}")
BARE = 'data = "rows.jsonl"\nscorers = ["scorers"]\n{}\n[thresholds]\n"a/mean" = 0.5\n'


@pytest.mark.parametrize(
    ("text", "fragments"),
    [
        ("not toml", ["gates.toml", "not valid TOML", "line 1"]),
        (gate_file("promote_too = 'x'"), ["promote_too", "did you mean 'promote_to'"]),
        (gate_file("promote_to = 'latest'"), ["promote_to", "'latest'", "reserved"]),
        (gate_file("promote_to = 'v2'"), ["promote_to", "'v2'", "reserved"]),
        (gate_file("champion = 'a b'"), ["champion", "'a b'", "letters"]),
        (gate_file("champion = 3"), ["champion", "3", "string"]),
        (gate_file("max_calls = 0"), ["max_calls", "0", "greater than or equal to 1"]),
        (gate_file("max_calls = '9'"), ["max_calls", "'9'", "integer"]),
        (gate_file("trials = 3"), ["trials", "3", "not supported", "set it to 1"]),
        (
            gate_file("first_version = 'block'"),
            ["first_version", "'block'", "not supp"],
        ),
        (gate_file("model_env = 'isolated'"), ["model_env", "'isolated'", "not supp"]),
        (gate_file("[endpoint]\nname = 'e'"), ["endpoint", "not supported", "remove"]),
        (gate_file("[preflight]"), ["preflight", "not supported", "remove"]),
        (gate_file("[metric_aliases]\nx = ['a/mean']"), ["metric_aliases", "SCORER/"]),
        (THRESHOLD.format('"b/men" = 0.5'), ["b/men", "mean, median, min"]),
        (THRESHOLD.format('"b" = 0.5'), ['"b"', "SCORER/AGGREGATION"]),
        (THRESHOLD.format('"d/mean" = 0.5'), ["'d/mean'", "no scorer is named 'd'"]),
        (THRESHOLD.format('"b/mean" = "high"'), ["b/mean", "high", "must be a number"]),
        (THRESHOLD.format('"b/mean" = true'), ["b/mean", "True", "must be a number"]),
        (THRESHOLD.format('"b/mean" = nan'), ["b/mean", "nan", "finite"]),
        (THRESHOLD.format('"b/mean" = {}'), ["b/mean", "needs a bound", "min or max"]),
        (
            THRESHOLD.format('"b/mean" = { min = 2, max = 1 }'),
            ["b/mean", "min 2 is greater than max 1"],
        ),
        (
            THRESHOLD.format('"b/mean" = { minimum = 2 }'),
            ["b/mean", "minimum", "did you mean 'min'"],
        ),
        (
            THRESHOLD.format('"b/mean" = { min = 1, max_error_rate = 2 }'),
            ["max_error_rate", "2", "less than or equal to 1"],
        ),
        (
            THRESHOLD.format('"b/mean" = { min = 1, min_rows = 1.5 }'),
            ["min_rows", "1.5", "integer"],
        ),
        (
            THRESHOLD.format('"b/mean" = { min = 1, advisory = "no" }'),
            ["advisory", "'no'", "boolean"],
        ),
        (
            THRESHOLD.format('"b/mean" = { min = 1, where = "cost" }'),
            ["where", "table of tags"],
        ),
        (
            THRESHOLD.format('"b/mean" = { min = 0, max = 1, max_error_rate = 0.1 }'),
            ["b/mean", "max_error_rate", "split it into two"],
        ),
        (
            THRESHOLD.format('"b/variance" = { max = 1, max_error_rate = 0.1 }'),
            ["b/variance", "max_error_rate", "leave it out"],
        ),
        (
            THRESHOLD.format('"b/mean" = { min = 0.5, confidence = 0.95 }'),
            ['"b/mean"', "confidence", "not supported", "remove the key"],
        ),
        (
            THRESHOLD.format('"b/mean" = { max_drop = 0.02 }'),
            ['"b/mean"', "max_drop", "not supported", "use min or max"],
        ),
        (
            THRESHOLD.format('"b/mean" = { max_drop_relative = 0.02 }'),
            ['"b/mean"', "max_drop_relative", "not supported"],
        ),
        (
            BARE.replace('data = "rows.jsonl"', "").format(""),
            ["names no data", "data ="],
        ),
        (BARE.format("").replace("rows.jsonl", "no.jsonl"), ["no.jsonl", "not exist"]),
        (BARE.format("").replace("rows.jsonl", "rows"), ["rows", ".jsonl", "dataset:"]),
        (BARE.format("").replace("rows.jsonl", "a.b.c"), ["a.b.c", "Unity Catalog"]),
        (
            BARE.format("").replace("rows.jsonl", "dataset:none"),
            ["dataset:none", "no such evaluation dataset"],
        ),
        (
            BARE.format("").replace('["scorers"]', '["no_such_module"]'),
            ["'no_such_module'", "ModuleNotFoundError", "beside the gate file"],
        ),
        (
            BARE.format("").replace('["scorers"]', '["scorers:z"]'),
            ["'scorers:z'", "not an MLflow scorer", "decorate"],
        ),
        (
            BARE.format("").replace('["scorers"]', '["json"]'),
            ["'json'", "holds no MLflow scorer", "decorate"],
        ),
        (
            BARE.format("").replace('["scorers"]', '["json:dumps"]'),
            ["'json:dumps'", "not an MLflow scorer"],
        ),
        (BARE.format("").replace('["scorers"]', '"scorers"'), ["scorers", "list"]),
        (BARE.format("max_calls = 1"), ["2 model calls", "max_calls = 1", "raise"]),
    ],
)
def test_gate_file(
    watched: GateProject, usage_error: Refused, text: str, fragments: list[str]
) -> None:
    watched.write("gates/gates.toml", text)

    error = usage_error(watched.run())

    for fragment in fragments:
        assert fragment in error


@pytest.mark.parametrize(
    ("options", "fragments"),
    [
        (["--agentgate-gates=no.toml"], ["no.toml", "not exist", "--agentgate-gates"]),
        (["--agentgate-gates=gates"], ["gates", "cannot be read"]),
        (["--agentgate-data=no.csv"], ["no.csv", "not exist", "--agentgate-data"]),
        (["--agentgate-model=absent"], ["'absent'", "not exist", "REGISTRY_URI"]),
        (["--agentgate-model=agent/9"], ["agent/9", "not exist", "check the name"]),
        (["--agentgate-model=agent/0"], ["agent/0", "'0'", "not a version number"]),
        (["--agentgate-model=agent/-1"], ["agent/-1", "'-1'", "agent@"]),
        (["--agentgate-model=agent/prod"], ["agent/prod", "agent@prod for an alias"]),
        (["--agentgate-model=agent@no"], ["agent@no", "'no'", "it has production"]),
        (["--agentgate-model=agent@"], ["agent@", "write NAME"]),
        (["--agentgate-model=a'b"], ["a'b", "write NAME"]),
        (["--agentgate-model="], ["--agentgate-model=", "write NAME"]),
        (["--agentgate-promote-to=latest"], ["--agentgate-promote-to=latest", "reser"]),
        (["--agentgate-promote-to=v12"], ["--agentgate-promote-to=v12", "reserved"]),
        (["--agentgate-promote-to=a/b"], ["--agentgate-promote-to=a/b", "letters"]),
        (["--agentgate-promote-to="], ["--agentgate-promote-to=", "alias"]),
        (["--agentgate-threshold=a/mean"], ["a/mean", "ID>=N", "for example"]),
        (["--agentgate-threshold=a/mean>=x"], ["a/mean>=x", "ID>=N"]),
        (["--agentgate-threshold=a/mean>=nan"], ["a/mean>=nan", "ID>=N"]),
        (["--agentgate-threshold=a/meam>=1"], ["'a/meam'", "did you mean 'a/mean'"]),
        (["--agentgate-threshold=zz>=1"], ["'zz'", "known: a/mean, b/mean, c/mean"]),
        (["--agentgate-threshold=a/mean<=1"], ["a/mean<=1", "has no max", ">= 0.5"]),
        (["--agentgate-endpoint=e"], ["--agentgate-endpoint=e", "not supported"]),
        (["--agentgate-serving=local"], ["--agentgate-serving=local", "not supported"]),
        (["--agentgate-trials=3"], ["--agentgate-trials=3", "not supported"]),
        (["--agentgate-allow-weaker=why"], ["--agentgate-allow-weaker=why", "not su"]),
        (["--agentgate-from-run=nope"], ["--agentgate-from-run=nope", "name a run"]),
        (["--agentgate-from-run="], ["--agentgate-from-run="]),
    ],
    ids=lambda value: value[0] if value[0].startswith("--") else "",
)
def test_option(
    watched: GateProject,
    usage_error: Refused,
    options: list[str],
    fragments: list[str],
) -> None:
    error = usage_error(watched.run(*options))

    for fragment in fragments:
        assert fragment in error


def test_an_override_that_puts_min_above_max(
    watched: GateProject, usage_error: Refused
) -> None:
    text = THRESHOLD.format('"b/mean" = { min = 0.5, max = 0.9 }')
    watched.write("gates/gates.toml", text)

    error = usage_error(watched.run("--agentgate-threshold=b/mean>=0.95"))

    assert "--agentgate-threshold=b/mean>=0.95: min 0.95 is greater" in error


@pytest.mark.parametrize("option", ["--agentgate-workers=0", "--agentgate-workers=x"])
def test_a_number_of_workers_that_is_none(watched: GateProject, option: str) -> None:
    session = watched.run(option)

    assert (session.status, session.alias, session.record) == (4, "1", None)
    assert "--agentgate-workers" in session.text


@pytest.mark.parametrize(
    ("content", "fragments"),
    [
        ("", ["has no rows", "no proof"]),
        ("\n\n", ["has no rows"]),
        ('{"inputs": {"q": 1}}\n{oops', ["rows.jsonl", "line 2 is not JSON"]),
        ("[1, 2]", ["row 0 is not an object"]),
        ('"text"', ["row 0 is not an object"]),
        ('{"inputs": {"q": 1}}\n{"inputs": {}}', ["row 1", "non-empty object"]),
        ('{"inputs": {"q": 1}}\n{"outputs": 1}', ["row 1", "inputs", "None"]),
        ('{"inputs": "{\\"q\\": 1}"}', ["row 0", "inputs", "object"]),
        ('{"inputs": {"q": 1}, "expectations": 3}', ["row 0", "expectations", "3"]),
        ('{"inputs": {"q": 1}, "tags": ["x"]}', ["row 0", "tags", "object"]),
        (
            '{"inputs": {"q": 1}}\n{"inputs": {"q": 2}, "outputs": "x"}',
            ["row 0 has no outputs but row 1 has", "for all rows or for none"],
        ),
    ],
)
def test_rows(
    watched: GateProject, usage_error: Refused, content: str, fragments: list[str]
) -> None:
    watched.write("gates/rows.jsonl", content)

    error = usage_error(watched.run())

    for fragment in fragments:
        assert fragment in error


def test_rows_that_are_not_text(watched: GateProject, usage_error: Refused) -> None:
    (watched.path / "gates" / "rows.jsonl").write_bytes(b"\xff\xfe{}")

    assert "rows.jsonl cannot be read" in usage_error(watched.run())


@pytest.mark.parametrize(
    ("module", "fragments"),
    [
        ("import no_such_package", ["'scorers'", "no_such_package"]),
        ("def broken(:", ["'scorers'", "SyntaxError"]),
        ("raise RuntimeError('no key')", ["'scorers'", "RuntimeError: no key"]),
        ("raise SystemExit(0)", ["'scorers'", "SystemExit"]),
        ("import pytest\npytest.skip('x', allow_module_level=True)", ["'scorers'"]),
        ("def a():\n    return 1.0", ["'scorers'", "no MLflow scorer", "decorate"]),
    ],
)
def test_scorer_module(
    watched: GateProject, usage_error: Refused, module: str, fragments: list[str]
) -> None:
    watched.write("gates/scorers.py", module)

    error = usage_error(watched.run())

    for fragment in fragments:
        assert fragment in error


@pytest.mark.parametrize("reference", ["agent", "agent/2", "agent@candidate"])
def test_a_version_that_is_not_ready(
    watched: GateProject, usage_error: Refused, reference: str
) -> None:
    client = mlflow.MlflowClient(watched.uri)
    client.set_registered_model_alias("agent", "candidate", "2")
    with sqlite3.connect(watched.path / "mlflow.db") as database:
        status = "FAILED_REGISTRATION"
        chosen = "" if reference == "agent" else " WHERE version = 2"
        database.execute(f"UPDATE model_versions SET status = '{status}'{chosen}")
    watched.model = reference

    error = usage_error(watched.run())

    assert f"--agentgate-model={reference}" in error
    assert "FAILED_REGISTRATION" in error
    assert "READY" in error


def test_a_model_without_versions(watched: GateProject, usage_error: Refused) -> None:
    mlflow.MlflowClient(watched.uri).create_registered_model("empty")
    watched.model = "empty"

    error = usage_error(watched.run())

    assert "--agentgate-model=empty: the model has no READY version" in error


def test_a_record_that_cannot_be_written(watched: GateProject) -> None:
    watched.write("taken", "a file, not a folder")

    session = watched.run("--agentgate-record=taken/record.json")

    assert (session.status, session.alias, session.record) == (4, "1", None)
    [error] = [line for line in session.errors if line.strip()]
    assert error.startswith("ERROR: the record ")
    assert "taken/record.json cannot be written" in error
    assert "--agentgate-record" in error
    assert not (watched.path / "scored.txt").exists()


def test_a_secret_in_a_mistake_is_not_shown(
    watched: GateProject, usage_error: Refused
) -> None:
    secret = "dapi" + "0123456789abcdef" * 2
    watched.write("gates/scorers.py", f"raise RuntimeError('token={secret}')")

    session = watched.run()

    assert "***" in usage_error(session)
    assert secret not in session.text
    assert secret not in json.dumps(session.record)


# Servers that do not answer as they should


def closed_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}"


@contextmanager
def silent_server() -> Iterator[str]:
    """Accept every connection and never say a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


@contextmanager
def refusing_server(status: int, body: bytes) -> Iterator[str]:
    """Answer every request with `status`."""

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = answer  # noqa: N815

        def log_message(self, *ignored: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture
def against(
    watched: GateProject, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], Session]:
    """Run against another tracking server, within half a minute."""

    def run(uri: str) -> Session:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
        mlflow.set_tracking_uri(uri)
        started = time.monotonic()
        session = watched.run()
        assert time.monotonic() - started < 30
        return session

    return run


def test_a_server_that_is_not_there(
    against: Callable[[str], Session], usage_error: Refused
) -> None:
    uri = closed_port()

    error = usage_error(against(uri))

    assert "'agent'" in error
    assert re.search(r"refused|reached", error)


def test_a_server_that_never_answers(
    against: Callable[[str], Session], usage_error: Refused
) -> None:
    with silent_server() as uri:
        error = usage_error(against(uri))

    assert "'agent'" in error
    assert "timed out" in error


@pytest.mark.parametrize(
    ("status", "body", "fragments"),
    [
        (
            403,
            b'{"error_code": "PERMISSION_DENIED", "message": "no grant"}',
            ["'agent'", "permission denied", "grants", "no grant"],
        ),
        (403, b"<html>forbidden</html>", ["'agent'", "403"]),
        (401, b"unauthorized", ["'agent'", "401"]),
        (
            404,
            b'{"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "none"}',
            ["'agent'", "does not exist", "MLFLOW_REGISTRY_URI"],
        ),
        (200, b"<html>a login page</html>", ["'agent'"]),
    ],
    ids=["403 of MLflow", "403 of a proxy", "401", "404", "login page"],
)
def test_a_server_that_refuses(
    against: Callable[[str], Session],
    usage_error: Refused,
    status: int,
    body: bytes,
    fragments: list[str],
) -> None:
    with refusing_server(status, body) as uri:
        error = usage_error(against(uri))

    for fragment in fragments:
        assert fragment in error


def test_a_store_that_is_no_database(
    against: Callable[[str], Session], usage_error: Refused, tmp_path: Path
) -> None:
    (tmp_path / "text.db").write_text("not a database" * 100, encoding="utf-8")

    error = usage_error(against(f"sqlite:///{tmp_path / 'text.db'}"))

    assert "not a database" in error
