"""From the rows' own scores to one number, counting what could not be scored."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from pytest_agentgate.judgement.evidence import Evidence, EvidenceRow, Score
from pytest_agentgate.judgement.thresholds import (
    OPERATIONAL,
    Aggregation,
    Metric,
    Threshold,
)

#: How far MLflow's mean may lie from the rows' mean, relative to its size.
_CROSS_CHECK = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class WorstRow:
    """A row that explains a measurement: its number, score and question."""

    index: int
    value: float | None
    question: str
    error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """
    A metric's value over the selected rows, or why there is none.

    `rows` counts the selected rows, `errors` those among them without a usable
    score. `problem` is set where nothing may be concluded from the value.
    """

    metric: str
    value: float | None = None
    rows: int = 0
    errors: int = 0
    problem: str | None = None
    worst_rows: tuple[WorstRow, ...] = ()


def measure(evidence: Evidence, threshold: Threshold) -> Measurement:
    """
    Measure what `threshold` asks for, failing closed.

    A row without a usable score is an error. Within `max_error_rate` it counts
    as the worst value and never as a better one than the worst row scored.
    """
    if evidence.problem is not None:
        return Measurement(metric=str(threshold.metric), problem=evidence.problem)
    try:
        metric = _arrived_as(evidence, threshold)
    except LookupError as error:
        return Measurement(metric=str(threshold.metric), problem=str(error))
    rows = [row for row in evidence.rows if _is_selected(row, threshold.where)]
    scores = [(row, score_of(row, metric.scorer)) for row in rows]
    return _measurement(evidence, threshold, metric, scores)


def score_of(row: EvidenceRow, scorer: str) -> Score:
    """Return the row's score, operational metrics included."""
    if scorer == "predict_error":
        return Score(value=0.0 if row.model_error is None else 1.0)
    if row.model_error is not None:
        return Score(error=f"the model call failed: {row.model_error}")
    if scorer == "latency_seconds":
        return _operational(row.seconds, "the trace has no duration")
    if scorer in OPERATIONAL:
        return _operational(row.tokens.get(scorer), "the trace has no token counts")
    missing = Score(error="no score is stored: the scorer returned nothing")
    return row.scores.get(scorer, missing)


def aggregate(values: Sequence[float], aggregation: Aggregation) -> float:
    """Aggregate finite values; percentiles interpolate linearly, as numpy does."""
    import numpy as np  # slow to import, and needed only once something is measured

    if aggregation.value.startswith("p"):
        return float(np.percentile(values, int(aggregation.value[1:])))
    functions: dict[Aggregation, Callable[..., object]] = {
        Aggregation.MEAN: math.fsum,
        Aggregation.MEDIAN: np.median,
        Aggregation.MIN: min,
        Aggregation.MAX: max,
        Aggregation.VARIANCE: np.var,
    }
    result = float(functions[aggregation](values))  # type: ignore[arg-type]
    return result / len(values) if aggregation is Aggregation.MEAN else result


def _operational(value: float | None, error: str) -> Score:
    return Score(error=error) if value is None else Score(value=float(value))


def _is_selected(row: EvidenceRow, where: Mapping[str, str]) -> bool:
    return all(row.tags.get(key) == value for key, value in where.items())


def _arrived_as(evidence: Evidence, threshold: Threshold) -> Metric:
    names = evidence.names() | set(OPERATIONAL)
    spellings = dict.fromkeys((threshold.metric, *threshold.aliases))
    arrived = [metric for metric in spellings if metric.scorer in names]
    if not arrived:
        known = ", ".join(sorted(evidence.names())) or "none"
        raise LookupError(
            f"no scorer reported {threshold.metric.scorer!r} (scores arrived: {known})"
        )
    if len(arrived) > 1:
        found = " and ".join(str(metric) for metric in arrived)
        raise LookupError(f"ambiguous: the run has both {found}; keep one of them")
    return arrived[0]


def _measurement(
    evidence: Evidence,
    threshold: Threshold,
    metric: Metric,
    scores: Sequence[tuple[EvidenceRow, Score]],
) -> Measurement:
    usable = [score.value for _, score in scores if _is_usable(score)]
    values = [value for value in usable if value is not None]
    errors = len(scores) - len(values)
    problem = (
        _slice_problem(scores, threshold)
        or _error_problem(scores, threshold, errors)
        or _disagreement(evidence, metric)
    )
    value = None
    if values and (problem is None or not errors):
        padded = values + [_worst_value(values, threshold)] * errors
        value = aggregate(padded, metric.aggregation)
    return Measurement(
        metric=str(metric),
        value=value,
        rows=len(scores),
        errors=errors,
        problem=problem,
        worst_rows=_worst_rows(scores, threshold),
    )


def _is_usable(score: Score) -> bool:
    return (
        score.error is None and score.value is not None and math.isfinite(score.value)
    )


def _slice_problem(
    scores: Sequence[tuple[EvidenceRow, Score]], threshold: Threshold
) -> str | None:
    if scores:
        return None
    if threshold.where:
        return f"no row has the tags {threshold.slice}"
    return "the evaluation has no rows"


def _error_problem(
    scores: Sequence[tuple[EvidenceRow, Score]], threshold: Threshold, errors: int
) -> str | None:
    allowed = threshold.max_error_rate * len(scores)
    if errors == 0 or (errors <= allowed + 1e-9 and errors < len(scores)):
        return None
    failed = [(row, score) for row, score in scores if not _is_usable(score)]
    numbers = ", ".join(str(row.index) for row, _ in failed[:5])
    more = f" and {len(failed) - 5} more" if len(failed) > 5 else ""
    first = failed[0][1].error or "the score is not a finite number"
    return (
        f"{errors} of {len(scores)} rows have no usable score "
        f"(row {numbers}{more}; first: {first}); "
        f"max_error_rate is {threshold.max_error_rate:g}"
    )


def _disagreement(evidence: Evidence, metric: Metric) -> str | None:
    """Compare MLflow's mean with the mean of what it says it counted."""
    reported = evidence.reported.get(f"{metric.scorer}/mean")
    stored = [row.scores.get(metric.scorer) for row in evidence.rows]
    counted = [score.counted for score in stored if score and score.counted is not None]
    if reported is None or not counted or not math.isfinite(reported):
        return None
    ours = math.fsum(counted) / len(counted)
    if abs(ours - reported) <= _CROSS_CHECK * max(1.0, abs(reported)):
        return None
    return (
        f"MLflow reports {metric.scorer}/mean {reported:.6g}, the stored rows give "
        f"{ours:.6g}: what was evaluated is not what was stored"
    )


def _worst_value(values: Sequence[float], threshold: Threshold) -> float:
    if threshold.min is None and threshold.max is not None:
        declared = threshold.worst if threshold.worst is not None else max(values)
        return max(declared, *values)
    declared = threshold.worst if threshold.worst is not None else 0.0
    return min(declared, *values)


def _worst_rows(
    scores: Sequence[tuple[EvidenceRow, Score]], threshold: Threshold
) -> tuple[WorstRow, ...]:
    sign = -1.0 if threshold.min is None and threshold.max is not None else 1.0

    def badness(pair: tuple[EvidenceRow, Score]) -> tuple[bool, float, int]:
        row, score = pair
        usable = _is_usable(score)
        return (usable, sign * (score.value or 0.0) if usable else 0.0, row.index)

    worst = sorted(scores, key=badness)[:3]
    return tuple(
        WorstRow(
            index=row.index,
            value=score.value,
            question=row.question,
            error=score.error,
        )
        for row, score in worst
    )
