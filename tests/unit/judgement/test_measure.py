from __future__ import annotations

import math
import random

import numpy as np
import pytest

from pytest_agentgate.judgement.evidence import Evidence, EvidenceRow, Score
from pytest_agentgate.judgement.measure import Measurement, WorstRow, aggregate, measure
from pytest_agentgate.judgement.thresholds import Aggregation, Metric, Threshold

BROKEN = Score(error="judge timed out")


def evidence_of(*scores, **more):
    """One row a score of the scorer ``correct``; None is a row without any."""
    rows = tuple(
        EvidenceRow(
            index=index,
            question=f"question {index}",
            scores={} if score is None else {"correct": _score(score)},
        )
        for index, score in enumerate(scores)
    )
    return Evidence(**{"run_id": "r1", "scorers": ("correct",), "rows": rows, **more})


def _score(score):
    return score if isinstance(score, Score) else Score(value=score, counted=score)


def threshold_on(metric="correct/mean", **more):
    return Threshold(id="gate", metric=Metric.parse(metric), **{"min": 0.5, **more})


VALUES = [0.25, 1.0, 0.1, 0.7, 0.1, 0.9, 3.5]


NUMPY = {
    "mean": np.mean(VALUES),
    "median": np.median(VALUES),
    "min": np.min(VALUES),
    "max": np.max(VALUES),
    "variance": np.var(VALUES),
    "p50": np.percentile(VALUES, 50),
    "p90": np.percentile(VALUES, 90),
    "p95": np.percentile(VALUES, 95),
    "p99": np.percentile(VALUES, 99),
}


@pytest.mark.parametrize("aggregation", list(Aggregation))
def test_every_aggregation_agrees_with_numpy(aggregation):
    measured = measure(evidence_of(*VALUES), threshold_on(f"correct/{aggregation}"))

    assert measured.value == pytest.approx(float(NUMPY[aggregation]), rel=1e-12)
    assert (measured.rows, measured.errors, measured.problem) == (7, 0, None)


def test_a_mean_does_not_depend_on_the_order_of_its_values():
    values = [1e16, 1.0, -1e16, 0.3] * 5
    means = set()
    for seed in range(20):
        random.Random(seed).shuffle(values)
        means.add(aggregate(values, Aggregation.MEAN))

    assert means == {(5 * 1.0 + 5 * 0.3) / 20}


@pytest.mark.parametrize(
    "broken",
    [
        pytest.param(BROKEN, id="scorer-raised"),
        pytest.param(None, id="scorer-returned-nothing"),
        pytest.param(Score(value=math.nan), id="nan"),
        pytest.param(Score(value=math.inf), id="infinity"),
        pytest.param(Score(value=1.0, error="half an answer"), id="value-and-error"),
        pytest.param(Score(), id="neither-value-nor-error"),
    ],
)
def test_a_row_without_a_usable_score_is_a_problem(broken):
    measured = measure(evidence_of(1.0, broken, 1.0), threshold_on())

    assert (measured.rows, measured.errors, measured.value) == (3, 1, None)
    assert measured.problem is not None
    assert measured.problem.startswith("1 of 3 rows have no usable score (row 1; ")
    assert measured.problem.endswith("; max_error_rate is 0")


def test_the_problem_names_the_first_rows_and_the_first_cause():
    scores = [BROKEN] * 7 + [1.0] * 3

    measured = measure(evidence_of(*scores), threshold_on(max_error_rate=0.5))

    assert measured.problem == (
        "7 of 10 rows have no usable score (row 0, 1, 2, 3, 4 and 2 more; "
        "first: judge timed out); max_error_rate is 0.5"
    )


@pytest.mark.parametrize(
    ("bounds", "metric", "expected"),
    [
        pytest.param({"min": 0.5}, "mean", 2.4 / 4, id="min-counts-as-zero"),
        pytest.param({"min": 0.5, "worst": -1.0}, "mean", 1.4 / 4, id="min-worst"),
        pytest.param({"min": 0.5, "worst": 9.0}, "mean", 3.0 / 4, id="worst-no-gain"),
        pytest.param({"min": 0.5}, "min", 0.0, id="min-of-min"),
        pytest.param({"max": 9, "min": None}, "mean", 3.4 / 4, id="max-counts-as-max"),
        pytest.param(
            {"max": 9, "min": None, "worst": 5.0}, "mean", 7.4 / 4, id="max-worst"
        ),
        pytest.param(
            {"max": 9, "min": None, "worst": 0.0}, "mean", 3.4 / 4, id="max-no-gain"
        ),
    ],
)
def test_within_the_error_rate_an_error_counts_as_the_worst_value(
    bounds, metric, expected
):
    threshold = threshold_on(f"correct/{metric}", max_error_rate=0.25, **bounds)

    measured = measure(evidence_of(1.0, BROKEN, 0.6, 0.8), threshold)

    assert measured.problem is None
    assert (measured.rows, measured.errors) == (4, 1)
    assert measured.value == pytest.approx(expected)


def test_scores_below_zero_are_worse_than_the_default_worst():
    threshold = threshold_on(max_error_rate=0.5)

    measured = measure(evidence_of(-2.0, BROKEN), threshold)

    assert measured.value == -2.0


@pytest.mark.parametrize(
    ("failed", "total", "rate", "is_problem"),
    [
        pytest.param(1, 10, 0.1, False, id="exactly-the-rate"),
        pytest.param(3, 10, 0.3, False, id="exactly-the-rate-in-floats"),
        pytest.param(2, 10, 0.1, True, id="above"),
        pytest.param(1, 100, 0.0, True, id="none-allowed"),
        pytest.param(9, 10, 1.0, False, id="all-but-one"),
        pytest.param(10, 10, 1.0, True, id="no-scored-row-is-no-measurement"),
    ],
)
def test_the_error_rate_is_a_share_of_the_selected_rows(
    failed, total, rate, is_problem
):
    scores = [BROKEN] * failed + [1.0] * (total - failed)

    measured = measure(evidence_of(*scores), threshold_on(max_error_rate=rate))

    assert (measured.problem is not None) is is_problem
    assert measured.errors == failed


def tagged(index, value, **tags):
    score = Score(value=value) if value is not None else BROKEN
    return EvidenceRow(index=index, tags=tags, scores={"correct": score})


def test_only_the_rows_of_the_slice_count():
    rows = (
        tagged(0, 1.0, domain="cost"),
        tagged(1, 0.0, domain="security"),
        tagged(2, None, domain="security"),
        tagged(3, 0.5, domain="cost", hard="true"),
        tagged(4, None),
    )
    evidence = evidence_of(rows=rows)

    cost = measure(evidence, threshold_on(where={"domain": "cost"}))
    both = measure(evidence, threshold_on(where={"domain": "cost", "hard": "true"}))

    assert (cost.value, cost.rows, cost.errors) == (0.75, 2, 0)
    assert (both.value, both.rows) == (0.5, 1)


@pytest.mark.parametrize(
    ("rows", "where", "problem"),
    [
        pytest.param(
            (tagged(0, 1.0, domain="cost"),),
            {"domain": "costs"},
            "no row has the tags domain=costs",
            id="empty-slice",
        ),
        pytest.param((), {}, "the evaluation has no rows", id="no-rows"),
    ],
)
def test_nothing_to_measure_is_a_problem(rows, where, problem):
    measured = measure(evidence_of(rows=rows), threshold_on(where=where))

    assert (measured.value, measured.rows, measured.problem) == (None, 0, problem)


def test_an_alias_is_measured_where_it_is_what_arrived():
    evidence = evidence_of(0.5)
    threshold = threshold_on("right/mean", aliases=(Metric.parse("correct/mean"),))

    measured = measure(evidence, threshold)

    assert (measured.metric, measured.value) == ("correct/mean", 0.5)


def test_an_alias_may_have_an_aggregation_of_its_own():
    evidence = evidence_of(0.5, 0.9)
    threshold = threshold_on("right/mean", aliases=(Metric.parse("correct/max"),))

    assert measure(evidence, threshold).value == 0.9


def test_a_metric_and_its_alias_both_arriving_is_ambiguous():
    evidence = evidence_of(0.5, scorers=("correct", "right"))
    threshold = threshold_on("right/mean", aliases=(Metric.parse("correct/mean"),))

    assert measure(evidence, threshold) == Measurement(
        metric="right/mean",
        problem="ambiguous: the run has both right/mean and correct/mean; "
        "keep one of them",
    )


@pytest.mark.parametrize(
    ("evidence", "arrived"),
    [
        pytest.param(evidence_of(0.5), "correct", id="another"),
        pytest.param(evidence_of(scorers=()), "none", id="none"),
    ],
)
def test_a_metric_that_did_not_arrive_is_a_problem(evidence, arrived):
    measured = measure(evidence, threshold_on("safety/mean"))

    assert measured.problem == (
        f"no scorer reported 'safety' (scores arrived: {arrived})"
    )


def test_a_failed_evaluation_is_a_problem_of_every_measurement():
    measured = measure(evidence_of(1.0, problem="no connection"), threshold_on())

    assert measured == Measurement(metric="correct/mean", problem="no connection")


OPERATIONAL_ROWS = (
    EvidenceRow(index=0, seconds=1.0, tokens={"input_tokens": 10, "total_tokens": 15}),
    EvidenceRow(index=1, seconds=3.0, tokens={"input_tokens": 30, "total_tokens": 45}),
)


@pytest.mark.parametrize(
    ("metric", "value"),
    [
        ("latency_seconds/mean", 2.0),
        ("latency_seconds/p50", 2.0),
        ("latency_seconds/max", 3.0),
        ("input_tokens/mean", 20.0),
        ("total_tokens/max", 45.0),
        ("predict_error/mean", 0.0),
    ],
)
def test_operational_metrics_come_from_the_traces(metric, value):
    evidence = evidence_of(rows=OPERATIONAL_ROWS)

    assert measure(evidence, threshold_on(metric, min=None, max=9)).value == value


@pytest.mark.parametrize(
    ("metric", "cause"),
    [
        ("latency_seconds/mean", "the trace has no duration"),
        ("output_tokens/mean", "the trace has no token counts"),
    ],
)
def test_a_trace_without_the_figure_is_an_error(metric, cause):
    evidence = evidence_of(rows=(*OPERATIONAL_ROWS, EvidenceRow(index=2)))

    measured = measure(evidence, threshold_on(metric, min=None, max=9))

    assert measured.value is None
    assert f"first: {cause})" in str(measured.problem)


FAILED_CALL = EvidenceRow(
    index=1,
    seconds=0.1,
    model_error="ValueError: no index",
    scores={"correct": Score(value=1.0, counted=1.0)},
)


def test_predict_error_is_the_share_of_failed_calls():
    rows = (OPERATIONAL_ROWS[0], FAILED_CALL)

    measured = measure(evidence_of(rows=rows), threshold_on("predict_error/mean"))

    assert (measured.value, measured.errors, measured.problem) == (0.5, 0, None)


@pytest.mark.parametrize("metric", ["correct/mean", "latency_seconds/mean"])
def test_a_failed_call_is_an_error_even_where_a_scorer_gave_it_points(metric):
    measured = measure(evidence_of(rows=(FAILED_CALL,)), threshold_on(metric))

    assert (measured.value, measured.errors) == (None, 1)
    assert "the model call failed: ValueError: no index" in str(measured.problem)


@pytest.mark.parametrize(
    ("reported", "problem"),
    [
        pytest.param({"correct/mean": 0.75}, None, id="agrees"),
        pytest.param({"correct/mean": 0.75 + 1e-10}, None, id="rounding"),
        pytest.param({}, None, id="nothing-reported"),
        pytest.param({"other/mean": 0.1}, None, id="another-scorer"),
        pytest.param(
            {"correct/mean": 0.9},
            "MLflow reports correct/mean 0.9, the stored rows give 0.75: "
            "what was evaluated is not what was stored",
            id="disagrees",
        ),
    ],
)
def test_the_stored_rows_must_agree_with_the_mean_that_mlflow_reports(
    reported, problem
):
    measured = measure(evidence_of(0.5, 1.0, reported=reported), threshold_on())

    assert measured.problem == problem


def test_the_mean_is_compared_whatever_the_aggregation_and_the_slice():
    rows = (tagged(0, 1.0, domain="cost"), tagged(1, 0.0, domain="security"))
    counted = tuple(
        EvidenceRow(
            index=row.index,
            tags=row.tags,
            scores={"correct": Score(value=row.index, counted=row.index)},
        )
        for row in rows
    )
    evidence = evidence_of(rows=counted, reported={"correct/mean": 1.0})

    measured = measure(evidence, threshold_on("correct/max", where={"domain": "cost"}))

    assert "the stored rows give 0.5" in str(measured.problem)


def test_a_score_that_mlflow_counted_beside_an_error_is_part_of_the_comparison():
    half = Score(error="the scorer failed: rate limit", counted=0.5)
    evidence = evidence_of(1.0, half, 1.0, 1.0, reported={"correct/mean": 3.5 / 4})

    measured = measure(evidence, threshold_on(max_error_rate=0.25))

    assert (measured.value, measured.problem) == (0.75, None)


def test_the_worst_rows_are_errors_first_then_the_lowest():
    measured = measure(
        evidence_of(0.9, 0.2, BROKEN, 0.1, 0.5), threshold_on(max_error_rate=0.5)
    )

    assert measured.worst_rows == (
        WorstRow(index=2, value=None, question="question 2", error="judge timed out"),
        WorstRow(index=3, value=0.1, question="question 3"),
        WorstRow(index=1, value=0.2, question="question 1"),
    )


def test_for_a_maximum_the_worst_rows_are_the_highest():
    threshold = threshold_on(min=None, max=1)

    measured = measure(evidence_of(0.9, 0.2, 4.0, 0.1, 0.5), threshold)

    assert [row.index for row in measured.worst_rows] == [2, 0, 4]
