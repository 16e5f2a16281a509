from __future__ import annotations

import itertools
import math

import pytest

from pytest_agentgate.judgement.measure import Measurement, WorstRow
from pytest_agentgate.judgement.thresholds import Metric, Threshold
from pytest_agentgate.judgement.verdicts import Verdict, judge, not_run, worst


def threshold_with(id="safety/mean", metric="safety/mean", **more):
    return Threshold(id=id, metric=Metric.parse(metric), **{"min": 0.7, **more})


def measured(value, **more):
    plain = {"metric": "safety/mean", "rows": 10, **more}
    return Measurement(value=value, **plain)


@pytest.mark.parametrize(
    ("threshold", "measurement", "verdict"),
    [
        pytest.param({}, measured(0.7), Verdict.PASSED, id="meets-the-bound"),
        pytest.param({}, measured(0.69), Verdict.FAILED, id="below"),
        pytest.param({"min": None, "max": 1}, measured(1), Verdict.PASSED, id="max"),
        pytest.param({"min": None, "max": 1}, measured(2), Verdict.FAILED, id="above"),
        pytest.param({"min": 0}, measured(0.0), Verdict.PASSED, id="zero-at-zero"),
        pytest.param({"min": 0}, measured(-0.1), Verdict.FAILED, id="below-zero"),
        pytest.param({}, measured(None), Verdict.ERROR, id="no-value"),
        pytest.param({}, measured(math.nan), Verdict.ERROR, id="nan"),
        pytest.param({}, measured(math.inf), Verdict.ERROR, id="infinity"),
        pytest.param(
            {"min": None, "max": 1}, measured(-math.inf), Verdict.ERROR, id="minus-inf"
        ),
        pytest.param(
            {}, measured(0.9, problem="no rows"), Verdict.ERROR, id="problem-first"
        ),
        pytest.param(
            {"min": None}, measured(0.9), Verdict.ERROR, id="no-bound-proves-nothing"
        ),
        pytest.param(
            {"min_rows": 10}, measured(0.9), Verdict.PASSED, id="just-enough-rows"
        ),
        pytest.param(
            {"min_rows": 11}, measured(0.9), Verdict.INCONCLUSIVE, id="too-few-rows"
        ),
        pytest.param(
            {"min_rows": 11},
            measured(0.1),
            Verdict.INCONCLUSIVE,
            id="too-few-rows-to-fail",
        ),
        pytest.param(
            {"min_rows": 10},
            measured(0.9, errors=1),
            Verdict.INCONCLUSIVE,
            id="errors-are-not-scored-rows",
        ),
    ],
)
def test_what_a_measurement_means(threshold, measurement, verdict):
    assert judge(threshold_with(**threshold), measurement).verdict is verdict


def test_a_passed_gate_says_so_in_one_sentence():
    result = judge(threshold_with(), measured(0.91234), run_link="run-1")

    assert result.message == ("safety/mean = 0.9123, meets >= 0.7 (10 rows, 0 errors)")


def test_a_failed_gate_says_why_and_shows_its_worst_rows_and_the_run():
    threshold = threshold_with(
        id="cost-safety",
        where={"domain": "cost"},
        max_error_rate=0.2,
        reason="Bills are no joke.",
    )
    measurement = measured(
        0.412,
        errors=1,
        worst_rows=(
            WorstRow(index=4, value=None, question="why?", error="timed out"),
            WorstRow(index=7, value=0.25, question="q" * 60),
            WorstRow(index=9, value=0.5, question="r" * 61),
        ),
    )

    result = judge(threshold, measurement, run_link="http://mlflow/run-1")

    assert result.message.splitlines() == [
        (
            "cost-safety: safety/mean = 0.412, must be >= 0.7 "
            "(10 rows where domain=cost, 1 errors; champion not compared)"
        ),
        "  why this gate: Bills are no joke.",
        "  row 4: timed out: why?",
        f"  row 7: 0.25: {'q' * 60}",
        f"  row 9: 0.5: {'r' * 59}…",
        "  run: http://mlflow/run-1",
    ]


@pytest.mark.parametrize(
    ("threshold", "measurement", "sentence"),
    [
        pytest.param(
            {"min": None, "max": 8},
            measured(9.5),
            "safety/mean = 9.5, must be <= 8 "
            "(10 rows, 0 errors; champion not compared)",
            id="maximum",
        ),
        pytest.param(
            {"max": 0.8},
            measured(0.9),
            "safety/mean = 0.9, must be >= 0.7 and <= 0.8 "
            "(10 rows, 0 errors; champion not compared)",
            id="both",
        ),
        pytest.param(
            {"min_rows": 20, "where": {"domain": "cost"}},
            measured(0.9, errors=2),
            "safety/mean = 0.9 proves nothing: 8 scored rows where domain=cost, "
            "min_rows is 20",
            id="inconclusive",
        ),
        pytest.param(
            {},
            measured(None, problem="the evaluation has no rows"),
            "safety/mean could not be measured: the evaluation has no rows",
            id="error",
        ),
        pytest.param(
            {},
            measured(math.nan),
            "safety/mean could not be measured: the value is not a finite number",
            id="nan",
        ),
    ],
)
def test_the_first_sentence_of_a_gate_that_did_not_pass(
    threshold, measurement, sentence
):
    assert judge(threshold_with(**threshold), measurement).message == sentence


def test_a_result_carries_what_it_rests_on():
    threshold = threshold_with(id="gate", max=0.9, advisory=True)

    result = judge(threshold, measured(0.8, errors=0))

    assert (result.id, result.metric) == ("gate", "safety/mean")
    assert (result.value, result.min, result.max) == (0.8, 0.7, 0.9)
    assert (result.bound, result.rows, result.errors) == (">= 0.7 and <= 0.9", 10, 0)
    assert result.advisory is True


@pytest.mark.parametrize(
    ("advisory", "value", "holds_back"),
    [(False, 0.9, False), (False, 0.1, True), (True, 0.1, False), (True, 0.9, False)],
)
def test_only_a_required_gate_that_did_not_pass_holds_back(advisory, value, holds_back):
    result = judge(threshold_with(advisory=advisory), measured(value))

    assert result.holds_back is holds_back


def test_a_gate_without_evidence_is_not_run():
    result = not_run(threshold_with(advisory=True), "its test did not run")

    assert (result.verdict, result.message) == (Verdict.NOT_RUN, "its test did not run")
    assert (result.value, result.rows, result.advisory) == (None, None, True)


ORDER = ["FAILED", "INCONCLUSIVE", "ERROR", "NOT_RUN", "PASSED"]


@pytest.mark.parametrize(
    ("bad", "good"), [*itertools.combinations(ORDER, 2), ("PASSED", "PASSED")]
)
def test_the_worst_of_two_verdicts_wins_in_either_order(bad, good):
    pair = [Verdict(bad), Verdict(good)]

    assert worst(pair) is worst(reversed(pair)) is Verdict(bad)


def test_nothing_to_judge_is_not_run():
    assert worst([]) is Verdict.NOT_RUN
