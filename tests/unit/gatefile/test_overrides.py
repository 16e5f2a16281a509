from __future__ import annotations

import pytest

from pytest_agentgate.errors import InputError
from pytest_agentgate.gatefile.overrides import BoundOverride, override
from pytest_agentgate.judgement.thresholds import Metric, Threshold

SAFETY = Threshold(id="safety/mean", metric=Metric.parse("safety/mean"), min=0.7)
LATENCY = Threshold(
    id="latency_seconds/p95", metric=Metric.parse("latency_seconds/p95"), max=8.0
)
BOTH = Threshold(id="length", metric=Metric.parse("length/mean"), min=10, max=90)
DECLARED = (SAFETY, LATENCY, BOTH)


def overridden(*texts):
    return override(DECLARED, [BoundOverride.parse(text) for text in texts])


@pytest.mark.parametrize(
    ("text", "id", "bounds"),
    [
        pytest.param("safety/mean>=0.9", "safety/mean", (0.9, None), id="min"),
        pytest.param("safety/mean>=0", "safety/mean", (0.0, None), id="zero"),
        pytest.param("safety/mean>=-1e-3", "safety/mean", (-0.001, None), id="signed"),
        pytest.param(
            " safety/mean >= 0.9 ", "safety/mean", (0.9, None), id="with-spaces"
        ),
        pytest.param(
            "latency_seconds/p95<=2", "latency_seconds/p95", (None, 2.0), id="max"
        ),
        pytest.param("length>=20", "length", (20.0, 90), id="min-of-both"),
        pytest.param("length<=20", "length", (10, 20.0), id="max-of-both"),
        pytest.param("length<=10", "length", (10, 10.0), id="min-equals-max"),
    ],
)
def test_an_override_replaces_one_bound_and_nothing_else(text, id, bounds):
    result = {threshold.id: threshold for threshold in overridden(text)}

    assert list(result) == [threshold.id for threshold in DECLARED]
    assert (result[id].min, result[id].max) == bounds
    assert [t for t in result.values() if t.id != id] == [
        t for t in DECLARED if t.id != id
    ]


def test_the_last_of_several_overrides_wins():
    assert overridden("safety/mean>=0.9", "safety/mean>=0.8")[0].min == 0.8


def test_without_overrides_nothing_changes():
    assert overridden() == DECLARED


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param(
            "saftey/mean>=0.9",
            "--agentgate-threshold=saftey/mean>=0.9: no threshold has the id "
            "'saftey/mean'; did you mean 'safety/mean'?",
            id="misspelt-id",
        ),
        pytest.param(
            "zzz<=0.9",
            "--agentgate-threshold=zzz<=0.9: no threshold has the id 'zzz'; "
            "known: safety/mean, latency_seconds/p95, length",
            id="unknown-id",
        ),
        pytest.param(
            "safety/mean>=0.1<=0.9",
            "--agentgate-threshold=safety/mean>=0.1<=0.9: no threshold has the id "
            "'safety/mean>=0.1'; did you mean 'safety/mean'?",
            id="two-operators",
        ),
        pytest.param(
            "safety/mean<=0.9",
            "--agentgate-threshold=safety/mean<=0.9: safety/mean has no max, it asks "
            "for >= 0.7; override that side, or add max to the gate file",
            id="wrong-side",
        ),
        pytest.param(
            "latency_seconds/p95>=1",
            "--agentgate-threshold=latency_seconds/p95>=1: latency_seconds/p95 has no "
            "min, it asks for <= 8; override that side, or add min to the gate file",
            id="other-wrong-side",
        ),
        pytest.param(
            "length>=90.5",
            "--agentgate-threshold=length>=90.5: min 90.5 is greater than max 90",
            id="min-above-max",
        ),
        pytest.param(
            "length<=9",
            "--agentgate-threshold=length<=9: min 10 is greater than max 9",
            id="max-below-min",
        ),
    ],
)
def test_an_override_that_does_not_fit_is_refused(text, message):
    with pytest.raises(InputError) as refusal:
        overridden(text)

    assert str(refusal.value) == message


@pytest.mark.parametrize(
    "text",
    [
        "",
        "safety/mean",
        "safety/mean>0.9",
        "safety/mean=0.9",
        "safety/mean==0.9",
        ">=0.9",
        "safety/mean>=",
        "safety/mean>=high",
        "safety/mean>=nan",
        "safety/mean>=inf",
        "safety/mean>=0.9 0.8",
    ],
)
def test_what_is_not_an_override_is_refused(text):
    with pytest.raises(InputError) as refusal:
        BoundOverride.parse(text)

    assert str(refusal.value) == (
        f"--agentgate-threshold={text}: write ID>=N or ID<=N, "
        'for example "--agentgate-threshold=safety/mean>=0.9"'
    )
