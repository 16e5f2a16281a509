from __future__ import annotations

import math

import pytest

from pytest_agentgate.judgement.thresholds import (
    Aggregation,
    Metric,
    Threshold,
    tag_text,
)

ANY = Metric("safety", Aggregation.MEAN)


@pytest.mark.parametrize(
    ("text", "scorer", "aggregation"),
    [
        pytest.param("safety/mean", "safety", "mean", id="plain"),
        pytest.param("team/safety/p95", "team/safety", "p95", id="slash-in-scorer"),
        pytest.param("a b.c-d/variance", "a b.c-d", "variance", id="odd-letters"),
    ],
)
def test_a_metric_is_a_scorer_and_an_aggregation(text, scorer, aggregation):
    metric = Metric.parse(text)

    assert (metric.scorer, metric.aggregation) == (scorer, Aggregation(aggregation))
    assert str(metric) == text


@pytest.mark.parametrize("text", ["safety", "/mean", "safety/", "safety/avg", "", "/"])
def test_what_is_not_a_metric_is_refused_with_the_known_aggregations(text):
    with pytest.raises(ValueError, match="is not a metric") as refusal:
        Metric.parse(text)

    assert str(refusal.value) == (
        f"{text!r} is not a metric; write SCORER/AGGREGATION with an aggregation of "
        "mean, median, min, max, variance, p50, p90, p95, p99"
    )


@pytest.mark.parametrize(
    ("low", "high", "value", "accepted"),
    [
        pytest.param(0.7, None, 0.7, True, id="min-is-inclusive"),
        pytest.param(0.7, None, 0.7 - 5e-13, True, id="min-within-rounding"),
        pytest.param(0.7, None, 0.7 - 5e-12, False, id="min-beyond-rounding"),
        pytest.param(0.7, None, 0.69, False, id="below-min"),
        pytest.param(None, 8.0, 8.0, True, id="max-is-inclusive"),
        pytest.param(None, 8.0, 8.0 + 5e-13, True, id="max-within-rounding"),
        pytest.param(None, 8.0, 8.0 + 5e-12, False, id="max-beyond-rounding"),
        pytest.param(None, 8.0, 8.01, False, id="above-max"),
        pytest.param(0.0, None, -0.1, False, id="zero-is-a-real-min"),
        pytest.param(0.0, None, 0.0, True, id="zero-meets-min-zero"),
        pytest.param(None, 0.0, 0.1, False, id="zero-is-a-real-max"),
        pytest.param(None, 0.0, 0.0, True, id="zero-meets-max-zero"),
        pytest.param(0.2, 0.8, 0.5, True, id="inside"),
        pytest.param(0.2, 0.8, 0.1, False, id="under-both"),
        pytest.param(0.2, 0.8, 0.9, False, id="over-both"),
        pytest.param(0.7, None, math.nan, False, id="nan-min"),
        pytest.param(None, 8.0, math.nan, False, id="nan-max"),
        pytest.param(None, None, math.nan, False, id="nan-without-a-bound"),
        pytest.param(0.7, None, -math.inf, False, id="minus-infinity"),
        pytest.param(None, 8.0, math.inf, False, id="infinity"),
    ],
)
def test_bounds_are_inclusive_and_never_accept_nan(low, high, value, accepted):
    threshold = Threshold(id="a", metric=ANY, min=low, max=high)

    assert threshold.accepts(value) is accepted


@pytest.mark.parametrize(
    ("low", "high", "text"),
    [
        pytest.param(0.7, None, ">= 0.7", id="min"),
        pytest.param(0.0, None, ">= 0", id="zero-min"),
        pytest.param(None, 0.0, "<= 0", id="zero-max"),
        pytest.param(0.2, 8.0, ">= 0.2 and <= 8", id="both"),
    ],
)
def test_a_bound_reads_as_people_write_it(low, high, text):
    assert Threshold(id="a", metric=ANY, min=low, max=high).bound == text


def test_a_slice_reads_as_its_tags():
    threshold = Threshold(id="a", metric=ANY, where={"domain": "cost", "hard": "true"})

    assert threshold.slice == "domain=cost, hard=true"


@pytest.mark.parametrize(
    ("value", "text"),
    [(True, "true"), (False, "false"), ("True", "True"), (3, "3"), (None, "None")],
)
def test_tags_are_text_and_booleans_are_lower_case(value, text):
    assert tag_text(value) == text
