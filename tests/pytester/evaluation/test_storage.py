"""
Nothing that is not stored counts as evaluated.

An evaluation is one MLflow run with a trace for every row and an assessment for
every score. It can be judged again from there, and only from there: what is
missing or was changed since is an error.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlflow
import pytest
from mlflow import MlflowClient

from tests.pytester.project import SCORERS, GateProject, Session

MANY = 220


def stored(session: Session) -> list[Any]:
    """The traces that the tracking server has of a session."""
    evaluation = session.record["evaluation"]
    traces = mlflow.search_traces(
        locations=[evaluation["experiment_id"]],
        run_id=evaluation["run_id"],
        include_spans=False,
        return_type="list",
    )
    return [trace.info for trace in traces]


@pytest.mark.parametrize("recorded", [True, False], ids=["recorded", "asked"])
def test_nothing_is_lost_on_sqlite(
    gates: GateProject, monkeypatch: pytest.MonkeyPatch, recorded: bool
) -> None:
    """With MLflow's own settings this many rows lose traces without a word."""
    monkeypatch.delenv("MLFLOW_SQLALCHEMYSTORE_POOL_SIZE", raising=False)
    scores = {"a": 1, "b": 1, "c": 1}
    output = {"outputs": scores} if recorded else {}
    gates.rows(
        *({"inputs": {"question": f"question {i}"}, **output} for i in range(MANY))
    )
    gates.write(
        "conftest.py",
        f"""
        def pytest_agentgate_predict_fn(model):
            return lambda question: {scores}
        """,
    )

    session = gates.run_subprocess()

    assert (session.status, session.outcome) == (0, "promoted"), session.text
    assert session.gate("b/mean")["rows"] == MANY
    traces = stored(session)
    assert len(traces) == MANY
    names = [a.name for trace in traces for a in trace.assessments]
    assert {name: names.count(name) for name in "abc"} == dict.fromkeys("abc", MANY)


# One run


def test_the_evaluation_is_one_run_that_tells_everything(gates: GateProject) -> None:
    session = gates.run()

    client = MlflowClient()
    experiment = client.get_experiment_by_name("gates")
    [found] = client.search_runs([experiment.experiment_id])
    run = client.get_run(found.info.run_id)
    evaluation = session.record["evaluation"]
    assert run.info.run_id == evaluation["run_id"]
    assert evaluation["experiment_id"] == experiment.experiment_id
    assert run.info.status == "FINISHED"
    tags = run.data.tags
    assert tags["agentgate.model"] == "agent"
    assert tags["agentgate.version"] == "2"
    assert tags["agentgate.outcome"] == "promoted"
    assert tags["agentgate.data_digest"] == evaluation["data_digest"]
    assert tags["agentgate.gates_digest"] == gates.tags("2")["agentgate.gates_digest"]
    source = client.get_model_version("agent", "2").source
    [linked] = run.inputs.model_inputs
    assert source == f"models:/{linked.model_id}"
    metrics = {m.key for m in client.get_logged_model(linked.model_id).metrics}
    assert {"a/mean", "b/mean", "c/mean"} <= metrics


@pytest.mark.parametrize(
    ("scores", "outcome"),
    [([1, 1, 1], "promoted"), ([0, 0, 0], "blocked"), ([1, None, 1], "error")],
)
def test_the_run_holds_the_same_record(
    gates: GateProject, scores: list[object], outcome: str
) -> None:
    gates.scores(b=scores)

    session = gates.run()

    assert session.outcome == outcome
    run_id = session.record["evaluation"]["run_id"]
    assert record_of_run(run_id) == session.record
    assert mlflow.get_run(run_id).data.tags["agentgate.outcome"] == outcome


def record_of_run(run_id: str) -> dict[str, Any]:
    text = mlflow.artifacts.load_text(f"runs:/{run_id}/agentgate/record.json")
    return json.loads(text)


def test_a_planned_session_is_recorded_too(gates: GateProject) -> None:
    session = gates.run("--agentgate-plan")

    run_id = session.record["evaluation"]["run_id"]
    assert record_of_run(run_id)["outcome"] == "planned"


# Judging a stored run again


@pytest.fixture
def counted(gates: GateProject, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file in which every scorer call leaves a line."""
    path = gates.path / "scored.txt"
    counting = f"with open({str(path)!r}, 'a') as file: file.write('x')\n    return"
    gates.write("gates/scorers.py", SCORERS.replace("return", counting))
    return path


@pytest.fixture
def judged(gates: GateProject) -> Session:
    """A session that judged and promoted nothing."""
    gates.promote_to = None
    session = gates.run()
    assert session.outcome == "passed"
    gates.promote_to = "production"
    return session


def from_run(session: Session) -> str:
    return f"--agentgate-from-run={session.record['evaluation']['run_id']}"


def test_a_stored_run_is_judged_again_and_promotes(
    gates: GateProject, counted: Path, judged: Session
) -> None:
    before = counted.read_text()

    session = gates.run(from_run(judged))

    assert (session.status, session.outcome) == (0, "promoted"), session.text
    assert session.alias == "2"
    assert counted.read_text() == before, "a scorer was called"
    evaluation = session.record["evaluation"]
    assert evaluation["reused"] is True
    assert evaluation["run_id"] == judged.record["evaluation"]["run_id"]
    assert evaluation["scorers"] == ["a", "b", "c"]
    experiment = MlflowClient().get_experiment_by_name("gates")
    assert len(MlflowClient().search_runs([experiment.experiment_id])) == 1
    assert any("stored evaluation judged again" in line for line in session.lines)
    assert any("at most 0 model calls and 0 judge" in line for line in session.lines)


def test_a_stored_run_of_a_model_is_judged_without_it(gates: GateProject) -> None:
    gates.promote_to = None
    gates.rows(*({"inputs": {"question": f"question {i}"}} for i in range(3)))
    conftest = """
        def pytest_agentgate_predict_fn(model):
            {}
            return lambda question: {{"a": 1, "b": 1, "c": 1}}
        """
    gates.write("conftest.py", conftest.format("pass"))
    first = gates.run()
    gates.write("conftest.py", conftest.format("raise AssertionError('called')"))
    gates.promote_to = "production"

    session = gates.run(from_run(first))

    assert (session.status, session.outcome) == (0, "promoted"), session.text


def test_a_stored_run_meets_other_bounds(
    gates: GateProject, judged: Session, refused
) -> None:
    session = gates.run(from_run(judged), "--agentgate-threshold=b/mean>=1.5")

    refused(session)
    assert session.verdicts["b/mean"] == "FAILED"
    assert session.gate("b/mean")["value"] == 1.0


def test_a_stored_run_is_judged_for_the_one_version_it_evaluated(
    gates: GateProject, judged: Session
) -> None:
    gates.model = "agent/1"
    gates.promote_to = "staging"

    session = gates.run(from_run(judged))

    assert (session.status, session.outcome) == (4, "error")
    [error] = [line for line in session.errors if line.startswith("ERROR:")]
    assert "the run's agentgate.version is '2', this session's is '1'" in error
    assert gates.alias("staging") is None


@pytest.mark.parametrize(
    "change",
    [
        lambda gates: gates.scores(b=[1, 1, 0]),
        lambda gates: gates.scores(b=[1, 1], a=[1, 1], c=[1, 1]),
        lambda gates: gates.rows({"inputs": {"question": "other"}, "outputs": {}}),
    ],
    ids=["another answer", "fewer rows", "another question"],
)
def test_a_stored_run_is_judged_on_the_data_it_evaluated(
    gates: GateProject,
    judged: Session,
    refused,
    change: Callable[[GateProject], None],
) -> None:
    change(gates)

    session = gates.run(from_run(judged))

    refused(session)
    assert (session.status, session.outcome) == (4, "error")
    assert "agentgate.data_digest" in "".join(session.errors)


def test_rows_in_another_order_are_not_given_each_others_scores(
    gates: GateProject, refused
) -> None:
    """The digest is over the content; the rows' numbers are their places."""
    gates.promote_to = None
    gates.write(
        "gates/gates.toml",
        """
        data = "rows.jsonl"
        scorers = ["scorers"]
        experiment = "gates"
        [thresholds]
        cost = { metric = "b/mean", where = { domain = "cost" }, min = 1 }
        """,
    )
    rows = [
        {
            "inputs": {"question": domain},
            "tags": {"domain": domain},
            "outputs": {"a": 1, "b": int(domain == "safety"), "c": 1},
        }
        for domain in ("cost", "safety")
    ]
    gates.rows(*rows)
    first = gates.run()
    assert first.verdicts["cost"] == "FAILED"
    gates.rows(*reversed(rows))
    gates.promote_to = "production"

    session = gates.run(from_run(first))

    refused(session)


def test_a_run_that_is_no_evaluation_is_refused(gates: GateProject, refused) -> None:
    with mlflow.start_run(experiment_id="0") as run:
        pass

    session = gates.run(f"--agentgate-from-run={run.info.run_id}")

    refused(session)
    assert (session.status, session.outcome) == (4, "error")
    assert "agentgate.model is None" in "".join(session.errors)


# What went missing, or was changed


def delete_traces(session: Session, client: MlflowClient, count: int) -> None:
    ids = [trace.trace_id for trace in stored(session)[:count]]
    experiment = session.record["evaluation"]["experiment_id"]
    client.delete_traces(experiment_id=experiment, trace_ids=ids)


def delete_score(session: Session, client: MlflowClient) -> None:
    trace, score = a_score(session)
    mlflow.delete_assessment(trace_id=trace, assessment_id=score.assessment_id)


def add_score(session: Session, client: MlflowClient) -> None:
    trace, _ = a_score(session)
    mlflow.log_feedback(trace_id=trace, name="b", value=1.0)


def override_score(session: Session, client: MlflowClient) -> None:
    trace, score = a_score(session)
    mlflow.override_feedback(
        trace_id=trace, assessment_id=score.assessment_id, value=0.0
    )


def update_score(session: Session, client: MlflowClient) -> None:
    trace, score = a_score(session)
    score.feedback.value = 100.0
    mlflow.update_assessment(
        trace_id=trace, assessment_id=score.assessment_id, assessment=score
    )


def a_score(session: Session) -> tuple[str, Any]:
    trace = stored(session)[0]
    return trace.trace_id, next(a for a in trace.assessments if a.name == "b")


def drop_row_number(session: Session, client: MlflowClient) -> None:
    trace = stored(session)[0]
    client.delete_trace_tag(trace.trace_id, "agentgate.row")


def double_row_number(session: Session, client: MlflowClient) -> None:
    first, second, *_ = stored(session)
    number = second.tags["agentgate.row"]
    client.set_trace_tag(first.trace_id, "agentgate.row", number)


@pytest.mark.parametrize(
    ("tamper", "reason"),
    [
        (lambda s, c: delete_traces(s, c, 1), "traces for only 2 of 3 rows"),
        (lambda s, c: delete_traces(s, c, 3), "traces for only 0 of 3 rows"),
        (drop_row_number, "traces for only 2 of 3 rows"),
        (double_row_number, "of 3 rows"),
        (delete_score, "1 of 3 rows have no usable score"),
        (add_score, "2 scores arrived under the name 'b'"),
        (override_score, ""),
        (update_score, "what was evaluated is not what was stored"),
    ],
    ids=[
        "a trace deleted",
        "all traces deleted",
        "a row's number removed",
        "a row's number doubled",
        "a score deleted",
        "a score added",
        "a score overridden",
        "a score changed",
    ],
)
def test_what_was_changed_since_is_an_error(
    gates: GateProject,
    judged: Session,
    refused,
    tamper: Callable[[Session, MlflowClient], None],
    reason: str,
) -> None:
    tamper(judged, MlflowClient())

    session = gates.run(from_run(judged))

    refused(session)
    assert (session.status, session.outcome) == (14, "error"), session.text
    assert session.verdicts["b/mean"] == "ERROR"
    assert reason in session.gate("b/mean")["message"]


def test_scores_that_were_changed_in_the_database_are_an_error(
    gates: GateProject, refused
) -> None:
    gates.scores(b=[0, 0, 0])
    first = gates.run()
    assert first.outcome == "blocked"
    with sqlite3.connect(gates.path / "mlflow.db") as database:
        count = database.execute(
            "UPDATE assessments SET value = '1' WHERE name = 'b'"
        ).rowcount
    assert count == 3

    session = gates.run(from_run(first))

    refused(session)
    assert session.verdicts["b/mean"] == "ERROR"


def test_traces_that_vanish_while_the_evaluation_runs_are_an_error(
    gates: GateProject, refused
) -> None:
    """As MLflow loses them: the run is finished and its metrics are complete."""
    gates.write(
        "conftest.py",
        """
        import mlflow
        import pytest
        from mlflow import MlflowClient

        evaluate = mlflow.genai.evaluate

        def lossy(*args, **kwargs):
            result = evaluate(*args, **kwargs)
            run = mlflow.get_run(result.run_id)
            where = run.info.experiment_id
            traces = mlflow.search_traces(
                locations=[where], run_id=result.run_id, return_type="list"
            )
            ids = [traces[0].info.trace_id]
            MlflowClient().delete_traces(experiment_id=where, trace_ids=ids)
            return result

        patch = pytest.MonkeyPatch()
        patch.setattr(mlflow.genai, "evaluate", lossy)

        def pytest_agentgate_finished(record):
            patch.undo()
        """,
    )

    session = gates.run()

    refused(session)
    assert (session.status, session.outcome) == (14, "error")
    assert set(session.verdicts.values()) == {"ERROR"}
    assert "traces for only 2 of 3 rows" in session.gate("a/mean")["message"]
    assert session.record["evaluation"]["run_id"] is not None
