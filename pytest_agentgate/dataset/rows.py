"""Rows to evaluate on: their shape, their checks, their digest."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from pytest_agentgate.errors import InputError
from pytest_agentgate.judgement.thresholds import tag_text

_COLUMNS = ("inputs", "expectations", "tags", "outputs")
_QUESTION_COLUMNS = ("question", "query", "messages")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """
    One row of data.

    `key` identifies it by its content, wherever it stands; the n-th of several
    rows with the same content has ``#n`` at its end.
    `outputs` is a recorded answer, meaningful only where `has_outputs` is set.
    """

    index: int
    key: str = ""
    inputs: Mapping[str, Any]
    expectations: Mapping[str, Any] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    outputs: Any = None
    has_outputs: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """All rows of one source; `digest` is over their content, not their order."""

    source: str
    rows: tuple[Row, ...]
    digest: str

    @property
    def is_recorded(self) -> bool:
        """Whether every row brings its answer, so that no model is called."""
        return all(row.has_outputs for row in self.rows)


def dataset_of(records: Iterable[Mapping[str, Any]], *, source: str) -> Dataset:
    """
    Check records and return them as a dataset.

    Raises:
        InputError: There are no rows, or rows that cannot be evaluated; the
            message gives their numbers.
    """
    rows = tuple(_row(index, record, source) for index, record in enumerate(records))
    if not rows:
        raise InputError(f"data {source} has no rows; an empty evaluation is no proof")
    recorded = [row.index for row in rows if row.has_outputs]
    if recorded and len(recorded) < len(rows):
        missing = next(row.index for row in rows if not row.has_outputs)
        raise InputError(
            f"data {source}: row {missing} has no outputs but row {recorded[0]} has; "
            "give recorded outputs for all rows or for none"
        )
    keyed = _with_keys(rows)
    return Dataset(source=source, rows=keyed, digest=_digest(keyed))


def canonical(value: object) -> str:
    """Return JSON that is equal for equal values, whatever the order of keys."""
    return json.dumps(value, sort_keys=True, default=str)


def question_of(inputs: Mapping[str, Any]) -> str:
    """Return what a person would call the question in a row's inputs."""
    for key in ("question", "query", "prompt", "input", "messages", "request"):
        if key in inputs:
            return _last_content(inputs[key])
    first = next(iter(inputs.values()), "")
    return first if isinstance(first, str) else canonical(inputs)


def _last_content(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, Sequence) and value and isinstance(value[-1], Mapping):
        return str(value[-1].get("content", ""))
    return canonical(value)


def _row(index: int, record: Any, source: str) -> Row:
    if not isinstance(record, Mapping):
        raise InputError(f"data {source}: row {index} is not an object: {record!r}")
    plain = _nested(record)
    where = f"data {source}: row {index}"
    inputs = plain.get("inputs")
    if not isinstance(inputs, Mapping) or not inputs:
        raise InputError(
            f"{where}: inputs must be a non-empty object such as "
            f'{{"question": "..."}}, not {inputs!r}'
        )
    return Row(
        index=index,
        inputs=dict(inputs),
        expectations=dict(_object(plain.get("expectations"), f"{where}: expectations")),
        tags={
            str(key): tag_text(value)
            for key, value in _object(plain.get("tags"), f"{where}: tags").items()
            if value is not None
        },
        outputs=plain.get("outputs"),
        has_outputs="outputs" in plain and not _is_missing(plain["outputs"]),
    )


def _nested(record: Mapping[str, Any]) -> dict[str, Any]:
    """Turn ``inputs.question`` columns and a lone question into ``inputs``."""
    plain = {key: record[key] for key in _COLUMNS if key in record}
    for key, value in record.items():
        group, _, name = key.partition(".")
        if name and group in _COLUMNS and not _is_missing(value):
            plain[group] = {**_mapping(plain.get(group)), name: value}
    if "inputs" not in plain:
        given = [key for key in _QUESTION_COLUMNS if not _is_missing(record.get(key))]
        lone = given[0] if given else None
        if lone is not None:
            plain["inputs"] = {lone: record[lone]}
    return plain


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _object(value: Any, where: str) -> Mapping[str, Any]:
    if _is_missing(value):
        return {}
    if not isinstance(value, Mapping):
        raise InputError(f"{where} must be an object, not {value!r}")
    return value


def _is_missing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and value != value)


def _with_keys(rows: Sequence[Row]) -> tuple[Row, ...]:
    seen: Counter[str] = Counter()
    keyed = []
    for row in rows:
        content = [row.inputs, row.expectations, row.tags, row.outputs]
        digest = _sha(canonical(content))
        seen[digest] += 1
        keyed.append(replace(row, key=f"{digest}#{seen[digest]}"))
    return tuple(keyed)


def _digest(rows: Sequence[Row]) -> str:
    return _sha("\n".join(sorted(row.key for row in rows)))


def _sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
