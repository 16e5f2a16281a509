"""Asking the candidate, one traced call a row."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pytest_agentgate.candidate.model import AgentGateModel, request_shape
from pytest_agentgate.candidate.request import answer_from, request_for
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


def model_predict(model: AgentGateModel, rows: Sequence[Row]) -> Predict:
    """
    Return a function that asks the loaded model in its own request shape.

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

    return predict


def traced(
    predict: Predict, finder: RowFinder, *, on_answer: Callable[[], None]
) -> Predict:
    """
    Return `predict` with one trace a call, marked with its row.

    A failing call's reason is kept on its trace: MLflow itself goes on with an
    empty answer and says so nowhere else.
    """
    import mlflow  # slow to import; only an evaluation comes here

    def traced_predict(**inputs: Any) -> Any:
        row = finder.find(inputs)
        with mlflow.start_span(name="predict", span_type="AGENT") as span:
            span.set_inputs(inputs)
            if row is not None:
                mlflow.update_current_trace(
                    metadata={ROW_KEY: row.key}, tags=dict(row.tags)
                )
            try:
                answer = predict(**inputs)
            except Exception as error:
                reason = one_line(f"{type(error).__name__}: {error}", limit=240)
                mlflow.update_current_trace(metadata={ERROR_KEY: reason})
                raise
            finally:
                on_answer()
            span.set_outputs(answer)
            return answer

    return traced_predict
