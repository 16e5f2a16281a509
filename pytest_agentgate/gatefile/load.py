"""Reading a gate file, with messages for the person who wrote it."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from pytest_agentgate.errors import InputError
from pytest_agentgate.gatefile.schema import GateFile, ThresholdEntry
from pytest_agentgate.judgement.thresholds import Metric, Threshold

_LATER = "not supported by this version of pytest-agentgate"

#: Keys of the public format that this version cannot honour. Ignoring one would
#: let a gate pass that its author believes to be stricter.
_NOT_YET = {
    "endpoint": f"serving is {_LATER}; remove the table to promote the alias only",
    "preflight": f"preflight checks are {_LATER}; remove the table",
    "postflight": f"postflight checks are {_LATER}; remove the table",
}
_NOT_YET_IN_THRESHOLD = {
    "confidence": f"confidence bounds are {_LATER}; remove the key to gate the value",
    "method": f"confidence bounds are {_LATER}; remove the key",
    "max_drop": f"comparing with a champion is {_LATER}; use min or max",
    "max_drop_relative": f"comparing with a champion is {_LATER}; use min or max",
    "slices": f"slices are {_LATER}; write one threshold with where for each value",
}
_NOT_YET_VALUES = {
    ("trials",): f"more than one trial is {_LATER}; set it to 1 or remove it",
    ("first_version",): f'only "absolute" works: "block" is {_LATER}',
    ("model_env",): f'only "current" works: "isolated" is {_LATER}',
}


def load_gate_file(path: Path) -> GateFile:
    """
    Read and check a gate file.

    Raises:
        InputError: The file is missing, not TOML, or says something unknown;
            the message names the key, the value and what to do.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(
            f"gate file {path} does not exist; write one, or name another "
            "with --agentgate-gates=FILE"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"gate file {path} cannot be read: {error}") from None
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"gate file {path} is not valid TOML: {error}") from None
    return parse_gate_file(content, source=str(path))


def parse_gate_file(content: Mapping[str, Any], *, source: str) -> GateFile:
    """Check the content of a gate file; `source` names it in messages."""
    _refuse_what_comes_later(content, source)
    try:
        return GateFile.model_validate(content)
    except ValidationError as error:
        raise InputError(f"{source}: {_explained(error)}") from None


def parse_thresholds(
    content: Mapping[str, Any], aliases: Mapping[str, Sequence[str]], *, source: str
) -> tuple[Threshold, ...]:
    """Check thresholds that a hook adds, written as in the gate file."""
    gates = parse_gate_file({"thresholds": dict(content)}, source=source)
    return thresholds_of(gates.model_copy(update={"metric_aliases": dict(aliases)}))


def thresholds_of(gates: GateFile) -> tuple[Threshold, ...]:
    """Return the gate file's thresholds in the order in which they stand."""
    return tuple(
        _threshold(gate, entry, gates.metric_aliases)
        for gate, entry in gates.thresholds.items()
    )


def _threshold(
    id: str, entry: ThresholdEntry, aliases: Mapping[str, Sequence[str]]
) -> Threshold:
    metric = entry.metric or id
    return Threshold(
        id=id,
        metric=Metric.parse(metric),
        aliases=tuple(Metric.parse(alias) for alias in aliases.get(metric, ())),
        **entry.model_dump(exclude={"metric"}),
    )


def _refuse_what_comes_later(content: Mapping[str, Any], source: str) -> None:
    for key, why in _NOT_YET.items():
        if key in content:
            raise InputError(f"{source}: {key}: {why}")
    thresholds = content.get("thresholds", {})
    for gate, entry in thresholds.items() if isinstance(thresholds, dict) else ():
        for key, why in _NOT_YET_IN_THRESHOLD.items():
            if isinstance(entry, dict) and key in entry:
                raise InputError(f'{source}: thresholds."{gate}".{key}: {why}')


def _explained(error: ValidationError) -> str:
    first = error.errors()[0]
    location = tuple(part for part in first["loc"] if part != "[key]")
    where = _dotted(location)
    if first["type"] == "extra_forbidden":
        return f"unknown key {where}{_nearest(location)}"
    if location in _NOT_YET_VALUES:
        return f"{where} = {first['input']!r}: {_NOT_YET_VALUES[location]}"
    message = first["msg"].removeprefix("Value error, ")
    if first["type"] == "value_error" and not isinstance(
        first["input"], str | int | float
    ):
        return f"{where}: {message}" if where else message
    return f"{where} = {first['input']!r}: {message}"


def _dotted(location: Sequence[int | str]) -> str:
    return ".".join(
        f'"{part}"' if isinstance(part, str) and not _is_bare(part) else str(part)
        for part in location
    )


def _is_bare(key: str) -> bool:
    return key.replace("-", "").replace("_", "").isalnum()


def _nearest(location: Sequence[int | str]) -> str:
    model: type[BaseModel] = ThresholdEntry if len(location) > 1 else GateFile
    known = list(model.model_fields)
    close = difflib.get_close_matches(str(location[-1]), known, n=1)
    if close:
        return f"; did you mean {close[0]!r}?"
    return f"; known keys are {', '.join(known)}"
