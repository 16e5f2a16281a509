"""One evaluation for a whole session, however many processes run its tests."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from filelock import FileLock

from pytest_agentgate.errors import AgentGateError
from pytest_agentgate.judgement.evidence import Evidence, dumps, loads


class SharedEvaluation:
    """
    Runs the evaluation when it is first asked for, and never again.

    Life cycle: the first `get` in any process of the session evaluates under a
    file lock and stores the evidence in the session's folder; every other `get`
    reads it. An evaluation whose process died is an error, not a second bill.
    """

    def __init__(self, folder: Path, evaluate: Callable[[], Evidence]) -> None:
        self._folder = folder
        self._evaluate = evaluate
        self._known: Evidence | None = None

    def get(self) -> Evidence:
        """Return the session's evidence; a failed evaluation has a `problem`."""
        if self._known is None:
            with FileLock(self._folder / "evaluation.lock"):
                self._known = self.peek() or self._first()
        return self._known

    def peek(self) -> Evidence | None:
        """Return the evidence if there is any yet, without evaluating."""
        if self._result.exists():
            return loads(self._result.read_text(encoding="utf-8"))
        return None

    @property
    def _result(self) -> Path:
        return self._folder / "evidence.json"

    def _first(self) -> Evidence:
        started = self._folder / "started"
        if started.exists():
            problem = "the process that ran the evaluation ended before it was done"
            return self._store(Evidence(problem=problem))
        started.touch()
        try:
            return self._store(self._evaluate())
        except AgentGateError as error:
            return self._store(Evidence(problem=str(error)))

    def _store(self, evidence: Evidence) -> Evidence:
        draft = self._result.with_suffix(".draft")
        draft.write_text(dumps(evidence), encoding="utf-8")
        draft.replace(self._result)
        return evidence
