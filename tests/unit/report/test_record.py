from __future__ import annotations

import json
import math
from datetime import datetime

import pytest

from pytest_agentgate.candidate.reference import ModelVersion
from pytest_agentgate.judgement.decision import Outcome
from pytest_agentgate.judgement.evidence import Evidence, EvidenceRow
from pytest_agentgate.judgement.verdicts import GateResult, Verdict
from pytest_agentgate.promotion.transaction import StepOutcome, StepResult
from pytest_agentgate.report.record import Record, now, write

STARTED = "2026-01-01T10:00:00+00:00"

TOP_LEVEL = [
    "schema_version",
    "outcome",
    "passed",
    "promoted",
    "endpoint_created",
    "model",
    "version",
    "alias",
    "previous_version",
    "failures",
    "metrics",
    "gates",
    "evaluation",
    "champion",
    "endpoint",
    "steps",
    "started_at",
    "finished_at",
]
OF_A_GATE = [
    "id",
    "metric",
    "verdict",
    "value",
    "min",
    "max",
    "max_drop",
    "lower",
    "upper",
    "champion_value",
    "rows",
    "errors",
    "advisory",
    "message",
]
OF_THE_EVALUATION = [
    "run_id",
    "experiment_id",
    "rows",
    "trials",
    "data_source",
    "data_digest",
    "scorers",
    "reused",
    "seconds",
]


def record_of(outcome="passed", **more):
    plain = {"model": "main.agents.agent", "started_at": STARTED, **more}
    return Record(outcome=Outcome(outcome), **plain)


def gate(id="safety/mean", value=0.9, metric="safety/mean", **more):
    return GateResult(id=id, metric=metric, verdict=Verdict.PASSED, value=value, **more)


EVIDENCE = Evidence(
    run_id="r1",
    experiment_id="7",
    data_source="questions.jsonl",
    data_digest="0123456789abcdef",
    scorers=("safety",),
    rows=(EvidenceRow(index=0), EvidenceRow(index=1)),
    reported={"safety/mean": 0.8, "tone/mean": math.nan},
    seconds=3.5,
)
STEP = StepResult(
    name="set alias", outcome=StepOutcome.DONE, detail="production = 2", at=STARTED
)


def full():
    return record_of(
        "promoted",
        passed=True,
        candidate=ModelVersion(name="main.agents.agent", version="2"),
        alias="production",
        previous_version="1",
        champion_alias="production",
        champion_version="1",
        gates=(gate(min=0.7, rows=2, errors=0, message="said so"),),
        evidence=EVIDENCE,
        steps=(STEP,),
    )


@pytest.mark.parametrize("record", [record_of(), full()], ids=["bare", "full"])
def test_every_key_of_the_schema_is_there(record):
    plain = json.loads(record.text())

    assert list(plain) == TOP_LEVEL
    for found in plain["gates"]:
        assert list(found) == OF_A_GATE
    if plain["evaluation"] is not None:
        assert list(plain["evaluation"]) == OF_THE_EVALUATION
    for step in plain["steps"]:
        assert list(step) == ["name", "outcome", "detail", "at"]


def test_a_full_record():
    plain = json.loads(full().text())

    finished = plain.pop("finished_at")
    assert datetime.fromisoformat(finished).utcoffset().total_seconds() == 0
    assert plain == {
        "schema_version": 1,
        "outcome": "promoted",
        "passed": True,
        "promoted": True,
        "endpoint_created": False,
        "model": "main.agents.agent",
        "version": "2",
        "alias": "production",
        "previous_version": "1",
        "failures": [],
        "metrics": {"safety/mean": 0.9},
        "gates": [
            {
                "id": "safety/mean",
                "metric": "safety/mean",
                "verdict": "PASSED",
                "value": 0.9,
                "min": 0.7,
                "max": None,
                "max_drop": None,
                "lower": None,
                "upper": None,
                "champion_value": None,
                "rows": 2,
                "errors": 0,
                "advisory": False,
                "message": "said so",
            }
        ],
        "evaluation": {
            "run_id": "r1",
            "experiment_id": "7",
            "rows": 2,
            "trials": 1,
            "data_source": "questions.jsonl",
            "data_digest": "0123456789abcdef",
            "scorers": ["safety"],
            "reused": False,
            "seconds": 3.5,
        },
        "champion": {"alias": "production", "version": "1"},
        "endpoint": None,
        "steps": [
            {
                "name": "set alias",
                "outcome": "done",
                "detail": "production = 2",
                "at": STARTED,
            }
        ],
        "started_at": STARTED,
    }


def test_a_bare_record_says_null_where_nothing_is_known():
    plain = record_of("error").plain()

    nothing = ("version", "alias", "previous_version", "evaluation", "champion")
    assert [plain[name] for name in nothing] == [None] * 5
    assert (plain["failures"], plain["gates"], plain["steps"]) == ([], [], [])
    assert (plain["passed"], plain["promoted"]) == (False, False)


@pytest.mark.parametrize("outcome", list(Outcome))
def test_promoted_is_true_for_that_outcome_alone(outcome):
    assert record_of(outcome).plain()["promoted"] is (outcome == "promoted")


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, None])
def test_what_is_not_finite_is_null_and_no_metric(value):
    plain = json.loads(record_of(gates=(gate(value=value),)).text())

    assert plain["gates"][0]["value"] is None
    assert plain["metrics"] == {}


def test_metrics_are_those_of_mlflow_and_ours_where_a_gate_has_its_metrics_name():
    gates = (
        gate(value=0.9),
        gate(id="cost", value=0.1, metric="safety/mean"),
        gate(id="test_x.py::test_y", value=None, metric=None),
    )

    metrics = record_of(gates=gates, evidence=EVIDENCE).plain()["metrics"]

    assert metrics == {"safety/mean": 0.9}


def test_failures_are_sentences_without_secrets():
    record = record_of("error", failures=("no access:\n Bearer 0123456789",))

    assert record.plain()["failures"] == ["no access: Bearer ***"]


def test_the_commands_of_a_stuck_promotion_are_complete():
    call = (
        "python -c 'import mlflow; mlflow.MlflowClient().delete_model_version_tag(1)'"
    )
    command = "not put back; run: " + " && ".join([call] * 12)

    record = record_of("stuck", failures=("no answer", command))

    assert record.plain()["failures"][1] == command


def test_a_record_replaces_the_one_before_and_leaves_no_draft(tmp_path):
    path = tmp_path / "deep" / "down" / "record.json"

    write(path, "old")
    write(path, full().text())

    assert json.loads(path.read_text(encoding="utf-8"))["outcome"] == "promoted"
    assert list(path.parent.iterdir()) == [path]


def test_a_record_that_cannot_be_written_is_an_os_error(tmp_path):
    (tmp_path / "file").touch()

    with pytest.raises(OSError, match="file"):
        write(tmp_path / "file" / "record.json", "text")


def test_now_is_utc_to_the_second():
    moment = datetime.fromisoformat(now())

    assert moment.utcoffset().total_seconds() == 0
    assert moment.microsecond == 0
