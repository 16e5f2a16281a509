"""The command line's word over the gate file's."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from pytest_agentgate.errors import InputError
from pytest_agentgate.judgement.thresholds import Threshold

_OPTION = "--agentgate-threshold"


@dataclass(frozen=True, slots=True)
class BoundOverride:
    """``ID>=N`` or ``ID<=N`` from the command line."""

    id: str
    operator: str
    bound: float

    @classmethod
    def parse(cls, text: str) -> BoundOverride:
        """
        Read one override.

        Raises:
            InputError: It is not of the form ``ID>=N`` or ``ID<=N``.
        """
        match = re.fullmatch(r"(.+?)\s*(>=|<=)\s*([^<>=]+)", text.strip())
        try:
            bound = float(match[3]) if match else math.nan
        except ValueError:
            bound = math.nan
        if match is None or not math.isfinite(bound):
            raise InputError(
                f"{_OPTION}={text}: write ID>=N or ID<=N, "
                f'for example "{_OPTION}=safety/mean>=0.9"'
            )
        return cls(match[1], match[2], bound)


def override(
    thresholds: Sequence[Threshold], overrides: Sequence[BoundOverride]
) -> tuple[Threshold, ...]:
    """
    Return the thresholds with their bounds replaced.

    Raises:
        InputError: An override names an unknown threshold, the bound that the
            threshold does not have, or makes its min exceed its max.
    """
    by_id = {threshold.id: threshold for threshold in thresholds}
    for change in overrides:
        if change.id not in by_id:
            raise InputError(_unknown(change, list(by_id)))
        by_id[change.id] = _replaced(by_id[change.id], change)
    return tuple(by_id.values())


def _replaced(threshold: Threshold, change: BoundOverride) -> Threshold:
    side = "min" if change.operator == ">=" else "max"
    written = f"{_OPTION}={change.id}{change.operator}{change.bound:g}"
    if getattr(threshold, side) is None:
        raise InputError(
            f"{written}: {change.id} has no {side}, it asks for {threshold.bound}; "
            f"override that side, or add {side} to the gate file"
        )
    lower = change.bound if side == "min" else threshold.min
    upper = change.bound if side == "max" else threshold.max
    if lower is not None and upper is not None and lower > upper:
        raise InputError(f"{written}: min {lower:g} is greater than max {upper:g}")
    return replace(threshold, min=lower, max=upper)


def _unknown(change: BoundOverride, known: list[str]) -> str:
    close = difflib.get_close_matches(change.id, known, n=1)
    hint = f"did you mean {close[0]!r}?" if close else f"known: {', '.join(known)}"
    return (
        f"{_OPTION}={change.id}{change.operator}{change.bound:g}: "
        f"no threshold has the id {change.id!r}; {hint}"
    )
