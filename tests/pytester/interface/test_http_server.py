"""
Against a real tracking server over HTTP a session does what it does on SQLite.

The run has a page there, and the terminal links to it.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import mlflow
import pytest
import requests

from tests.pytester.project import GateProject


@pytest.fixture(scope="module")
def server(
    registry_template: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """An MLflow server over a copy of the registry."""
    folder = tmp_path_factory.mktemp("server")
    shutil.copy(registry_template, folder / "mlflow.db")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "server", "--workers", "1"]
    command += ["--host", "127.0.0.1", "--port", str(port)]
    command += ["--backend-store-uri", f"sqlite:///{folder / 'mlflow.db'}"]
    command += ["--default-artifact-root", (folder / "artifacts").as_uri()]
    with (folder / "log.txt").open("w") as log:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env={**os.environ, "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin"},
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            yield _ready(f"http://127.0.0.1:{port}", process, folder / "log.txt")
        finally:
            process.terminate()
            process.wait(timeout=30)


def _ready(uri: str, process: subprocess.Popen[bytes], log: Path) -> str:
    for _ in range(240):
        assert process.poll() is None, log.read_text()
        try:
            if requests.get(f"{uri}/health", timeout=5).ok:
                return uri
        except requests.ConnectionError:
            time.sleep(0.25)
    raise TimeoutError(log.read_text())


@pytest.fixture
def remote(
    gates: GateProject, server: str, monkeypatch: pytest.MonkeyPatch
) -> GateProject:
    """The gate project over the server, with version 1 in production."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server)
    mlflow.set_tracking_uri(server)
    gates.uri = server
    client = mlflow.MlflowClient(server)
    client.set_registered_model_alias("agent", "production", "1")
    for key in gates.tags("2"):
        client.delete_model_version_tag("agent", "2", key)
    return gates


def test_promotes(remote: GateProject) -> None:
    session = remote.run()

    assert (session.status, session.outcome) == (0, "promoted"), session.text
    assert session.alias == "2"
    run_id = session.record["evaluation"]["run_id"]
    assert remote.tags("2")["agentgate.run_id"] == run_id
    experiment = session.record["evaluation"]["experiment_id"]
    link = f"{remote.uri}/#/experiments/{experiment}/evaluation-runs"
    assert any(f"run: {link}?selectedRunUuid={run_id}" in s for s in session.lines)


def test_a_failed_gate_links_to_the_run(remote: GateProject, refused) -> None:
    remote.scores(b=[0, 0, 1])

    session = remote.run()

    refused(session)
    assert session.outcome == "blocked"
    message = session.gate("b/mean")["message"]
    assert f"  run: {remote.uri}/#/experiments/" in message


@pytest.mark.parametrize("value", ["nan", "inf", "-inf"])
def test_a_score_that_is_no_number_is_an_error(
    remote: GateProject, refused, value: str
) -> None:
    path = remote.path / "gates" / "scorers.py"
    nan = path.read_text().replace(
        'return outputs["b"]', f'return outputs["b"] or float("{value}")'
    )
    path.write_text(nan, encoding="utf-8")
    remote.scores(b=[1, 0, 1])

    session = remote.run()

    refused(session)
    assert (session.status, session.outcome) == (14, "error")
    assert session.verdicts["b/mean"] == "ERROR"
    assert "(row 1;" in session.gate("b/mean")["message"]


def test_a_stored_run_is_judged_again(remote: GateProject) -> None:
    remote.promote_to = None
    first = remote.run()
    assert first.outcome == "passed", first.text
    remote.promote_to = "production"
    run_id = first.record["evaluation"]["run_id"]

    session = remote.run(f"--agentgate-from-run={run_id}")

    assert (session.status, session.outcome) == (0, "promoted"), session.text
    assert session.record["evaluation"]["reused"] is True


def test_the_model_is_loaded_from_there(remote: GateProject) -> None:
    remote.rows(*({"inputs": {"question": f"question {i}"}} for i in range(3)))
    path = remote.path / "gates" / "scorers.py"
    path.write_text(
        path.read_text().replace(
            'outputs["b"]', 'outputs["output"][0]["content"][0]["text"][:4] == "echo"'
        ),
        encoding="utf-8",
    )
    gate_file = remote.path / "gates" / "gates.toml"
    text = gate_file.read_text().replace('"a/mean" = 0.5', "")
    gate_file.write_text(text.replace('"c/mean" = 0.5', ""), encoding="utf-8")

    session = remote.run()

    assert (session.status, session.outcome) == (0, "promoted"), session.text
    assert session.gate("b/mean")["value"] == 1.0


def test_credentials_in_the_uri_are_not_shown(
    remote: GateProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    uri = remote.uri.replace("http://", "http://someone:hunter2secret@")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    mlflow.set_tracking_uri(uri)

    session = remote.run()

    assert session.outcome == "promoted", session.text
    assert "hunter2secret" not in session.text
    assert "hunter2secret" not in remote.record_path.read_text()
