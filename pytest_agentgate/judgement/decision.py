"""One pure function decides whether a candidate may be promoted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from pytest_agentgate.judgement.verdicts import GateResult, Verdict


class Outcome(StrEnum):
    """What became of a session."""

    PROMOTED = "promoted"
    ALREADY_PROMOTED = "already-promoted"
    PASSED = "passed"
    PLANNED = "planned"
    BLOCKED = "blocked"
    PENDING_APPROVAL = "pending-approval"
    INCOMPLETE = "incomplete"
    ROLLED_BACK = "rolled-back"
    STOPPED = "stopped"
    STUCK = "stuck"
    ERROR = "error"


_EXIT_STATUS = {
    Outcome.PROMOTED: 0,
    Outcome.ALREADY_PROMOTED: 0,
    Outcome.PASSED: 0,
    Outcome.PLANNED: 0,
    Outcome.BLOCKED: 1,
    Outcome.PENDING_APPROVAL: 10,
    Outcome.INCOMPLETE: 11,
    Outcome.ROLLED_BACK: 12,
    Outcome.STUCK: 13,
    Outcome.ERROR: 14,
    Outcome.STOPPED: 15,
}


def exit_status(outcome: Outcome, pytest_status: int, *, asked: bool) -> int:
    """
    Return the process's exit status.

    pytest's own statuses from 2 up stay as they are, and an incomplete session
    that was not asked to promote ends as pytest ended it.
    """
    if pytest_status not in (0, 1):
        return pytest_status
    if outcome is Outcome.INCOMPLETE and not asked:
        return pytest_status
    return _EXIT_STATUS[outcome]


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionFacts:
    """
    What else happened in the session.

    `failures` are tests outside the gates that failed or errored, `breaks` the
    reasons why the session did not run to its end.
    """

    failures: tuple[str, ...] = ()
    breaks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """
    The outcome so far and the sentences that explain it.

    Outcome PASSED with `promote` is the only leave to act there is.
    """

    outcome: Outcome
    reasons: tuple[str, ...] = ()
    promote: bool = False


def decide(
    gates: Sequence[GateResult],
    facts: SessionFacts,
    *,
    asked: bool,
    plan: bool = False,
) -> Decision:
    """
    Decide what the session's gates allow.

    Args:
        gates: Every declared gate and every collected test marked as one.
        facts: What else happened.
        asked: Whether a promotion was asked for.
        plan: Whether only a plan was asked for.
    """
    required = [gate for gate in gates if not gate.advisory]
    blocked = _messages(required, Verdict.FAILED, Verdict.INCONCLUSIVE)
    blocked += facts.failures
    errors = _messages(required, Verdict.ERROR)
    missing = _messages(required, Verdict.NOT_RUN) + facts.breaks
    if blocked:
        reasons = blocked + errors + missing
        return Decision(outcome=Outcome.BLOCKED, reasons=reasons)
    if errors:
        return Decision(outcome=Outcome.ERROR, reasons=errors + missing)
    if missing:
        return Decision(outcome=Outcome.INCOMPLETE, reasons=missing)
    if not required or any(gate.verdict is not Verdict.PASSED for gate in required):
        reason = "there is no required gate, so nothing is proven"
        return Decision(outcome=Outcome.INCOMPLETE, reasons=(reason,))
    outcome = Outcome.PLANNED if plan else Outcome.PASSED
    return Decision(outcome=outcome, promote=asked and not plan)


def _messages(gates: Sequence[GateResult], *verdicts: Verdict) -> tuple[str, ...]:
    return tuple(_reason(gate) for gate in gates if gate.verdict in verdicts)


def _reason(gate: GateResult) -> str:
    first_line = gate.message.partition("\n")[0]
    named = first_line.startswith(gate.id)
    return f"{gate.verdict} {first_line if named else f'{gate.id}: {first_line}'}"
