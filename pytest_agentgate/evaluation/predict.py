"""Asking the candidate, one traced call a row."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pytest_agentgate.candidate.model import AgentGateModel, request_shape
from pytest_agentgate.candidate.request import Form, answer_from, request_for
from pytest_agentgate.dataset.rows import Row, canonical
from pytest_agentgate.errors import EvaluationError, one_line

#: Trace metadata or tag that holds a row's key, and why its call failed.
ROW_KEY = "agentgate.row"
ERROR_KEY = "agentgate.error"

Predict = Callable[..., Any]


@dataclass(frozen=True)
class RowFinder:
    """
    Finds the row behind the inputs of a call.

    `mlflow.genai.evaluate` passes a row's inputs and nothing else. Rows with
    inputs of their own are found by them; rows that share inputs are left to a
    trace tag, which costs one more write each.
    """

    rows: Mapping[str, Row]

    @classmethod
    def over(cls, rows: Sequence[Row]) -> RowFinder:
        """Index the rows whose inputs no other row has."""
        keys = [canonical(row.inputs) for row in rows]
        count = Counter(keys)
        own = {key: row for key, row in zip(keys, rows, strict=True) if count[key] == 1}
        return cls(own)

    def find(self, inputs: Mapping[str, Any]) -> Row | None:
        """Return the one row with these inputs, or None where several have them."""
        return self.rows.get(canonical(inputs))

    def is_found(self, row: Row) -> bool:
        """Whether the row's own inputs lead back to it."""
        return self.find(row.inputs) is row


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """
    How the candidate is asked.

    `traces_itself` says that each call makes a trace of its own, as a
    ``ResponsesAgent`` does: a span around it would cost a third more.
    """

    predict: Predict
    traces_itself: bool = False


def model_asking(model: AgentGateModel, rows: Sequence[Row]) -> Asking:
    """
    Ask the loaded model in its own request shape.

    Raises:
        EvaluationError: The model cannot be loaded, or a row's inputs cannot be
            put into its request.
    """
    loaded = model.load()
    shape = request_shape(loaded)
    for row in rows:
        try:
            request_for(shape, row.inputs)
        except EvaluationError as error:
            raise EvaluationError(f"row {row.index}: {error}") from None

    def predict(**inputs: Any) -> Any:
        return answer_from(shape, loaded.predict(request_for(shape, inputs)))

    return Asking(predict=predict, traces_itself=shape.form is Form.RESPONSES)


def traced(
    asking: Asking, finder: RowFinder, *, on_answer: Callable[[], None]
) -> Predict:
    """
    Return a predict function with one trace a call, marked with its row.

    A failing call's reason is kept on its trace: MLflow itself goes on with an
    empty answer and says so nowhere else.
    """
    import mlflow  # slow to import; only an evaluation comes here

    # Older versions of MLflow can only mark a trace from a span inside it.
    marks_foreign_traces = hasattr(mlflow.tracing, "context")
    if asking.traces_itself and marks_foreign_traces:
        ask = _in_its_own_trace(asking.predict, finder)
    else:
        ask = _in_our_trace(asking.predict, finder)

    def traced_predict(**inputs: Any) -> Any:
        try:
            return ask(**inputs)
        finally:
            on_answer()

    return traced_predict


def _in_its_own_trace(predict: Predict, finder: RowFinder) -> Predict:
    import mlflow

    def ask(**inputs: Any) -> Any:
        metadata, tags = _marks(finder.find(inputs))
        before = mlflow.get_last_active_trace_id(thread_local=True)
        with mlflow.tracing.context(metadata=metadata, tags=tags):
            try:
                return predict(**inputs)
            except Exception as error:
                last = mlflow.get_last_active_trace_id(thread_local=True)
                # A request that the model's schema refuses never gets a trace: the
                # last one of this thread is then another row's.
                _keep_reason(None if last == before else last, inputs, error)
                raise

    return ask


def _keep_reason(
    trace_id: str | None, inputs: Mapping[str, Any], error: Exception
) -> None:
    import mlflow

    if trace_id is not None:
        mlflow.set_trace_tag(trace_id, ERROR_KEY, _reason(error))
        return
    with mlflow.start_span(name="predict", span_type="AGENT") as span:
        span.set_inputs(inputs)
        span.set_status("ERROR")
        mlflow.update_current_trace(tags={ERROR_KEY: _reason(error)})


def _in_our_trace(predict: Predict, finder: RowFinder) -> Predict:
    import mlflow

    def ask(**inputs: Any) -> Any:
        metadata, tags = _marks(finder.find(inputs))
        with mlflow.start_span(name="predict", span_type="AGENT") as span:
            span.set_inputs(inputs)
            mlflow.update_current_trace(metadata=metadata, tags=tags)
            try:
                answer = predict(**inputs)
            except Exception as error:
                mlflow.update_current_trace(metadata={ERROR_KEY: _reason(error)})
                raise
            span.set_outputs(answer)
            return answer

    return ask


def _marks(row: Row | None) -> tuple[dict[str, str], dict[str, str]]:
    """Return the metadata and the tags of a row's trace."""
    return ({}, {}) if row is None else ({ROW_KEY: row.key}, dict(row.tags))


def _reason(error: Exception) -> str:
    return one_line(f"{type(error).__name__}: {error}", limit=240)
