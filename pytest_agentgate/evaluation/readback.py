"""Reading an evaluation back from the tracking server, row by row."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pytest_agentgate.dataset.rows import Dataset, Row, question_of
from pytest_agentgate.errors import one_line
from pytest_agentgate.evaluation.predict import ERROR_KEY, ROW_KEY
from pytest_agentgate.evaluation.responses import response_text
from pytest_agentgate.judgement.evidence import EvidenceRow, Score

if TYPE_CHECKING:
    from mlflow.entities import TraceInfo

_TOKENS = "mlflow.trace.tokenUsage"
_OUTPUTS = "mlflow.traceOutputs"
_PREVIEW = 300


def stored_traces(run_id: str, experiment_id: str) -> list[TraceInfo]:
    """Return what the tracking server has of a run's traces, without spans."""
    import mlflow  # slow to import; only an evaluation comes here

    traces = mlflow.search_traces(
        locations=[experiment_id],
        run_id=run_id,
        include_spans=False,
        return_type="list",
    )
    return [trace.info for trace in traces]


def rows_of(
    traces: Sequence[TraceInfo], dataset: Dataset
) -> tuple[tuple[EvidenceRow, ...], str | None]:
    """
    Match traces with rows.

    Returns:
        The rows found, in the order of the data, and what is missing as a
        sentence, or None where every row has its one trace.
    """
    by_row: dict[str, list[TraceInfo]] = defaultdict(list)
    for trace in traces:
        key = trace.trace_metadata.get(ROW_KEY) or trace.tags.get(ROW_KEY)
        if key is not None:
            by_row[key].append(trace)
    rows: list[EvidenceRow] = []
    lost: list[int] = []
    doubled: list[int] = []
    for row in dataset.rows:
        candidates = _scored(by_row.get(row.key, []))
        if len(candidates) == 1:
            rows.append(_evidence_row(row, candidates[0]))
        else:
            (doubled if candidates else lost).append(row.index)
    return tuple(rows), _shortfall(dataset, lost, doubled)


def score_from(feedback: Any) -> Score:
    """
    Return what one MLflow feedback says.

    Numbers, booleans and yes or no are scores. Anything else, and any feedback
    that carries an error beside its value, is an error.
    """
    value: Any = feedback.value
    number = _number(value)
    if feedback.error is not None:
        message = getattr(feedback.error, "error_message", None) or feedback.error
        return Score(error=one_line(f"the scorer failed: {message}"), counted=number)
    if number is None:
        why = one_line(f"the scorer returned {value!r}", 300)
        return Score(error=f"{why}, which is not a score")
    if not math.isfinite(number):
        return Score(error=f"the scorer returned {number}", counted=number)
    return Score(value=number, counted=number)


def _number(value: Any) -> float | None:
    if isinstance(value, bool | int | float):
        return float(value)
    if isinstance(value, str) and value.lower() in ("yes", "no"):
        return float(value.lower() == "yes")
    return None


def _scored(traces: list[TraceInfo]) -> list[TraceInfo]:
    """Drop a retried call's earlier traces: only the last one carries scores."""
    scored = [trace for trace in traces if trace.assessments]
    return scored or traces[-1:]


def _shortfall(
    dataset: Dataset, lost: Sequence[int], doubled: Sequence[int]
) -> str | None:
    if lost:
        return (
            f"the tracking server has traces for only {len(dataset.rows) - len(lost)} "
            f"of {len(dataset.rows)} rows (missing: {_some(lost)}); nothing that is "
            "not stored counts as evaluated"
        )
    if doubled:
        return f"more than one scored trace is stored for row {_some(doubled)}"
    return None


def _some(numbers: Sequence[int]) -> str:
    more = f" and {len(numbers) - 5} more" if len(numbers) > 5 else ""
    return ", ".join(map(str, numbers[:5])) + more


def _evidence_row(row: Row, trace: TraceInfo) -> EvidenceRow:
    metadata: Mapping[str, str] = trace.trace_metadata
    seconds = trace.execution_duration
    return EvidenceRow(
        index=row.index,
        question=one_line(question_of(row.inputs), _PREVIEW),
        answer=one_line(_answer(row, metadata), _PREVIEW),
        tags=row.tags,
        scores=_scores(trace),
        seconds=None if seconds is None else seconds / 1000,
        tokens=_tokens(metadata),
        model_error=_model_error(trace),
        trace_id=trace.trace_id,
    )


def _answer(row: Row, metadata: Mapping[str, str]) -> str:
    return response_text(row.outputs if row.has_outputs else metadata.get(_OUTPUTS))


def _model_error(trace: TraceInfo) -> str | None:
    reason = trace.trace_metadata.get(ERROR_KEY) or trace.tags.get(ERROR_KEY)
    state = getattr(trace.state, "value", str(trace.state))
    if reason is None and state == "OK":
        return None
    return reason or f"its trace is in state {state}"


def _tokens(metadata: Mapping[str, str]) -> dict[str, float]:
    try:
        usage = json.loads(metadata.get(_TOKENS, "{}"))
    except ValueError:
        return {}
    return {name: float(count) for name, count in usage.items() if count is not None}


def _scores(trace: TraceInfo) -> dict[str, Score]:
    by_name: dict[str, list[Score]] = defaultdict(list)
    for assessment in trace.assessments:
        if assessment.expectation is None:
            by_name[assessment.name].append(score_from(assessment))
    return {name: _only(name, scores) for name, scores in by_name.items()}


def _only(name: str, scores: Sequence[Score]) -> Score:
    if len(scores) == 1:
        return scores[0]
    return Score(error=f"{len(scores)} scores arrived under the name {name!r}")
