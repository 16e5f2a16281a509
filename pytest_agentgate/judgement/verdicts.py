"""What a measurement means for a gate."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from pytest_agentgate.judgement.measure import Measurement, WorstRow
from pytest_agentgate.judgement.thresholds import Threshold


class Verdict(StrEnum):
    """What is known about a gate. Only PASSED lets a candidate through."""

    PASSED = "PASSED"
    FAILED = "FAILED"
    INCONCLUSIVE = "INCONCLUSIVE"
    ERROR = "ERROR"
    NOT_RUN = "NOT_RUN"


_FROM_WORST = (
    Verdict.FAILED,
    Verdict.INCONCLUSIVE,
    Verdict.ERROR,
    Verdict.NOT_RUN,
    Verdict.PASSED,
)


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """Return the worst verdict; nothing to judge is NOT_RUN."""
    return min(verdicts, key=_FROM_WORST.index, default=Verdict.NOT_RUN)


@dataclass(frozen=True, slots=True, kw_only=True)
class GateResult:
    """
    A gate's verdict and what it rests on.

    `message` is for people: one sentence where the gate passed, several lines
    where it did not.
    """

    id: str
    metric: str | None
    verdict: Verdict
    value: float | None = None
    min: float | None = None
    max: float | None = None
    bound: str = ""
    rows: int | None = None
    errors: int | None = None
    advisory: bool = False
    message: str = ""

    @property
    def holds_back(self) -> bool:
        """Whether this gate alone keeps the candidate from promotion."""
        return not self.advisory and self.verdict is not Verdict.PASSED


def judge(
    threshold: Threshold, measurement: Measurement, *, run_link: str | None = None
) -> GateResult:
    """Compare a measurement with its bound; anything unclear is not PASSED."""
    verdict = _verdict(threshold, measurement)
    return GateResult(
        id=threshold.id,
        metric=str(threshold.metric),
        verdict=verdict,
        value=measurement.value,
        min=threshold.min,
        max=threshold.max,
        bound=threshold.bound,
        rows=measurement.rows,
        errors=measurement.errors,
        advisory=threshold.advisory,
        message=_message(threshold, measurement, verdict, run_link),
    )


def not_run(threshold: Threshold, why: str) -> GateResult:
    """Return the result of a gate whose test left no evidence."""
    return GateResult(
        id=threshold.id,
        metric=str(threshold.metric),
        verdict=Verdict.NOT_RUN,
        min=threshold.min,
        max=threshold.max,
        bound=threshold.bound,
        advisory=threshold.advisory,
        message=why,
    )


def _verdict(threshold: Threshold, measurement: Measurement) -> Verdict:
    value = measurement.value
    if measurement.problem is not None or value is None or not math.isfinite(value):
        return Verdict.ERROR
    if threshold.min is None and threshold.max is None:
        return Verdict.ERROR
    if measurement.rows - measurement.errors < threshold.min_rows:
        return Verdict.INCONCLUSIVE
    return Verdict.PASSED if threshold.accepts(value) else Verdict.FAILED


def _message(
    threshold: Threshold,
    measurement: Measurement,
    verdict: Verdict,
    run_link: str | None,
) -> str:
    lines = [_sentence(threshold, measurement, verdict)]
    if verdict is Verdict.PASSED:
        return lines[0]
    if threshold.reason:
        lines.append(f"  why this gate: {threshold.reason}")
    lines += [_worst_line(row) for row in measurement.worst_rows]
    if run_link:
        lines.append(f"  run: {run_link}")
    return "\n".join(lines)


def _sentence(threshold: Threshold, measurement: Measurement, verdict: Verdict) -> str:
    name = (
        threshold.id
        if threshold.id == measurement.metric
        else (f"{threshold.id}: {measurement.metric}")
    )
    within = f" where {threshold.slice}" if threshold.slice else ""
    count = f"{measurement.rows} rows{within}, {measurement.errors} errors"
    if verdict is Verdict.ERROR:
        why = measurement.problem or "the value is not a finite number"
        return f"{name} could not be measured: {why}"
    shown = f"{name} = {measurement.value:.4g}"
    if verdict is Verdict.INCONCLUSIVE:
        scored = measurement.rows - measurement.errors
        return (
            f"{shown} proves nothing: {scored} scored rows{within}, "
            f"min_rows is {threshold.min_rows}"
        )
    if verdict is Verdict.PASSED:
        return f"{shown}, meets {threshold.bound} ({count})"
    return f"{shown}, must be {threshold.bound} ({count}; champion not compared)"


def _worst_line(row: WorstRow) -> str:
    score = row.error if row.value is None else f"{row.value:g}"
    question = row.question if len(row.question) <= 60 else row.question[:59] + "…"
    return f"  row {row.index}: {score}: {question}"
