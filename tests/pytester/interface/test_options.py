"""
Every option does what the command line's help says, and wins over the gate file.

The candidate is resolved once, to one version, and that version is promoted.
"""

from __future__ import annotations

import json
import sqlite3

import mlflow
import pytest
from mlflow import MlflowClient

from tests.pytester.project import GATES, GateProject


def add_versions(gates: GateProject, count: int) -> None:
    """Register more versions of the model that version 2 holds."""
    client = MlflowClient(gates.uri)
    source = client.get_model_version("agent", "2").source
    for _ in range(count):
        client.create_model_version("agent", source)


@pytest.mark.parametrize(
    ("model", "version"),
    [
        ("agent", "10"),
        ("models:/agent", "10"),
        ("agent/2", "2"),
        ("agent/9", "9"),
        ("models:/agent/2", "2"),
        ("agent@candidate", "3"),
        ("models:/agent@candidate", "3"),
    ],
)
def test_model(gates: GateProject, model: str, version: str) -> None:
    add_versions(gates, 8)
    MlflowClient(gates.uri).set_registered_model_alias("agent", "candidate", "3")
    gates.model = model

    session = gates.run()

    assert (session.status, session.outcome) == (0, "promoted")
    assert (session.record["model"], session.record["version"]) == ("agent", version)
    assert session.alias == version
    run = mlflow.get_run(session.record["evaluation"]["run_id"])
    assert run.data.tags["agentgate.version"] == version


def test_model_is_the_newest_that_is_ready(gates: GateProject) -> None:
    add_versions(gates, 2)
    with sqlite3.connect(gates.path / "mlflow.db") as database:
        status = "UPDATE model_versions SET status = 'PENDING_REGISTRATION'"
        database.execute(f"{status} WHERE version = 4")

    assert gates.run().record["version"] == "3"


def test_model_in_production_already(gates: GateProject) -> None:
    """Also where it was put there by hand, without a tag of ours."""
    gates.model = "agent@production"

    session = gates.run()

    assert (session.status, session.outcome) == (0, "already-promoted")
    assert (session.alias, session.record["version"]) == ("1", "1")
    assert session.record["promoted"] is False


def test_gates(gates: GateProject) -> None:
    """Data and scorers are looked for beside the gate file that is named."""
    folder = gates.path / "gates"
    (folder / "gates.toml").rename(folder / "strict.toml")

    session = gates.run("--agentgate-gates=gates/strict.toml")

    assert (session.status, session.outcome) == (0, "promoted")


def test_data(gates: GateProject) -> None:
    """A file named on the command line is looked for where pytest was started."""
    row = {"inputs": {"question": "q"}, "outputs": {"a": 1, "b": 0, "c": 1}}
    gates.write("other.json", json.dumps([row]))

    session = gates.run("--agentgate-data=other.json")

    assert session.outcome == "blocked"
    assert session.record["evaluation"]["data_source"] == "other.json"
    assert session.gate("b/mean")["rows"] == 1


def test_promote_to_in_the_gate_file(gates: GateProject) -> None:
    gates.write("gates/gates.toml", 'promote_to = "staging"' + GATES)
    gates.promote_to = None

    session = gates.run()

    assert (session.status, session.outcome) == (0, "promoted")
    assert (gates.alias("staging"), session.alias) == ("2", "1")
    assert session.record["alias"] == "staging"
    assert session.record["previous_version"] is None
    assert session.lines[-1] == "agentgate: promoted agent/2 to @staging (new)."


def test_promote_to_wins_over_the_gate_file(gates: GateProject) -> None:
    gates.write("gates/gates.toml", 'promote_to = "staging"' + GATES)

    session = gates.run()

    assert session.outcome == "promoted"
    assert (gates.alias("staging"), session.alias) == (None, "2")


def test_no_promotion_is_asked_for(gates: GateProject) -> None:
    gates.promote_to = None

    session = gates.run()

    assert (session.status, session.outcome) == (0, "passed")
    assert session.record["passed"] is True
    assert session.record["promoted"] is False
    assert session.record["alias"] is None
    assert session.alias == "1"
    assert gates.tags("2") == {}
    assert "--agentgate-promote-to=ALIAS" in session.lines[-1]


def test_no_promotion_is_asked_for_and_a_gate_fails(gates: GateProject) -> None:
    gates.promote_to = None
    gates.scores(b=[0, 0, 0])

    session = gates.run()

    assert (session.status, session.outcome) == (1, "blocked")


def test_plan_changes_nothing_and_says_what_would(gates: GateProject) -> None:
    session = gates.run("--agentgate-plan")

    assert (session.status, session.outcome) == (0, "planned")
    assert session.record["passed"] is True
    assert session.record["promoted"] is False
    assert session.record["steps"] == []
    assert (session.alias, gates.tags("2")) == ("1", {})
    last = session.lines[-1]
    assert "alias 'production' would move from version 1 to version 2" in last
    assert "version 2 would be tagged agentgate.data_digest" in last
    assert "--agentgate-plan" in last


def test_plan_of_a_new_alias(gates: GateProject) -> None:
    gates.promote_to = "staging"

    session = gates.run("--agentgate-plan")

    assert "alias 'staging' would move (new) to version 2" in session.lines[-1]
    assert gates.alias("staging") is None


def test_plan_of_what_is_there_already(gates: GateProject) -> None:
    gates.model = "agent/1"

    session = gates.run("--agentgate-plan")

    assert session.outcome == "planned"
    assert "already points to version 1; nothing would change" in session.lines[-1]


def test_plan_where_no_promotion_is_asked_for(gates: GateProject) -> None:
    gates.promote_to = None

    session = gates.run("--agentgate-plan")

    assert (session.status, session.outcome) == (0, "planned")
    assert "no promotion was asked for" in session.lines[-1]


def test_plan_of_a_gate_that_fails(gates: GateProject, refused) -> None:
    gates.scores(b=[0, 0, 0])

    session = gates.run("--agentgate-plan")

    refused(session)
    assert (session.status, session.outcome) == (1, "blocked")


@pytest.mark.parametrize(
    ("options", "verdicts"),
    [
        (["b/mean>=0.9"], "PASSED FAILED PASSED"),
        (["b/mean>=0.6"], "PASSED PASSED PASSED"),
        (["b/mean>=0"], "PASSED PASSED PASSED"),
        (["a/mean>=1.01", "c/mean>=1.01"], "FAILED PASSED FAILED"),
        (["b/mean>=0.9", "b/mean>=0.1"], "PASSED PASSED PASSED"),
        (["b/mean >= 0.9"], "PASSED FAILED PASSED"),
    ],
    ids=" ".join,
)
def test_threshold(gates: GateProject, options: list[str], verdicts: str) -> None:
    gates.scores(b=[1, 1, 0])

    session = gates.run(*(f"--agentgate-threshold={text}" for text in options))

    assert list(session.verdicts.values()) == verdicts.split()
    assert session.alias == ("1" if "FAILED" in verdicts else "2")


def test_threshold_of_a_maximum(gates: GateProject) -> None:
    gates.write("gates/gates.toml", GATES.replace("0.5", "{ max = 1 }"))

    session = gates.run("--agentgate-threshold=b/mean<=0.99")

    assert session.verdicts["b/mean"] == "FAILED"
    assert session.gate("b/mean")["max"] == 0.99


def test_record(gates: GateProject) -> None:
    session = gates.run("--agentgate-record=reports/deep/gate.json")

    record = json.loads((gates.path / "reports/deep/gate.json").read_text())
    assert record["outcome"] == "promoted"
    assert session.record is None
    assert not (gates.path / ".agentgate").exists()
    assert any("reports/deep/gate.json" in line for line in session.lines)


def test_workers(gates: GateProject) -> None:
    """Three rows that wait for each other can be answered by three workers only."""
    gates.write(
        "conftest.py",
        """
        import threading

        barrier = threading.Barrier(3)

        def pytest_agentgate_predict_fn(model):
            def predict(question):
                barrier.wait(timeout=20)
                return {"a": 1, "b": 1, "c": 1}
            return predict
        """,
    )
    gates.rows(*({"inputs": {"question": f"question {i}"}} for i in range(3)))

    assert gates.run("--agentgate-workers=3").outcome == "promoted"


def test_one_worker(gates: GateProject) -> None:
    gates.write(
        "conftest.py",
        """
        import threading, time
        from pathlib import Path

        busy = threading.Lock()

        def pytest_agentgate_predict_fn(model):
            def predict(question):
                assert busy.acquire(blocking=False), "two rows in flight"
                time.sleep(0.05)
                busy.release()
                return {"a": 1, "b": 1, "c": 1}
            return predict
        """,
    )
    gates.rows(*({"inputs": {"question": f"question {i}"}} for i in range(5)))

    assert gates.run("--agentgate-workers=1").outcome == "promoted"


@pytest.mark.parametrize(
    ("value", "outcome", "status"),
    [
        (None, "pending-approval", 10),
        ("pending", "pending-approval", 10),
        ("rejected", "pending-approval", 10),
        ("approved by nobody", "pending-approval", 10),
        ("", "pending-approval", 10),
        ("approved", "promoted", 0),
        ("Approved", "promoted", 0),
        ("APPROVED", "promoted", 0),
    ],
)
def test_approval(
    gates: GateProject, value: str | None, outcome: str, status: int
) -> None:
    if value is not None:
        MlflowClient(gates.uri).set_model_version_tag("agent", "2", "review", value)

    session = gates.run("--agentgate-approval=review")

    assert (session.status, session.outcome) == (status, outcome)
    assert session.alias == ("2" if outcome == "promoted" else "1")
    if outcome != "promoted":
        assert "agentgate.outcome" not in gates.tags("2")
        assert "'review' of agent/2" in session.lines[-1]
        assert "set it to 'approved'" in session.lines[-1]


def test_approval_of_another_version(gates: GateProject) -> None:
    MlflowClient(gates.uri).set_model_version_tag("agent", "1", "review", "approved")

    assert gates.run("--agentgate-approval=review").outcome == "pending-approval"


def test_approval_does_not_mend_a_failed_gate(gates: GateProject, refused) -> None:
    MlflowClient(gates.uri).set_model_version_tag("agent", "2", "review", "approved")
    gates.scores(b=[0, 0, 0])

    session = gates.run("--agentgate-approval=review")

    refused(session)
    assert session.outcome == "blocked"


def test_approval_is_not_needed_for_a_plan(gates: GateProject) -> None:
    session = gates.run("--agentgate-approval=review", "--agentgate-plan")

    assert (session.status, session.outcome) == (0, "planned")


def test_trials_of_one_are_accepted(gates: GateProject) -> None:
    assert gates.run("--agentgate-trials=1").outcome == "promoted"


def test_refresh_is_accepted(gates: GateProject) -> None:
    session = gates.run("--agentgate-refresh")

    assert session.outcome == "promoted"
    assert session.record["evaluation"]["reused"] is False


@pytest.mark.parametrize(("promote_to", "status"), [(None, 0), ("production", 11)])
def test_collect_only_reads_gates_and_calls_nothing(
    gates: GateProject, promote_to: str | None, status: int
) -> None:
    gates.promote_to = promote_to

    session = gates.run("--collect-only", "-q")

    assert (session.status, session.outcome) == (status, "incomplete")
    assert "gates/test_thresholds.py::test_threshold[b/mean]" in session.lines
    assert session.alias == "1"
    assert MlflowClient(gates.uri).get_experiment_by_name("gates") is None


def test_a_champion_alias_of_its_own(gates: GateProject) -> None:
    MlflowClient(gates.uri).set_registered_model_alias("agent", "live", "1")
    gates.write("gates/gates.toml", 'champion = "live"' + GATES)

    session = gates.run()

    assert session.outcome == "promoted"
    assert session.record["champion"] == {"alias": "live", "version": "1"}
