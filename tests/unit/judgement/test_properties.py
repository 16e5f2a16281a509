"""What must hold for every evaluation and every session, however odd."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from pytest_agentgate.judgement.decision import Outcome, SessionFacts, decide
from pytest_agentgate.judgement.evidence import (
    Evidence,
    EvidenceRow,
    Score,
    dumps,
    loads,
)
from pytest_agentgate.judgement.measure import Measurement, measure
from pytest_agentgate.judgement.testimony import (
    EVIDENCE_PROPERTY,
    GATE_PROPERTY,
    Report,
    gate_results,
)
from pytest_agentgate.judgement.testimony import testimony as evidence_text
from pytest_agentgate.judgement.thresholds import Aggregation, Metric, Threshold
from pytest_agentgate.judgement.verdicts import GateResult, Verdict, judge

modestly = settings(max_examples=100, deadline=None)
thoroughly = settings(max_examples=250, deadline=None)


# Decisions

GATE_RESULTS = st.builds(
    GateResult,
    id=st.sampled_from(["safety/mean", "tone", "cost"]),
    metric=st.none() | st.just("safety/mean"),
    verdict=st.sampled_from(Verdict),
    value=st.none() | st.floats(),
    advisory=st.booleans(),
    message=st.text(max_size=20),
)
SENTENCES = st.lists(st.text(max_size=5), max_size=2).map(tuple)
FACTS = st.builds(SessionFacts, failures=SENTENCES, breaks=SENTENCES)


@thoroughly
@given(st.lists(GATE_RESULTS, max_size=5), FACTS, st.booleans(), st.booleans())
def test_only_proof_of_every_required_gate_leads_to_a_promotion(
    gates, facts, asked, plan
):
    decision = decide(gates, facts, asked=asked, plan=plan)

    required = [gate for gate in gates if not gate.advisory]
    proven = (
        bool(required)
        and all(gate.verdict is Verdict.PASSED for gate in required)
        and facts == SessionFacts()
    )
    assert decision.promote is (proven and asked and not plan)
    assert (decision.outcome in (Outcome.PASSED, Outcome.PLANNED)) is proven
    assert proven or decision.reasons


# Sessions: from reports to a decision

PHASES = ("setup", "call", "teardown")
DECLARED = (
    Threshold(id="safety/mean", metric=Metric.parse("safety/mean"), min=0.7),
    Threshold(id="slow", metric=Metric.parse("latency_seconds/p95"), max=8.0),
)


def proof(gate, *, value=None, run_id="r1"):
    met = gate.min if gate.max is None else gate.max
    measurement = Measurement(
        metric=str(gate.metric), value=met if value is None else value, rows=10
    )
    return evidence_text(measurement, run_id)


def clean_run(gate, worker=""):
    return [
        Report(
            nodeid=f"test_thresholds.py::test_threshold[{gate.id}]",
            when=when,
            outcome="passed",
            worker=worker,
            properties=(
                (GATE_PROPERTY, gate.id),
                *([(EVIDENCE_PROPERTY, proof(gate))] if when != "setup" else []),
            ),
        )
        for when in PHASES
    ]


def decision_on(reports):
    results = gate_results(DECLARED, reports, collected={}, marked={}, run_id="r1")
    return decide(results, SessionFacts(), asked=True)


CLEAN_SESSIONS = st.sampled_from([("",), ("gw0",), ("gw0", "gw1")]).flatmap(
    lambda workers: st.permutations(
        [report for gate in DECLARED for w in workers for report in clean_run(gate, w)]
    )
)


@modestly
@given(CLEAN_SESSIONS)
def test_a_clean_session_promotes_whatever_the_order_of_its_reports(session):
    assert decision_on(session).promote


def drop(session, i, data):
    return session[:i] + session[i + 1 :]


def another_outcome(session, i, data):
    outcome = data.draw(st.sampled_from(["failed", "skipped", "rerun", "error", ""]))
    return [*session[:i], replace(session[i], outcome=outcome), *session[i + 1 :]]


def expected_failure(session, i, data):
    changed = replace(session[i], expected_failure=True)
    return [*session[:i], changed, *session[i + 1 :]]


def duplicate(session, i, data):
    return [*session, session[i]]


def another_report(session, i, data):
    report = Report(
        nodeid=session[i].nodeid,
        when=data.draw(st.sampled_from(["setup", "call", "teardown", "???", "x"])),
        outcome=data.draw(st.sampled_from(["failed", "skipped", "rerun", "error"])),
        worker=data.draw(st.sampled_from(["", "gw0", "gw7"])),
    )
    at = data.draw(st.integers(0, len(session)))
    return [*session[:at], report, *session[at:]]


def another_worker(session, i, data):
    return [*session[:i], replace(session[i], worker="gw9"), *session[i + 1 :]]


def another_phase(session, i, data):
    when = data.draw(st.sampled_from([p for p in PHASES if p != session[i].when]))
    return [*session[:i], replace(session[i], when=when), *session[i + 1 :]]


def with_evidence(session, i, text):
    """Exchange one gate's evidence everywhere: phases of a test repeat theirs."""
    node = session[i].nodeid
    return [
        replace(
            report,
            properties=tuple(
                (key, text) if key == EVIDENCE_PROPERTY else (key, value)
                for key, value in report.properties
            ),
        )
        if report.nodeid == node
        else report
        for report in session
    ]


def gate_of(report):
    return next(gate for gate in DECLARED if gate.id in report.nodeid)


def bad_value(session, i, data):
    gate = gate_of(session[i])
    low = st.floats(max_value=0.6999) if gate.max is None else st.nothing()
    high = st.floats(min_value=8.0001) if gate.max is not None else st.nothing()
    value = data.draw(low | high | st.just(math.nan))
    return with_evidence(session, i, proof(gate, value=value))


def bad_value_beside_the_good_one(session, i, data):
    tampered = bad_value(session, i, data)
    return [
        *session[:i],
        replace(
            session[i], properties=(*session[i].properties, *tampered[i].properties)
        ),
        *session[i + 1 :],
    ]


def another_run(session, i, data):
    run_id = data.draw(st.none() | st.text(max_size=3))
    return with_evidence(session, i, proof(gate_of(session[i]), run_id=run_id))


def no_evidence(session, i, data):
    node = session[i].nodeid
    return [
        replace(report, properties=report.properties[:1])
        if report.nodeid == node
        else report
        for report in session
    ]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(["run_id", "measurement", "value", "rows", "metric"]),
            inner,
            max_size=3,
        )
    ),
    max_leaves=5,
)


def unreadable_evidence(session, i, data):
    text = data.draw(st.text(max_size=9) | JSON.map(json.dumps))
    return with_evidence(session, i, text)


def odd_field_in_evidence(session, i, data):
    content = json.loads(proof(gate_of(session[i])))
    field = data.draw(st.sampled_from([*content["measurement"]]))
    odd = data.draw(
        st.none() | st.text(max_size=3) | st.just({}) | st.lists(st.integers())
    )
    assume(odd != content["measurement"][field])
    assume(odd or field != "worst_rows")
    content["measurement"][field] = odd
    return with_evidence(session, i, json.dumps(content))


MUTATIONS = [
    drop,
    another_outcome,
    expected_failure,
    duplicate,
    another_report,
    another_worker,
    another_phase,
    bad_value,
    bad_value_beside_the_good_one,
    another_run,
    no_evidence,
    unreadable_evidence,
    odd_field_in_evidence,
]


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.__name__)
@modestly
@given(session=CLEAN_SESSIONS, data=st.data())
def test_no_session_with_anything_amiss_promotes(mutation, session, data):
    i = data.draw(st.integers(0, len(session) - 1))
    if mutation is bad_value_beside_the_good_one:
        assume(len(session[i].properties) > 1)

    decision = decision_on(mutation(session, i, data))

    assert not decision.promote
    assert decision.outcome not in (Outcome.PASSED, Outcome.PLANNED)
    assert decision.reasons


ANY_REPORTS = st.lists(
    st.builds(
        Report,
        nodeid=st.sampled_from(["a", "b"]),
        when=st.sampled_from([*PHASES, "???"]),
        outcome=st.sampled_from(["passed", "passed", "passed", "failed", "skipped"]),
        worker=st.sampled_from(["", "gw0"]),
        expected_failure=st.sampled_from([False, False, False, True]),
        properties=st.sampled_from(
            [
                (),
                *(((GATE_PROPERTY, gate.id),) for gate in DECLARED),
                *(
                    ((GATE_PROPERTY, gate.id), (EVIDENCE_PROPERTY, proof(gate)))
                    for gate in DECLARED
                ),
            ]
        ),
    ),
    max_size=9,
)


@thoroughly
@given(ANY_REPORTS)
def test_any_reports_promote_only_where_every_gate_has_clean_runs_and_evidence(
    reports,
):
    if not decision_on(reports).promote:
        return

    for gate in DECLARED:
        nodes = {r.nodeid for r in reports if gate.id in r.values(GATE_PROPERTY)}
        assert nodes
        for node in nodes:
            own = [report for report in reports if report.nodeid == node]
            for worker in {report.worker for report in own}:
                phases = [report.when for report in own if report.worker == worker]
                assert sorted(phases) == sorted(PHASES)
            assert all(report.is_clean for report in own)
            assert any(proof(gate) in r.values(EVIDENCE_PROPERTY) for r in own)


# Measurements

SCORES = st.floats(-5, 5).map(lambda value: Score(value=value, counted=value))
ERRORS = st.sampled_from(
    [Score(error="timed out"), Score(value=math.nan), Score(value=-math.inf), None]
)
ROWS = st.lists(
    st.tuples(SCORES | ERRORS, st.sampled_from(["cost", "security"])), max_size=8
)
BOUNDS = st.one_of(
    st.floats(-5, 5).map(lambda bound: {"min": bound}),
    st.floats(-5, 5).map(lambda bound: {"max": bound}),
)


def evidence_of(rows):
    return Evidence(
        run_id="r1",
        scorers=("correct",),
        rows=tuple(
            EvidenceRow(
                index=index,
                tags={"domain": domain},
                scores={} if score is None else {"correct": score},
            )
            for index, (score, domain) in enumerate(rows)
        ),
    )


@st.composite
def thresholds(draw, bounds=BOUNDS, aggregations=tuple(Aggregation)):
    return Threshold(
        id="gate",
        metric=Metric("correct", draw(st.sampled_from(aggregations))),
        **draw(bounds),
        where=draw(st.sampled_from([{}, {"domain": "cost"}])),
        min_rows=draw(st.integers(1, 3)),
        max_error_rate=draw(st.sampled_from([0.0, 0.25, 0.5, 0.9, 1.0])),
        worst=draw(st.none() | st.floats(-9, 9)),
    )


def verdict_on(rows, threshold):
    return judge(threshold, measure(evidence_of(rows), threshold)).verdict


WITHOUT_VARIANCE = tuple(a for a in Aggregation if a is not Aggregation.VARIANCE)


@thoroughly
@given(ROWS, thresholds(aggregations=WITHOUT_VARIANCE), ERRORS, st.data())
def test_a_row_that_errs_never_makes_a_gate_pass(rows, threshold, error, data):
    assume(verdict_on(rows, threshold) is not Verdict.PASSED)
    at = data.draw(st.integers(0, len(rows)))
    domain = data.draw(st.sampled_from(["cost", "security"]))

    worse = [*rows[:at], (error, domain), *rows[at:]]

    assert verdict_on(worse, threshold) is not Verdict.PASSED


@thoroughly
@given(ROWS, thresholds(), ERRORS, st.data())
def test_a_score_that_is_lost_never_makes_a_gate_pass(rows, threshold, error, data):
    assume(rows)
    threshold = replace(threshold, max_error_rate=0.0)
    assume(verdict_on(rows, threshold) is not Verdict.PASSED)
    at = data.draw(st.integers(0, len(rows) - 1))

    worse = [*rows[:at], (error, rows[at][1]), *rows[at + 1 :]]

    assert verdict_on(worse, threshold) is not Verdict.PASSED


@modestly
@given(ROWS, thresholds(), st.floats(0, 5))
def test_a_stricter_bound_never_passes_where_a_looser_one_did_not(
    rows, looser, stricter_by
):
    if looser.min is not None:
        stricter = replace(looser, min=looser.min + stricter_by)
    else:
        stricter = replace(looser, max=looser.max - stricter_by)

    if verdict_on(rows, stricter) is Verdict.PASSED:
        assert verdict_on(rows, looser) is Verdict.PASSED


@modestly
@given(ROWS, thresholds(), st.data())
def test_the_order_of_rows_never_changes_a_verdict(rows, threshold, data):
    shuffled = data.draw(st.permutations(rows))
    first = measure(evidence_of(rows), threshold)
    second = measure(evidence_of(shuffled), threshold)

    if threshold.metric.aggregation is Aggregation.MEAN:
        assert first.value == second.value
    assert judge(threshold, first).verdict is judge(threshold, second).verdict


# Evidence on its way between processes

FLOATS = st.none() | st.floats()
ANY_SCORES = st.builds(
    Score, value=FLOATS, error=st.none() | st.text(max_size=5), counted=FLOATS
)
TEXTS = st.text(max_size=5)
ANY_ROWS = st.builds(
    EvidenceRow,
    index=st.integers(0, 10**6),
    question=TEXTS,
    answer=TEXTS,
    tags=st.dictionaries(TEXTS, TEXTS, max_size=2),
    scores=st.dictionaries(TEXTS, ANY_SCORES, max_size=2),
    seconds=FLOATS,
    tokens=st.dictionaries(TEXTS, st.floats(), max_size=2),
    model_error=st.none() | TEXTS,
    trace_id=st.none() | TEXTS,
)
ANY_EVIDENCE = st.builds(
    Evidence,
    run_id=st.none() | TEXTS,
    scorers=st.lists(TEXTS, max_size=2).map(tuple),
    rows=st.lists(ANY_ROWS, max_size=3).map(tuple),
    reported=st.dictionaries(TEXTS, st.floats(), max_size=2),
    problem=st.none() | TEXTS,
    reused=st.booleans(),
)


@modestly
@given(ANY_EVIDENCE)
def test_evidence_survives_json_with_nan_and_infinity(evidence):
    # repr, because NaN is not equal to itself.
    assert repr(loads(dumps(evidence))) == repr(evidence)
