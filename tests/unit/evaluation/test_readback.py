from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np
import pytest
from mlflow.entities import AssessmentError, Expectation, Feedback
from mlflow.exceptions import MlflowException

from pytest_agentgate.dataset.rows import dataset_of
from pytest_agentgate.evaluation.readback import rows_of, score_from
from pytest_agentgate.judgement.evidence import Score


def feedback(value, error=None, name="correct"):
    wrapped = error and AssessmentError(error_code="RATE_LIMIT", error_message=error)
    return Feedback(name=name, value=value, error=wrapped)


@pytest.mark.parametrize(
    ("value", "number"),
    [
        pytest.param(True, 1.0, id="true"),
        pytest.param(False, 0.0, id="false"),
        pytest.param(3, 3.0, id="int"),
        pytest.param(0.25, 0.25, id="float"),
        pytest.param(np.float64(0.25), 0.25, id="numpy-double"),
        pytest.param("yes", 1.0, id="yes"),
        pytest.param("No", 0.0, id="no-in-any-case"),
        pytest.param("YES", 1.0, id="yes-in-capitals"),
    ],
)
def test_numbers_booleans_and_yes_or_no_are_scores(value, number):
    assert score_from(feedback(value)) == Score(value=number, counted=number)


@pytest.mark.parametrize(
    ("value", "error"),
    [
        pytest.param(None, "None, which is not a score", id="none"),
        pytest.param([], "[], which is not a score", id="empty-list"),
        pytest.param(" yes", "' yes', which is not a score", id="yes-with-a-space"),
        pytest.param("true", "'true', which is not a score", id="true-as-text"),
        pytest.param("pass", "'pass', which is not a score", id="pass"),
        pytest.param("0.5", "'0.5', which is not a score", id="number-as-text"),
        pytest.param("unknown", "'unknown', which is not a score", id="unknown"),
        pytest.param({"a": 1}, "{'a': 1}, which is not a score", id="object"),
        pytest.param([1, 10], "[1, 10], which is not a score", id="list"),
    ],
)
def test_anything_else_is_an_error_that_mlflow_did_not_count(value, error):
    try:
        returned = feedback(value)
    except MlflowException:
        pytest.skip("this version of MLflow refuses feedback without a value")

    score = score_from(returned)

    assert score == Score(error=f"the scorer returned {error}")


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_is_an_error_that_mlflow_did_count(value):
    score = score_from(feedback(value))

    assert (score.value, score.error) == (None, f"the scorer returned {value}")
    assert repr(score.counted) == repr(value)


@pytest.mark.parametrize(("value", "counted"), [(None, None), (1.0, 1.0), ("yes", 1.0)])
def test_an_error_beside_a_value_is_an_error(value, counted):
    score = score_from(feedback(value, error="too many requests"))

    assert score == Score(error="the scorer failed: too many requests", counted=counted)


def test_a_scorers_error_is_shown_on_one_line_and_without_secrets():
    cause = "401:\n  Incorrect API key provided: sk-proj-0123456789abcdef0123"

    score = score_from(feedback(None, error=cause))

    assert score.error == ("the scorer failed: 401: Incorrect API key provided: ***")


def test_what_a_scorer_returned_is_shown_in_short():
    score = score_from(feedback({"reasons": "very long " * 500}))

    assert len(str(score.error)) <= 700


DATASET = dataset_of(
    [{"question": f"question {n}", "tags.domain": "cost"} for n in range(3)],
    source="x",
)


def trace(row, *assessments, state="OK", metadata=None, tags=None):
    """What MLflow's TraceInfo says of one call."""
    key = {} if row is None else {"agentgate.row": DATASET.rows[row].key}
    return SimpleNamespace(
        trace_id=f"tr-{row}",
        trace_metadata={**key, **(metadata or {})},
        tags=tags or {},
        state=SimpleNamespace(value=state),
        execution_duration=250,
        assessments=list(assessments),
    )


def scored(row, value=1.0, **more):
    return trace(row, feedback(value), **more)


def test_traces_become_rows_in_the_order_of_the_data():
    metadata = {
        "mlflow.trace.tokenUsage": '{"input_tokens": 7, "output_tokens": null}',
        "mlflow.traceOutputs": '{"output_text": "because"}',
    }
    traces = [scored(2), scored(0, metadata=metadata), scored(1)]

    rows, problem = rows_of(traces, DATASET)

    assert problem is None
    assert [row.index for row in rows] == [0, 1, 2]
    assert (rows[0].question, rows[0].answer) == ("question 0", "because")
    assert rows[0].tags == {"domain": "cost"}
    assert rows[0].scores == {"correct": Score(value=1.0, counted=1.0)}
    assert (rows[0].seconds, rows[0].tokens) == (0.25, {"input_tokens": 7.0})
    assert (rows[0].model_error, rows[0].trace_id) == (None, "tr-0")


def test_rows_with_the_same_inputs_are_told_apart_by_a_tag():
    tagged = [trace(None, feedback(1.0), tags={"agentgate.row": DATASET.rows[1].key})]

    rows, problem = rows_of([scored(0), *tagged, scored(2)], DATASET)

    assert (len(rows), problem) == (3, None)


@pytest.mark.parametrize(
    ("traces", "problem"),
    [
        pytest.param(
            [scored(0), scored(2)],
            "the tracking server has traces for only 2 of 3 rows (missing: 1); "
            "nothing that is not stored counts as evaluated",
            id="lost",
        ),
        pytest.param(
            [],
            "the tracking server has traces for only 0 of 3 rows (missing: 0, 1, 2); "
            "nothing that is not stored counts as evaluated",
            id="all-lost",
        ),
        pytest.param(
            [scored(0), scored(1), scored(1), scored(2)],
            "more than one scored trace is stored for row 1",
            id="doubled",
        ),
        pytest.param(
            [scored(0), scored(1), trace(2), scored(2)], None, id="retried-call"
        ),
        pytest.param(
            [scored(0), scored(1), scored(2), trace(None)], None, id="foreign-trace"
        ),
    ],
)
def test_every_row_has_its_one_scored_trace(traces, problem):
    assert rows_of(traces, DATASET)[1] == problem


@pytest.mark.parametrize(
    ("bad", "error"),
    [
        pytest.param(
            scored(1, metadata={"agentgate.error": "ValueError: no index"}),
            "ValueError: no index",
            id="reason-kept-on-the-trace",
        ),
        pytest.param(
            scored(1, state="ERROR"), "its trace is in state ERROR", id="state-alone"
        ),
        pytest.param(
            scored(1, state="IN_PROGRESS"),
            "its trace is in state IN_PROGRESS",
            id="unfinished",
        ),
    ],
)
def test_a_failed_call_is_an_error_of_its_row(bad, error):
    rows, problem = rows_of([scored(0), bad, scored(2)], DATASET)

    assert problem is None
    assert [row.model_error for row in rows] == [None, error, None]


def test_two_scores_under_one_name_are_an_error():
    doubled = trace(1, feedback(1.0), feedback(0.0), feedback(0.5, name="tone"))

    rows, _ = rows_of([scored(0), doubled, scored(2)], DATASET)

    assert rows[1].scores == {
        "correct": Score(error="2 scores arrived under the name 'correct'"),
        "tone": Score(value=0.5, counted=0.5),
    }


def test_an_expectation_is_no_score():
    expected = Expectation(name="correct", value="because")

    rows, _ = rows_of(
        [scored(0), trace(1, expected, feedback(0.5)), scored(2)], DATASET
    )

    assert rows[1].scores == {"correct": Score(value=0.5, counted=0.5)}
