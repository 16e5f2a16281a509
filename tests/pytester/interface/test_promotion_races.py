"""
A promotion is all or nothing, whoever else is at work and whatever fails.

Where the registry is not what was judged, nothing is changed. Where a write
fails, everything is put back; where that fails too, the commands that are shown
put it back.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from tests.pytester.project import GateProject, Session

TAGS = (
    "agentgate.outcome",
    "agentgate.run_id",
    "agentgate.gates_digest",
    "agentgate.data_digest",
)


@pytest.fixture
def client(gates: GateProject) -> MlflowClient:
    """The registry, with a version 3 and an alias for the candidate."""
    client = MlflowClient(gates.uri)
    source = client.get_model_version("agent", "2").source
    client.create_model_version("agent", source)
    client.set_registered_model_alias("agent", "candidate", "2")
    gates.model = "agent/2"
    return client


# Somebody else changes the registry while the candidate is judged

MOVES = [
    ("client.set_registered_model_alias('agent', 'production', '3')", "3"),
    ("client.set_registered_model_alias('agent', 'production', '2')", "2"),
    ("client.delete_registered_model_alias('agent', 'production')", None),
]


@pytest.mark.parametrize("moment", ["scorer", "approve"])
@pytest.mark.parametrize(("move", "after"), MOVES)
def test_the_alias_moves(
    gates: GateProject, client: MlflowClient, moment: str, move: str, after: str | None
) -> None:
    meddle(gates, moment, move)

    session = gates.run()

    assert (session.status, session.outcome) == (15, "stopped")
    assert session.alias == after
    assert not set(gates.tags("2")).intersection(TAGS)
    assert session.record["promoted"] is False
    assert "alias 'production' moved from version 1" in session.lines[-1]
    assert "nothing was changed" in session.lines[-1]


@pytest.mark.parametrize(
    "move",
    [
        "client.delete_model_version('agent', '2')",
        (
            "client.rename_registered_model('agent', 'agent2')\n"
            "    client.create_registered_model('agent')"
        ),
    ],
    ids=["deleted", "renamed"],
)
def test_the_candidate_goes(
    gates: GateProject, client: MlflowClient, move: str
) -> None:
    meddle(gates, "approve", move)

    session = gates.run()

    assert (session.status, session.outcome) == (15, "stopped")
    assert session.record["promoted"] is False
    assert session.alias != "2"
    assert "agent/2" in session.lines[-1]


def test_the_candidate_is_replaced(gates: GateProject, client: MlflowClient) -> None:
    """A version that is no longer READY is not what was judged."""
    statement = "UPDATE model_versions SET status = 'FAILED_REGISTRATION'"
    meddle(
        gates,
        "approve",
        "import sqlite3\n"
        "    with sqlite3.connect('mlflow.db') as database:\n"
        f'        database.execute("{statement} WHERE version = 2")',
    )

    session = gates.run()

    assert (session.status, session.outcome) == (15, "stopped")
    assert "agent/2 changed while it was judged" in session.lines[-1]


def test_the_alias_that_named_the_candidate_moves(
    gates: GateProject, client: MlflowClient, refused
) -> None:
    gates.model = "agent@candidate"
    meddle(
        gates, "scorer", "client.set_registered_model_alias('agent', 'candidate', 3)"
    )

    session = gates.run()

    refused(session)
    assert (session.status, session.outcome) == (15, "stopped")
    assert "alias 'candidate' moved from version 2 to 3" in session.lines[-1]


def test_the_champion_moves(gates: GateProject, client: MlflowClient, refused) -> None:
    client.set_registered_model_alias("agent", "live", "1")
    path = gates.path / "gates" / "gates.toml"
    path.write_text('champion = "live"\n' + path.read_text(), encoding="utf-8")
    meddle(gates, "approve", "client.set_registered_model_alias('agent', 'live', '3')")

    session = gates.run()

    refused(session)
    assert (session.status, session.outcome) == (15, "stopped")


def test_a_new_alias_appears(gates: GateProject, client: MlflowClient) -> None:
    gates.promote_to = "staging"
    meddle(gates, "approve", "client.set_registered_model_alias('agent','staging','3')")

    session = gates.run()

    assert (session.status, session.outcome) == (15, "stopped")
    assert gates.alias("staging") == "3"


def test_a_newer_version_appears(gates: GateProject, client: MlflowClient) -> None:
    """The candidate was resolved once; what is newest now does not matter."""
    gates.model = "agent"
    meddle(
        gates,
        "scorer",
        "source = client.get_model_version('agent', '3').source\n"
        "    client.create_model_version('agent', source)",
    )

    session = gates.run()

    assert (session.outcome, session.alias) == ("promoted", "3")


def test_other_tags_are_left_alone(gates: GateProject, client: MlflowClient) -> None:
    meddle(gates, "scorer", "client.set_model_version_tag('agent', '2', 'team', 'x')")

    session = gates.run()

    assert session.outcome == "promoted"
    assert gates.tags("2")["team"] == "x"


def test_the_approval_is_withdrawn(
    gates: GateProject, client: MlflowClient, refused
) -> None:
    client.set_model_version_tag("agent", "2", "review", "approved")
    meddle(gates, "scorer", "client.set_model_version_tag('agent','2','review','no')")

    session = gates.run("--agentgate-approval=review")

    refused(session)
    assert (session.status, session.outcome) == (10, "pending-approval")


@pytest.mark.parametrize("slow", [False, True], ids=["at once", "one after another"])
def test_two_sessions_promote_two_versions(
    gates: GateProject, client: MlflowClient, slow: bool
) -> None:
    """Exactly one of them promotes, and the other one says that it did not."""
    gates.write(
        "conftest.py",
        f"""
        import time
        from pathlib import Path
        from mlflow import MlflowClient

        set_alias = MlflowClient.set_registered_model_alias

        def slowly(self, *args):
            set_alias(self, *args)
            time.sleep(8 if {slow} else 0)

        MlflowClient.set_registered_model_alias = slowly

        def pytest_agentgate_approve(candidate, alias):
            Path(f"ready-{{candidate.version}}").touch()
            for _ in range(600):
                if Path("ready-2").exists() and Path("ready-3").exists():
                    return
                time.sleep(0.1)
            raise TimeoutError("the other session did not get here")
        """,
    )

    def promote(version: str) -> tuple[Session, dict[str, Any]]:
        record = f"--agentgate-record={version}.json"
        session = gates.run_subprocess(f"--agentgate-model=agent/{version}", record)
        return session, json.loads((gates.path / f"{version}.json").read_text())

    with ThreadPoolExecutor(2) as pool:
        results = dict(zip("23", pool.map(promote, "23"), strict=True))

    outcomes = {version: record["outcome"] for version, (_, record) in results.items()}
    assert sorted(outcomes.values()) == ["promoted", "stopped"]
    winner = next(v for v, outcome in outcomes.items() if outcome == "promoted")
    loser = "2" if winner == "3" else "3"
    assert gates.alias() == winner
    assert results[winner][0].status == 0
    assert results[loser][0].status == 15
    assert set(TAGS) <= set(gates.tags(winner))
    assert not set(TAGS) & set(gates.tags(loser))
    why = "is under way" if slow else "moved from version 1"
    assert why in results[loser][0].lines[-1]


# A write fails


class Registry:
    """Makes a call of MlflowClient's fail, before or after it has acted."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch
        self.is_down = False

    def fail(
        self,
        method: str,
        *,
        call: int = 1,
        acts: bool = False,
        error: BaseException | None = None,
        stays_down: bool = False,
    ) -> None:
        """Let the `call`-th call fail; call 0 is every call."""
        original = getattr(MlflowClient, method)
        count = 0

        def wrapper(client: MlflowClient, *args: Any, **kwargs: Any) -> Any:
            nonlocal count
            count += 1
            if count != call and call != 0:
                return original(client, *args, **kwargs)
            if acts:
                original(client, *args, **kwargs)
            self.is_down = stays_down
            raise error or MlflowException("the registry hiccuped")

        self._monkeypatch.setattr(MlflowClient, method, wrapper)

    def can_go_down(self) -> None:
        """Let every read and write fail from the moment it is down."""
        for method in (
            "get_registered_model",
            "get_model_version",
            "set_registered_model_alias",
            "delete_registered_model_alias",
            "delete_model_version_tag",
        ):
            self._guard(method)

    def _guard(self, method: str) -> None:
        original = getattr(MlflowClient, method)

        def wrapper(client: MlflowClient, *args: Any, **kwargs: Any) -> Any:
            if self.is_down:
                raise requests.ConnectionError("the registry is down")
            return original(client, *args, **kwargs)

        self._monkeypatch.setattr(MlflowClient, method, wrapper)


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch, client: MlflowClient) -> Registry:
    return Registry(monkeypatch)


SET_ALIAS, SET_TAG = "set_registered_model_alias", "set_model_version_tag"
DELETE_ALIAS, DELETE_TAG = "delete_registered_model_alias", "delete_model_version_tag"
OLD_TAGS = {"agentgate.outcome": "promoted", "agentgate.run_id": "old", "team": "x"}


@pytest.mark.parametrize("tags", [{}, OLD_TAGS], ids=["untagged", "tagged before"])
@pytest.mark.parametrize(
    ("method", "call", "acts"),
    [
        (SET_ALIAS, 1, False),
        (SET_TAG, 1, False),
        (SET_TAG, 1, True),
        (SET_TAG, 3, False),
        (SET_TAG, 4, True),
    ],
)
def test_a_failed_write_is_rolled_back(
    gates: GateProject,
    client: MlflowClient,
    registry: Registry,
    tags: dict[str, str],
    method: str,
    call: int,
    acts: bool,
) -> None:
    for key, value in tags.items():
        client.set_model_version_tag("agent", "2", key, value)
    registry.fail(method, call=call, acts=acts)

    session = gates.run()

    assert_rolled_back(session)
    assert (session.alias, gates.tags("2")) == ("1", tags)


def assert_rolled_back(session: Session) -> None:
    assert (session.status, session.outcome) == (12, "rolled-back")
    assert session.record["promoted"] is False
    assert "everything is as it was before" in session.record["failures"]
    assert "failed" in {step["outcome"] for step in session.record["steps"]}
    assert session.lines[-1].startswith("agentgate: rolled back: agent/2")


@pytest.mark.parametrize(
    "error",
    [
        requests.ConnectionError("connection reset"),
        requests.Timeout("timed out"),
        OSError("disk full"),
        RuntimeError("a bug in the client"),
        KeyboardInterrupt(),
        SystemExit(0),
    ],
    ids=lambda error: type(error).__name__,
)
@pytest.mark.parametrize("method", [SET_ALIAS, SET_TAG])
def test_any_kind_of_failure_is_rolled_back(
    gates: GateProject, registry: Registry, method: str, error: BaseException
) -> None:
    registry.fail(method, error=error)

    session = gates.run()

    assert_rolled_back(session)
    assert (session.alias, gates.tags("2")) == ("1", {})


def test_a_new_alias_is_removed_again(gates: GateProject, registry: Registry) -> None:
    gates.promote_to = "staging"
    registry.fail(SET_TAG, call=2)

    session = gates.run()

    assert_rolled_back(session)
    assert (gates.alias("staging"), session.alias) == (None, "1")


@pytest.mark.parametrize("error", [None, requests.ConnectionError("lost answer")])
def test_an_alias_that_was_set_before_the_answer_was_lost_counts(
    gates: GateProject, registry: Registry, error: BaseException | None
) -> None:
    registry.fail(SET_ALIAS, acts=True, error=error)

    session = gates.run()

    assert (session.status, session.outcome, session.alias) == (0, "promoted", "2")
    assert set(TAGS) <= set(gates.tags("2"))


def test_an_alias_that_reads_back_wrong_is_rolled_back(
    gates: GateProject, client: MlflowClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(MlflowClient, SET_ALIAS, lambda *_: None)

    session = gates.run()

    assert_rolled_back(session)
    assert "reads back as version 1, not 2" in session.text


def test_what_somebody_else_did_meanwhile_is_left_alone(
    gates: GateProject, client: MlflowClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def move_and_fail(self: MlflowClient, *_: object) -> None:
        self.set_registered_model_alias("agent", "production", "3")
        raise MlflowException("the registry hiccuped")

    monkeypatch.setattr(MlflowClient, SET_TAG, move_and_fail)

    session = gates.run()

    assert session.status == 12
    assert session.alias == "3"
    assert "production = version 3" in session.text


@pytest.mark.parametrize("method", ["get_model_version", "get_registered_model"])
def test_a_registry_that_cannot_be_read_before_acting_stops(
    gates: GateProject, client: MlflowClient, refused, method: str
) -> None:
    """Patched from within the session, after every gate has passed."""
    gates.write(
        "conftest.py",
        f"""
        import pytest
        from mlflow import MlflowClient
        from mlflow.exceptions import MlflowException

        def fail(*args):
            raise MlflowException("the registry hiccuped")

        def pytest_agentgate_approve(candidate, alias):
            patch.setattr(MlflowClient, {method!r}, fail)

        def pytest_agentgate_finished(record):
            patch.undo()

        patch = pytest.MonkeyPatch()
        """,
    )

    session = gates.run()

    refused(session)
    assert (session.status, session.outcome) == (15, "stopped")
    assert "the registry hiccuped" in session.lines[-1]
    assert session.lines[-1].count("nothing was changed") == 1


@pytest.mark.parametrize("method", [SET_ALIAS, SET_TAG])
def test_a_record_that_cannot_be_written_any_more(
    gates: GateProject,
    client: MlflowClient,
    monkeypatch: pytest.MonkeyPatch,
    method: str,
) -> None:
    """Half a promotion is not left behind: all of it is, or nothing."""
    original = getattr(MlflowClient, method)

    def fill_the_disk(self: MlflowClient, *args: Any) -> None:
        original(self, *args)
        if (folder := gates.record_path.parent).is_dir():
            folder.rename(gates.path / "moved")
            folder.write_text("no room for a record", encoding="utf-8")

    monkeypatch.setattr(MlflowClient, method, fill_the_disk)

    session = run_unread(gates, gates.path / "moved" / "record.json")

    tagged = set(TAGS) <= set(gates.tags("2"))
    untagged = not set(TAGS) & set(gates.tags("2"))
    assert (gates.alias(), tagged or untagged) in (("2", True), ("1", True))
    assert tagged is (gates.alias() == "2")
    assert (session.status == 0) is (gates.alias() == "2")
    assert "Traceback" not in session.text


# What cannot be put back


def test_an_alias_that_cannot_be_put_back_is_stuck(
    gates: GateProject, registry: Registry
) -> None:
    registry.fail(SET_TAG, call=2)
    registry.fail(SET_ALIAS, call=2)

    session = gates.run()

    assert_stuck(session)
    assert session.alias == "2"
    run_commands(gates, session)
    assert (gates.alias(), gates.tags("2")) == ("1", {})


def test_tags_that_cannot_be_put_back_are_stuck(
    gates: GateProject, client: MlflowClient, registry: Registry
) -> None:
    client.set_model_version_tag("agent", "2", "agentgate.run_id", 'old\'s "run"')
    registry.fail(SET_TAG, call=4)
    registry.fail(DELETE_TAG, call=0)

    session = gates.run()

    assert_stuck(session)
    assert session.alias == "1"
    run_commands(gates, session)
    assert gates.tags("2") == {"agentgate.run_id": 'old\'s "run"'}


def test_a_new_alias_that_cannot_be_removed_is_stuck(
    gates: GateProject, registry: Registry
) -> None:
    gates.promote_to = "staging"
    registry.fail(SET_TAG)
    registry.fail(DELETE_ALIAS, call=0)

    session = gates.run()

    assert_stuck(session)
    assert gates.alias("staging") == "2"
    run_commands(gates, session)
    assert gates.alias("staging") is None


@pytest.mark.parametrize("acts", [False, True])
@pytest.mark.parametrize("method", [SET_ALIAS, SET_TAG])
def test_a_registry_that_goes_down_half_way_is_stuck(
    gates: GateProject,
    monkeypatch: pytest.MonkeyPatch,
    registry: Registry,
    method: str,
    acts: bool,
) -> None:
    registry.fail(method, acts=acts, stays_down=True)
    registry.can_go_down()

    session = run_unread(gates)

    monkeypatch.undo()
    registry.is_down = False
    assert_stuck(session)
    run_commands(gates, session)
    assert (gates.alias(), gates.tags("2")) == ("1", {})


def run_unread(gates: GateProject, path: Path | None = None) -> Session:
    """Run without reading the alias afterwards, which is patched to fail."""
    result = gates.pytester.runpytest_inprocess(*gates.arguments())
    record = json.loads((path or gates.record_path).read_text(encoding="utf-8"))
    return Session(int(result.ret), result.outlines, result.errlines, record, None)


def assert_stuck(session: Session) -> None:
    assert (session.status, session.outcome) == (13, "stuck")
    assert session.record["promoted"] is False
    assert session.lines[-1].startswith("agentgate: stuck: agent/2 is half promoted")
    for command in commands(session):
        assert command in session.lines[-1]


def commands(session: Session) -> list[str]:
    marker = "not put back; run: "
    found = [f for f in session.record["failures"] if f.startswith(marker)]
    assert found
    return [failure.removeprefix(marker) for failure in found]


def run_commands(gates: GateProject, session: Session) -> None:
    """Do what the message says, as a person would."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    for command in commands(session):
        subprocess.run(
            command,
            shell=True,
            cwd=gates.path,
            env={**os.environ, "PATH": path, "MLFLOW_TRACKING_URI": gates.uri},
            check=True,
            timeout=120,
        )


# A session of pytest's own that ends badly after the gates have passed


@pytest.mark.parametrize(
    "ending",
    [
        "def pytest_sessionfinish(session): raise RuntimeError('late')",
        "def pytest_terminal_summary(): raise RuntimeError('late')",
        "def pytest_unconfigure(config): raise RuntimeError('late')",
        "def pytest_sessionfinish(session): session.exitstatus = 1",
    ],
)
def test_nothing_that_fails_late_follows_a_promotion(
    gates: GateProject, client: MlflowClient, refused, ending: str
) -> None:
    gates.write("conftest.py", ending)

    session = gates.run_subprocess()

    assert session.status != 0 or session.alias == "2"
    if session.alias == "2":
        assert session.outcome == "promoted"
    else:
        refused(session)


def meddle(gates: GateProject, moment: str, code: str) -> None:
    """Run `code` with a registry `client`, once, while the candidate is judged."""
    setup = f"""
import threading
from mlflow import MlflowClient
from mlflow.genai.scorers import scorer

once = threading.Lock()

def meddle():
    if not once.acquire(blocking=False):
        return
    client = MlflowClient({gates.uri!r})
    {code}
"""
    if moment == "approve":
        hook = "\ndef pytest_agentgate_approve(candidate, alias):\n    meddle()\n"
        gates.write("conftest.py", setup + hook)
        return
    hook = "\n@scorer\ndef meddler():\n    meddle()\n    return 1.0\n"
    path = gates.path / "gates" / "scorers.py"
    path.write_text(path.read_text() + setup + hook, encoding="utf-8")
