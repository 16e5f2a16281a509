from __future__ import annotations

import json
from dataclasses import replace

import pytest

from pytest_agentgate.judgement.decision import Outcome, SessionFacts, decide
from pytest_agentgate.judgement.measure import Measurement, WorstRow
from pytest_agentgate.judgement.testimony import (
    ADVISORY_PROPERTY,
    EVIDENCE_PROPERTY,
    GATE_PROPERTY,
    Report,
    conduct,
    gate_nodes,
    gate_results,
)
from pytest_agentgate.judgement.testimony import testimony as evidence_text
from pytest_agentgate.judgement.thresholds import Metric, Threshold
from pytest_agentgate.judgement.verdicts import Verdict

GATE = "safety/mean"
NODE = "gates/test_thresholds.py::test_threshold[safety/mean]"
THRESHOLD = Threshold(id=GATE, metric=Metric.parse(GATE), min=0.7)
WEAKEST = WorstRow(index=1, value=0.2, question="why?")

PHASES = ("setup", "call", "teardown")
SETUP, CALL, TEARDOWN = 0, 1, 2


def evidence(value=0.9, run_id="r1", **more):
    plain = {"metric": GATE, "rows": 4, "worst_rows": (WEAKEST,), **more}
    return evidence_text(Measurement(value=value, **plain), run_id)


def triple(*, proof=None, node=NODE, gate=GATE, advisory=False, **more):
    """A clean run of one gate's test: evidence is there from the call on."""
    properties = [(GATE_PROPERTY, gate)]
    if advisory:
        properties.append((ADVISORY_PROPERTY, "true"))
    proven = [*properties, (EVIDENCE_PROPERTY, evidence() if proof is None else proof)]
    return [
        Report(
            nodeid=node,
            when=when,
            outcome="passed",
            properties=tuple(properties if when == "setup" else proven),
            **more,
        )
        for when in PHASES
    ]


def changed(phase, **more):
    """A clean run but for what one phase's report says."""
    reports = triple()
    reports[phase] = replace(reports[phase], **more)
    return reports


def without(*phases):
    return [report for i, report in enumerate(triple()) if i not in phases]


def extra(when, outcome, **more):
    """A clean run and one more report under its node id."""
    return [*triple(), Report(nodeid=NODE, when=when, outcome=outcome, **more)]


CRASH = Report(nodeid=NODE, when="???", outcome="failed", text="gw0 crashed")


def unproven():
    """A clean run whose test never measured anything."""
    return [replace(report, properties=((GATE_PROPERTY, GATE),)) for report in triple()]


def results_of(reports, *, declared=(THRESHOLD,), run_id="r1", marked=None):
    return gate_results(
        declared,
        reports,
        collected={NODE: GATE},
        marked=marked or {},
        run_id=run_id,
        run_link="http://mlflow/r1",
    )


def promotes(results):
    return decide(results, SessionFacts(), asked=True).promote


PASSED_MESSAGE = "safety/mean = 0.9, meets >= 0.7 (4 rows, 0 errors)"
FAILED_MESSAGE = (
    "safety/mean = 0.1, must be >= 0.7 (4 rows, 0 errors; champion not compared)\n"
    "  row 1: 0.2: why?\n"
    "  run: http://mlflow/r1"
)


@pytest.mark.parametrize(
    "reports",
    [
        pytest.param(triple(), id="one-clean-run"),
        pytest.param(triple(worker="gw0") + triple(worker="gw1"), id="dist-each"),
        pytest.param(triple() + triple(node="other.py::test"), id="two-tests"),
        pytest.param(
            triple()[:1] + triple(node="other.py::test") + triple()[1:],
            id="interleaved",
        ),
    ],
)
def test_a_gate_passes_on_clean_runs_with_evidence(reports):
    (result,) = results_of(reports)

    assert (result.verdict, result.message) == (Verdict.PASSED, PASSED_MESSAGE)
    assert promotes([result])


XFAIL = {"expected_failure": True}
NOT_TO_ITS_END = "its test did not run to its end"
TWICE = "its test ran more than once; a retry proves nothing"


@pytest.mark.parametrize(
    ("reports", "verdict", "message"),
    [
        pytest.param(
            [],
            "NOT_RUN",
            "its test did not run (not selected or collected)",
            id="no-report",
        ),
        pytest.param(without(SETUP), "NOT_RUN", NOT_TO_ITS_END, id="no-setup"),
        pytest.param(without(CALL), "NOT_RUN", NOT_TO_ITS_END, id="setup-only"),
        pytest.param(without(TEARDOWN), "NOT_RUN", NOT_TO_ITS_END, id="no-teardown"),
        pytest.param(
            without(SETUP, TEARDOWN), "NOT_RUN", NOT_TO_ITS_END, id="call-only"
        ),
        pytest.param(
            [
                replace(triple()[SETUP], outcome="skipped", text="no judge here"),
                triple()[TEARDOWN],
            ],
            "NOT_RUN",
            "its test was skipped in setup: no judge here",
            id="skipped-in-setup",
        ),
        pytest.param(
            changed(CALL, outcome="skipped", text="later"),
            "NOT_RUN",
            "its test was skipped in call: later",
            id="skipped-in-call",
        ),
        pytest.param(
            changed(TEARDOWN, outcome="skipped"),
            "NOT_RUN",
            "its test was skipped in teardown",
            id="skipped-in-teardown-after-a-passed-call",
        ),
        pytest.param(
            changed(CALL, outcome="skipped", **XFAIL),
            "NOT_RUN",
            "its test was xfailed",
            id="xfail",
        ),
        pytest.param(
            [replace(triple()[SETUP], outcome="skipped", **XFAIL), triple()[TEARDOWN]],
            "NOT_RUN",
            "its test was xfailed",
            id="xfail-run-false",
        ),
        pytest.param(
            changed(CALL, **XFAIL), "NOT_RUN", "its test was xpassed", id="xpass"
        ),
        pytest.param(
            changed(SETUP, outcome="failed", text="no connection"),
            "ERROR",
            "its test failed in setup: no connection",
            id="failed-in-setup",
        ),
        pytest.param(
            changed(CALL, outcome="failed", text="assert 0"),
            "ERROR",
            "its test failed in call: assert 0",
            id="failed-in-call-in-spite-of-its-evidence",
        ),
        pytest.param(
            changed(TEARDOWN, outcome="failed", text="no connection"),
            "ERROR",
            "its test failed in teardown: no connection",
            id="failed-in-teardown-after-a-passed-call",
        ),
        pytest.param(
            [*changed(CALL, outcome="rerun"), *triple()], "ERROR", TWICE, id="rerun"
        ),
        pytest.param(
            [*without(CALL, TEARDOWN), *triple()], "ERROR", TWICE, id="two-setups"
        ),
        pytest.param(triple() + triple(), "ERROR", TWICE, id="two-clean-runs"),
        pytest.param(
            [*without(CALL, TEARDOWN), CRASH],
            "NOT_RUN",
            "its test was lost with a worker: gw0 crashed",
            id="crash-in-call",
        ),
        pytest.param(
            [*without(TEARDOWN), CRASH],
            "NOT_RUN",
            "its test was lost with a worker: gw0 crashed",
            id="crash-in-teardown-after-a-passed-call",
        ),
        pytest.param(
            [replace(CRASH, outcome="rerun"), *triple()],
            "NOT_RUN",
            "its test was lost with a worker: gw0 crashed",
            id="crash-then-a-clean-run",
        ),
        pytest.param(
            extra("call", "failed", text="subtest"),
            "ERROR",
            "its test failed in call: subtest",
            id="subtest-failed-and-the-test-stayed-green",
        ),
        pytest.param(
            extra("call", "skipped", text="subtest"), "ERROR", TWICE, id="subtest-skip"
        ),
        pytest.param(
            extra("call", "skipped", **XFAIL), "ERROR", TWICE, id="subtest-xfail"
        ),
        pytest.param(
            extra("???", "skipped"),
            "NOT_RUN",
            "its test was lost with a worker: ",
            id="unknown-phase-skipped",
        ),
        pytest.param(
            unproven(),
            "ERROR",
            "its test passed without leaving evidence",
            id="green-without-evidence",
        ),
        pytest.param(
            triple(proof="{}"),
            "ERROR",
            "the evidence its test carries cannot be read",
            id="evidence-empty",
        ),
        pytest.param(
            triple(proof="not json"),
            "ERROR",
            "the evidence its test carries cannot be read",
            id="evidence-not-json",
        ),
        pytest.param(
            triple(proof="[]"),
            "ERROR",
            "the evidence its test carries cannot be read",
            id="evidence-a-list",
        ),
        pytest.param(
            triple(proof=json.dumps({"measurement": json.loads(evidence())})),
            "ERROR",
            "the evidence its test carries cannot be read",
            id="evidence-nested-wrongly",
        ),
        pytest.param(
            triple(
                proof=json.dumps({"measurement": json.loads(evidence())["measurement"]})
            ),
            "ERROR",
            "the evidence its test carries cannot be read",
            id="evidence-without-its-run",
        ),
        pytest.param(
            triple(proof=evidence("0.9")),
            "ERROR",
            "the evidence its test carries cannot be read",
            id="evidence-with-text-for-a-value",
        ),
        pytest.param(
            triple(proof=evidence(rows="4")),
            "ERROR",
            "the evidence its test carries cannot be read",
            id="evidence-with-text-for-a-count",
        ),
        pytest.param(
            triple(proof=evidence(run_id="r0")),
            "ERROR",
            "its evidence is from run r0, not from this session's",
            id="evidence-of-another-run",
        ),
        pytest.param(
            triple(proof=evidence(run_id=None)),
            "ERROR",
            "its evidence is from run None, not from this session's",
            id="evidence-of-no-run",
        ),
        pytest.param(
            triple(proof=evidence(0.1)),
            "FAILED",
            FAILED_MESSAGE,
            id="green-but-too-low",
        ),
        pytest.param(
            [
                *without(CALL, TEARDOWN),
                replace(unproven()[CALL], outcome="failed"),
                unproven()[TEARDOWN],
            ],
            "ERROR",
            "its test failed in call: ",
            id="failed-before-it-measured",
        ),
        pytest.param(
            [
                replace(report, outcome="failed" if i == CALL else "passed")
                for i, report in enumerate(triple(proof=evidence(0.1)))
            ],
            "FAILED",
            FAILED_MESSAGE,
            id="red-and-explained-by-its-evidence",
        ),
        pytest.param(
            triple(proof=evidence(float("nan"))),
            "ERROR",
            "safety/mean could not be measured: the value is not a finite number\n"
            "  row 1: 0.2: why?\n"
            "  run: http://mlflow/r1",
            id="green-with-nan",
        ),
        pytest.param(
            triple(proof=evidence(None, problem="no rows", worst_rows=())),
            "ERROR",
            "safety/mean could not be measured: no rows\n  run: http://mlflow/r1",
            id="green-with-a-problem",
        ),
        pytest.param(
            triple(worker="gw0") + triple(worker="gw1", proof=evidence(0.1)),
            "FAILED",
            FAILED_MESSAGE,
            id="dist-each-one-worker-too-low",
        ),
        pytest.param(
            triple(worker="gw0") + triple(worker="gw1")[:2],
            "NOT_RUN",
            NOT_TO_ITS_END,
            id="dist-each-one-worker-not-to-its-end",
        ),
        pytest.param(
            triple() + triple(node="other.py::test", proof=evidence(0.1)),
            "FAILED",
            FAILED_MESSAGE,
            id="two-tests-one-too-low",
        ),
        pytest.param(
            triple(proof=evidence(0.1)) + triple(node="other.py::test"),
            "FAILED",
            FAILED_MESSAGE,
            id="two-tests-the-first-too-low",
        ),
        pytest.param(
            triple(worker="gw0", proof=evidence(0.1)) + triple(worker="gw1"),
            "FAILED",
            FAILED_MESSAGE,
            id="dist-each-the-first-worker-too-low",
        ),
        pytest.param(
            triple() + triple(node="other.py::test")[:1],
            "NOT_RUN",
            NOT_TO_ITS_END,
            id="two-tests-one-not-to-its-end",
        ),
    ],
)
def test_what_a_gates_reports_amount_to(reports, verdict, message):
    (result,) = results_of(reports)

    assert (result.verdict, result.message) == (Verdict(verdict), message)
    assert promotes([result]) is (verdict == "PASSED")


def test_evidence_of_another_metric_proves_nothing():
    (result,) = results_of(triple(proof=evidence(metric="tone/mean")))

    assert result.verdict is Verdict.ERROR


def test_evidence_may_be_of_an_alias():
    threshold = replace(THRESHOLD, aliases=(Metric.parse("is_safe/mean"),))

    (result,) = results_of(
        triple(proof=evidence(metric="is_safe/mean")), declared=[threshold]
    )

    assert result.verdict is Verdict.PASSED


def test_where_nothing_was_evaluated_no_evidence_counts():
    (result,) = results_of(triple(proof=evidence(run_id=None)), run_id=None)

    assert result.verdict is Verdict.ERROR


def test_a_failed_evaluation_explains_its_gates():
    proof = evidence(None, run_id=None, problem="no connection", worst_rows=())

    (result,) = results_of(triple(proof=proof), run_id=None)

    assert result.verdict is Verdict.ERROR
    assert "safety/mean could not be measured: no connection" in result.message


def test_a_crash_report_without_properties_is_matched_by_its_node():
    (result,) = results_of([CRASH])

    assert result.verdict is Verdict.NOT_RUN
    assert result.message == "its test was lost with a worker: gw0 crashed"


def test_gates_come_in_the_order_of_their_declaration():
    other = Threshold(id="tone", metric=Metric.parse("tone/mean"), min=0)

    results = results_of(triple(), declared=(other, THRESHOLD))

    assert [(result.id, result.verdict) for result in results] == [
        ("tone", Verdict.NOT_RUN),
        (GATE, Verdict.PASSED),
    ]


ADVISORY = replace(THRESHOLD, advisory=True)


@pytest.mark.parametrize(
    ("reports", "verdict"),
    [
        pytest.param(triple(advisory=True), "PASSED", id="passed"),
        pytest.param(
            [
                replace(report, outcome="skipped", **XFAIL) if i == CALL else report
                for i, report in enumerate(triple(advisory=True, proof=evidence(0.1)))
            ],
            "FAILED",
            id="failed-and-shown-as-xfailed",
        ),
        pytest.param(
            [
                replace(report, outcome="skipped", **XFAIL) if i == CALL else report
                for i, report in enumerate(triple(proof=evidence(0.9)))
            ],
            "NOT_RUN",
            id="xfailed-by-somebody-else",
        ),
        pytest.param([], "NOT_RUN", id="not-run"),
    ],
)
def test_an_advisory_gate_is_judged_and_never_decides(reports, verdict):
    (advisory,) = results_of(reports, declared=[ADVISORY])
    (required,) = results_of(triple())

    assert (advisory.verdict, advisory.advisory) == (Verdict(verdict), True)
    assert not promotes([advisory])
    assert promotes([advisory, required])


MARKED = "gates/test_custom.py::test_refuses"


def marked_run(**more):
    reports = triple(node=MARKED, gate=MARKED)
    return [
        replace(report, properties=((GATE_PROPERTY, MARKED),), **more)
        for report in reports
    ]


@pytest.mark.parametrize(
    ("reports", "verdict", "message"),
    [
        pytest.param(marked_run(), "PASSED", "it passed", id="passed"),
        pytest.param([], "NOT_RUN", "it was collected but did not run", id="left-out"),
        pytest.param(
            [
                marked_run()[0],
                replace(marked_run()[1], outcome="failed", text="assert 1 == 0"),
                marked_run()[2],
            ],
            "FAILED",
            "its test failed in call: assert 1 == 0",
            id="failed",
        ),
        pytest.param(
            [
                replace(marked_run()[0], outcome="failed", text="no data"),
                marked_run()[2],
            ],
            "ERROR",
            "its test failed in setup: no data",
            id="fixture-failed",
        ),
        pytest.param(
            [
                *marked_run()[:2],
                replace(marked_run()[2], outcome="failed", text="no data"),
            ],
            "ERROR",
            "its test failed in teardown: no data",
            id="teardown-failed",
        ),
        pytest.param(
            [
                marked_run()[0],
                replace(marked_run()[1], outcome="skipped", text="not now"),
                marked_run()[2],
            ],
            "NOT_RUN",
            "its test was skipped in call: not now",
            id="skipped",
        ),
        pytest.param(
            [
                marked_run()[0],
                replace(marked_run()[1], **XFAIL),
                marked_run()[2],
            ],
            "NOT_RUN",
            "its test was xpassed",
            id="xpassed",
        ),
        pytest.param(marked_run() + marked_run(), "ERROR", TWICE, id="ran-twice"),
        pytest.param(
            [Report(nodeid=MARKED, when="???", outcome="failed", text="gw1 crashed")],
            "NOT_RUN",
            "its test was lost with a worker: gw1 crashed",
            id="crashed",
        ),
    ],
)
def test_a_marked_test_is_judged_by_its_conduct(reports, verdict, message):
    results = results_of(triple() + reports, marked={MARKED: False})

    assert [result.id for result in results] == [GATE, MARKED]
    assert (results[1].verdict, results[1].message) == (Verdict(verdict), message)
    assert (results[1].metric, results[1].advisory) == (None, False)
    assert promotes(results) is (verdict == "PASSED")


def test_an_advisory_marked_test_that_failed_is_failed_and_does_not_block():
    properties = ((GATE_PROPERTY, MARKED), (ADVISORY_PROPERTY, "true"))
    reports = [replace(report, properties=properties) for report in marked_run()]
    reports[CALL] = replace(reports[CALL], outcome="skipped", **XFAIL)

    results = results_of(triple() + reports, marked={MARKED: True})

    assert (results[1].verdict, results[1].advisory) == (Verdict.FAILED, True)
    assert promotes(results)


def test_a_gate_that_nobody_declared_or_marked_does_not_prove_anything():
    reports = triple(node=MARKED, gate="sneaky/mean")

    results = results_of(triple() + reports)

    assert [result.id for result in results] == [GATE, "sneaky/mean"]
    assert not promotes(results)


def test_an_undeclared_gate_that_failed_blocks():
    reports = triple(node=MARKED, gate="sneaky/mean")
    reports[CALL] = replace(reports[CALL], outcome="failed")

    results = results_of(triple() + reports)

    assert results[1].verdict is Verdict.FAILED
    assert decide(results, SessionFacts(), asked=True).outcome is Outcome.BLOCKED


def test_the_worst_conduct_of_any_worker_counts():
    clean, skipped = triple(worker="gw0"), triple(worker="gw1")
    skipped[CALL] = replace(skipped[CALL], outcome="skipped", text="busy")

    assert conduct(clean) == (Verdict.PASSED, "")
    assert conduct(clean + skipped) == conduct(skipped + clean)
    assert conduct(clean + skipped) == (
        Verdict.NOT_RUN,
        "its test was skipped in call: busy",
    )


def test_the_nodes_of_gates_are_those_with_the_property():
    other = Report(nodeid="test_x.py::test_y", when="call", outcome="failed")

    assert gate_nodes([*triple(), other]) == {NODE}
