"""A row's inputs in the model's own request shape, and its answer back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from pytest_agentgate.dataset.rows import question_of
from pytest_agentgate.errors import EvaluationError


class Form(StrEnum):
    """How a model wants to be asked."""

    RESPONSES = "ResponsesAgent"
    CHAT = "chat"
    COLUMNS = "columns"
    TEXTS = "list of texts"
    OBJECTS = "list of objects"
    OBJECT = "object"


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestShape:
    """
    A form, and for columns their names.

    `optional` are the columns that a request may leave out.
    """

    form: Form
    columns: tuple[str, ...] = ()
    optional: frozenset[str] = frozenset()


_CONVERSATION = ("messages", "input")


def request_for(shape: RequestShape, inputs: Mapping[str, Any]) -> Any:
    """
    Build one request.

    Raises:
        EvaluationError: The inputs lack a column that the model needs.
    """
    match shape.form:
        case Form.RESPONSES:
            return {"input": _messages(inputs), **_beside_the_question(inputs)}
        case Form.CHAT:
            return {"messages": _messages(inputs), **_beside_the_question(inputs)}
        case Form.COLUMNS:
            return _columns(shape, inputs)
        case Form.TEXTS:
            return [question_of(inputs)]
        case Form.OBJECTS:
            return [dict(inputs)]
        case Form.OBJECT:
            return dict(inputs)


def answer_from(shape: RequestShape, raw: Any) -> Any:
    """Return the one answer to the one request, out of a list or a DataFrame."""
    if shape.form in (Form.RESPONSES, Form.CHAT):
        return raw
    if hasattr(raw, "to_dict") and hasattr(raw, "columns"):  # a DataFrame
        raw = raw.to_dict(orient="records")
    elif hasattr(raw, "tolist"):  # an array or a Series
        raw = raw.tolist()
    return raw[0] if isinstance(raw, list) and len(raw) == 1 else raw


def _messages(inputs: Mapping[str, Any]) -> list[Any]:
    for key in _CONVERSATION:
        if isinstance(inputs.get(key), list):
            return list(inputs[key])
    return [{"role": "user", "content": question_of(inputs)}]


def _beside_the_question(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Agents take what is not the conversation in these two fields alone."""
    names = ("custom_inputs", "context")
    return {name: inputs[name] for name in names if name in inputs}


def _columns(shape: RequestShape, inputs: Mapping[str, Any]) -> dict[str, Any]:
    if "messages" in shape.columns and "messages" not in inputs:
        return {"messages": _messages(inputs)}
    needed = [name for name in shape.columns if name not in shape.optional]
    missing = [name for name in needed if name not in inputs]
    if not missing:
        return {name: inputs[name] for name in shape.columns if name in inputs}
    if len(needed) == 1 and len(inputs) == 1:
        return {needed[0]: next(iter(inputs.values()))}
    raise EvaluationError(
        f"the model's signature needs {', '.join(needed)}, the row's inputs have "
        f"{', '.join(inputs)}; rename the inputs, or build the request in the "
        "pytest_agentgate_predict_fn hook"
    )
