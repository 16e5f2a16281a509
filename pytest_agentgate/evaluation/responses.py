"""The text of a model's answer, in whatever shape MLflow hands it to a scorer."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

#: Keys that hold the answer itself, in the order in which they are tried.
_ANSWER_KEYS = (
    "output_text",
    "output",
    "choices",
    "messages",
    "message",
    "predictions",
    "response",
    "content",
    "text",
    "answer",
    "outputs",
    "result",
)

#: Keys that tell a serialised reply from an answer that merely is JSON.
_ENVELOPE_KEYS = (
    "output_text",
    "output",
    "choices",
    "messages",
    "predictions",
    "content",
)


def response_text(outputs: object) -> str:
    """
    Return the answer's text.

    Understands a string, a ``ResponsesAgent`` dict (``output`` items with
    ``output_text`` parts), a ``ChatAgent`` or ``ChatModel`` dict (``messages``
    or ``choices``), OpenAI choices, a serving reply (``predictions``), a list
    of any of these, the JSON text of any of these, and objects with
    ``model_dump``. Only what the assistant said counts: tool calls, tool
    results, reasoning and user messages are left out.

    Returns:
        The text, parts joined by a newline; ``""`` where there is none.
    """
    return "\n".join(part for part in _parts(outputs) if part).strip()


def _parts(value: object) -> list[str]:  # noqa: PLR0911  one line a shape
    if value is None:
        return []
    if isinstance(value, str):
        return _parts_of_string(value)
    if isinstance(value, Mapping):
        return _parts_of_mapping(value)
    if hasattr(value, "model_dump"):
        return _parts(value.model_dump())
    if hasattr(value, "tolist"):  # a DataFrame cell or column: numpy, pandas
        return _parts(value.tolist())
    if isinstance(value, Sequence):
        return _parts_of_sequence(value)
    return [str(value)]


def _parts_of_string(value: str) -> list[str]:
    if value.lstrip()[:1] not in ("{", "["):
        return [value]
    try:
        decoded = json.loads(value)
    except ValueError:
        return [value]
    # An answer that merely is JSON (a list of numbers, say) stays as written.
    return _parts(decoded) if _is_envelope(decoded) else [value]


def _is_envelope(decoded: object) -> bool:
    first = decoded[0] if isinstance(decoded, list) and decoded else decoded
    return isinstance(first, dict) and any(key in first for key in _ENVELOPE_KEYS)


def _parts_of_mapping(value: Mapping[str, Any]) -> list[str]:
    if _is_not_the_answer(value):
        return []
    for key in _ANSWER_KEYS:
        if value.get(key) is not None:
            return _parts(value[key])
    return []


def _parts_of_sequence(value: Sequence[object]) -> list[str]:
    return [part for item in value for part in _parts(item)]


def _is_not_the_answer(value: Mapping[str, Any]) -> bool:
    return (
        value.get("role", "assistant") != "assistant"
        or "function_call" in str(value.get("type", ""))
        or value.get("type") == "reasoning"
    )
