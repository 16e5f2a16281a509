from __future__ import annotations

import pytest

from pytest_agentgate.judgement.decision import (
    Decision,
    Outcome,
    SessionFacts,
    decide,
    exit_status,
)
from pytest_agentgate.judgement.verdicts import GateResult, Verdict


def gate(verdict, *, advisory=False, message="said so\n  row 1: 0: why?"):
    name = verdict.lower()
    return GateResult(
        id=f"{name}/mean",
        metric=f"{name}/mean",
        verdict=Verdict(verdict),
        advisory=advisory,
        message=message,
    )


NOTHING_PROVEN = "there is no required gate, so nothing is proven"


@pytest.mark.parametrize(
    ("gates", "facts", "outcome", "reasons"),
    [
        pytest.param([gate("PASSED")], {}, "passed", (), id="all-passed"),
        pytest.param([], {}, "incomplete", (NOTHING_PROVEN,), id="no-gate"),
        pytest.param(
            [gate("PASSED", advisory=True)],
            {},
            "incomplete",
            (NOTHING_PROVEN,),
            id="only-advisory-gates",
        ),
        pytest.param(
            [gate("PASSED"), gate("FAILED", advisory=True)],
            {},
            "passed",
            (),
            id="an-advisory-failure-does-not-block",
        ),
        pytest.param(
            [gate("FAILED")], {}, "blocked", ("FAILED failed/mean: said so",), id="fail"
        ),
        pytest.param(
            [gate("INCONCLUSIVE")],
            {},
            "blocked",
            ("INCONCLUSIVE inconclusive/mean: said so",),
            id="inconclusive",
        ),
        pytest.param(
            [gate("ERROR")], {}, "error", ("ERROR error/mean: said so",), id="error"
        ),
        pytest.param(
            [gate("NOT_RUN")],
            {},
            "incomplete",
            ("NOT_RUN not_run/mean: said so",),
            id="not-run",
        ),
        pytest.param(
            [gate("PASSED")],
            {"failures": ("test_x failed in call",)},
            "blocked",
            ("test_x failed in call",),
            id="another-test-failed",
        ),
        pytest.param(
            [gate("PASSED")],
            {"breaks": ("interrupted",)},
            "incomplete",
            ("interrupted",),
            id="the-session-broke",
        ),
        pytest.param(
            [gate("ERROR"), gate("FAILED"), gate("NOT_RUN")],
            {"failures": ("test_x failed",), "breaks": ("interrupted",)},
            "blocked",
            (
                "FAILED failed/mean: said so",
                "test_x failed",
                "ERROR error/mean: said so",
                "NOT_RUN not_run/mean: said so",
                "interrupted",
            ),
            id="blocked-before-error-before-incomplete",
        ),
        pytest.param(
            [gate("NOT_RUN"), gate("ERROR")],
            {"breaks": ("interrupted",)},
            "error",
            (
                "ERROR error/mean: said so",
                "NOT_RUN not_run/mean: said so",
                "interrupted",
            ),
            id="error-before-incomplete",
        ),
    ],
)
@pytest.mark.parametrize("asked", [False, True])
@pytest.mark.parametrize("plan", [False, True])
def test_what_the_gates_allow(gates, facts, outcome, reasons, asked, plan):
    decision = decide(gates, SessionFacts(**facts), asked=asked, plan=plan)

    passed = outcome == "passed"
    assert decision == Decision(
        outcome=Outcome.PLANNED if passed and plan else Outcome(outcome),
        reasons=reasons,
        promote=passed and asked and not plan,
    )


def test_a_reason_names_its_gate_once():
    result = gate("FAILED", message="failed/mean = 0.1, must be >= 0.7\n  row 1")

    decision = decide([result], SessionFacts(), asked=True)

    assert decision.reasons == ("FAILED failed/mean = 0.1, must be >= 0.7",)


def test_a_gate_without_a_message_still_blocks():
    decision = decide([gate("FAILED", message="")], SessionFacts(), asked=True)

    assert decision.outcome is Outcome.BLOCKED


STATUSES = {
    "promoted": 0,
    "already-promoted": 0,
    "passed": 0,
    "planned": 0,
    "blocked": 1,
    "pending-approval": 10,
    "incomplete": 11,
    "rolled-back": 12,
    "stuck": 13,
    "error": 14,
    "stopped": 15,
}


@pytest.mark.parametrize("outcome", list(Outcome))
@pytest.mark.parametrize("pytest_status", [0, 1])
def test_every_outcome_has_its_exit_status(outcome, pytest_status):
    assert exit_status(outcome, pytest_status, asked=True) == STATUSES[outcome]


@pytest.mark.parametrize("pytest_status", [0, 1])
def test_incomplete_ends_as_pytest_did_where_no_promotion_was_asked_for(pytest_status):
    status = exit_status(Outcome.INCOMPLETE, pytest_status, asked=False)

    assert status == pytest_status


@pytest.mark.parametrize("outcome", list(Outcome))
@pytest.mark.parametrize("pytest_status", [2, 3, 4, 5, 6, 7, 130, -15])
def test_every_other_status_of_pytests_stays(outcome, pytest_status):
    assert exit_status(outcome, pytest_status, asked=True) == pytest_status
