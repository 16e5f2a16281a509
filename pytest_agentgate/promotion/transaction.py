"""Ordered steps that are all done, or all undone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Protocol

from pytest_agentgate.errors import one_line
from pytest_agentgate.judgement.decision import Outcome


class StepOutcome(StrEnum):
    """What became of one step."""

    DONE = "done"
    ALREADY = "already"
    FAILED = "failed"
    UNDONE = "undone"
    STARTED = "started"
    NOT_REACHED = "not reached"


@dataclass(frozen=True, slots=True, kw_only=True)
class StepResult:
    """A step's line in the record; `at` is UTC in ISO 8601."""

    name: str
    outcome: StepOutcome
    detail: str = ""
    at: str | None = None


class Step(Protocol):
    """
    One change to the outside.

    `run` is idempotent: it looks first, changes what differs and reads it back,
    and says whether there was anything to do. `undo` restores what `prepare`
    found, also after a `run` that failed half-way, and reads that back.
    """

    name: str

    def prepare(self) -> None:
        """Remember what is there now."""

    def run(self) -> tuple[StepOutcome, str]:
        """Make the change; return DONE or ALREADY and a detail."""

    def undo(self) -> str:
        """Restore what was there; return a detail."""

    def undo_command(self) -> str:
        """Return the shell command with which a person restores it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Promotion:
    """What a transaction did: its outcome, why, and every step."""

    outcome: Outcome
    reasons: tuple[str, ...] = ()
    steps: tuple[StepResult, ...] = ()


Journal = Callable[[Sequence[StepResult]], None]


def run_steps(steps: Sequence[Step], journal: Journal) -> Promotion:
    """
    Run the steps in order; undo all of them in reverse where one fails.

    `journal` is told before and after each step, so that a killed process
    leaves behind what it was about to do.
    """
    log = _Log(steps, journal)
    for number, step in enumerate(steps):
        is_prepared = False
        # The second outer edge: a registry's client may raise anything, and
        # whatever it was, the steps before it have to be undone.
        try:
            log.write(number, StepOutcome.STARTED)
            step.prepare()
            is_prepared = True
            done, detail = step.run()
            log.write(number, done, detail)
        except BaseException as error:  # noqa: BLE001
            cause = one_line(error) or type(error).__name__
            log.note(number, StepOutcome.FAILED, cause)
            # A step that found nothing out has nothing to restore.
            reached = number + 1 if is_prepared else number
            return _undo(steps[:reached], log, f"{step.name}: {cause}")
    unchanged = all(result.outcome is StepOutcome.ALREADY for result in log.results)
    outcome = Outcome.ALREADY_PROMOTED if unchanged else Outcome.PROMOTED
    return Promotion(outcome=outcome, steps=tuple(log.results))


class _Log:
    """The step results so far, told to the journal at every change."""

    def __init__(self, steps: Sequence[Step], journal: Journal) -> None:
        self.results = [
            StepResult(name=step.name, outcome=StepOutcome.NOT_REACHED)
            for step in steps
        ]
        self._journal = journal

    def write(self, number: int, outcome: StepOutcome, detail: str = "") -> None:
        self.results[number] = StepResult(
            name=self.results[number].name,
            outcome=outcome,
            detail=detail,
            at=datetime.now(UTC).isoformat(timespec="seconds"),
        )
        self._journal(self.results)

    def note(self, number: int, outcome: StepOutcome, detail: str = "") -> None:
        """Write while things are put back: a full disk must not stop that."""
        with suppress(Exception, KeyboardInterrupt):
            self.write(number, outcome, detail)


def _undo(steps: Sequence[Step], log: _Log, cause: str) -> Promotion:
    stuck = []
    for number in reversed(range(len(steps))):
        step = steps[number]
        changed = log.results[number].outcome is not StepOutcome.ALREADY
        if changed and (command := _undo_one(step, number, log)):
            stuck.append(command)
    if stuck:
        reasons = (cause, *(f"not put back; run: {command}" for command in stuck))
        return Promotion(
            outcome=Outcome.STUCK, reasons=reasons, steps=tuple(log.results)
        )
    reasons = (cause, "everything is as it was before")
    return Promotion(
        outcome=Outcome.ROLLED_BACK, reasons=reasons, steps=tuple(log.results)
    )


def _undo_one(step: Step, number: int, log: _Log) -> str | None:
    """Undo one step; return the command a person needs if that failed."""
    failed = log.results[number]
    try:
        detail = step.undo()
    except BaseException as error:  # noqa: BLE001  the same edge
        log.note(number, StepOutcome.FAILED, f"undo failed: {one_line(error)}")
        return step.undo_command()
    if failed.outcome is StepOutcome.FAILED:
        log.note(number, StepOutcome.FAILED, f"{failed.detail}; {detail}")
    else:
        log.note(number, StepOutcome.UNDONE, detail)
    return None
