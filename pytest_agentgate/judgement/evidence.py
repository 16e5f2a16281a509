"""What an evaluation left behind: rows, their scores, and what went wrong."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """
    One scorer's word on one row.

    Exactly one of `value` and `error` is set. `counted` is the number that
    MLflow's own aggregate used for this row, where it used one.
    """

    value: float | None = None
    error: str | None = None
    counted: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceRow:
    """
    One row as it was evaluated.

    `question` and `answer` are short previews for reports. `seconds` is the
    model call's wall time. `model_error` says why the call failed.
    """

    index: int
    question: str = ""
    answer: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    scores: Mapping[str, Score] = field(default_factory=dict)
    seconds: float | None = None
    tokens: Mapping[str, float] = field(default_factory=dict)
    model_error: str | None = None
    trace_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """
    The rows of one evaluation, read back from the tracking server.

    `scorers` are the names that ran, `reported` MLflow's own aggregates of the
    run. `problem`, where set, makes every measurement an error.
    """

    run_id: str | None = None
    experiment_id: str | None = None
    run_link: str | None = None
    data_source: str = ""
    data_digest: str = ""
    scorers: tuple[str, ...] = ()
    rows: tuple[EvidenceRow, ...] = ()
    reported: Mapping[str, float] = field(default_factory=dict)
    problem: str | None = None
    trials: int = 1
    reused: bool = False
    seconds: float = 0.0

    def names(self) -> frozenset[str]:
        """Every name under which a score arrived, or was to arrive."""
        arrived = {name for row in self.rows for name in row.scores}
        return frozenset(arrived | set(self.scorers))


def dumps(evidence: Evidence) -> str:
    """Return the evidence as JSON; NaN and infinity survive the round trip."""
    return json.dumps(asdict(evidence))


def loads(text: str) -> Evidence:
    """Read what `dumps` wrote."""
    plain: dict[str, Any] = json.loads(text)
    plain["scorers"] = tuple(plain["scorers"])
    plain["rows"] = tuple(_row(row) for row in plain["rows"])
    return Evidence(**plain)


def _row(plain: dict[str, Any]) -> EvidenceRow:
    scores = {name: Score(**score) for name, score in plain["scores"].items()}
    return EvidenceRow(**{**plain, "scores": scores})
