"""What is asked of a candidate: metrics and the bounds on them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

#: Slack for the rounding of sums, far below any score's meaning.
TOLERANCE = 1e-12


class Aggregation(StrEnum):
    """How the scores of the rows become one number."""

    MEAN = "mean"
    MEDIAN = "median"
    MIN = "min"
    MAX = "max"
    VARIANCE = "variance"
    P50 = "p50"
    P90 = "p90"
    P95 = "p95"
    P99 = "p99"


#: Scorer names that come from the traces of the run, not from a scorer.
OPERATIONAL = (
    "latency_seconds",
    "input_tokens",
    "output_tokens",
    "total_tokens",
    "predict_error",
)


@dataclass(frozen=True, slots=True)
class Metric:
    """A scorer's scores under one aggregation, written ``SCORER/AGGREGATION``."""

    scorer: str
    aggregation: Aggregation

    def __str__(self) -> str:
        return f"{self.scorer}/{self.aggregation}"

    @classmethod
    def parse(cls, text: str) -> Metric:
        """
        Read ``SCORER/AGGREGATION``.

        Raises:
            ValueError: The text has no scorer or no known aggregation.
        """
        scorer, _, aggregation = text.rpartition("/")
        known = ", ".join(Aggregation)
        if not scorer or aggregation not in list(Aggregation):
            raise ValueError(
                f"{text!r} is not a metric; write SCORER/AGGREGATION "
                f"with an aggregation of {known}"
            )
        return cls(scorer, Aggregation(aggregation))


@dataclass(frozen=True, slots=True, kw_only=True)
class Threshold:
    """
    One gate: a bound on a metric, over all rows or a slice of them.

    `min` and `max` are inclusive. `aliases` are other metrics under which the
    same measurement may arrive. `max_error_rate` is a share of rows, 0 to 1.
    """

    id: str
    metric: Metric
    min: float | None = None
    max: float | None = None
    where: Mapping[str, str] = field(default_factory=dict)
    min_rows: int = 1
    max_error_rate: float = 0.0
    worst: float | None = None
    advisory: bool = False
    reason: str | None = None
    aliases: tuple[Metric, ...] = ()

    def accepts(self, value: float) -> bool:
        """Whether `value` meets every bound; never true for NaN."""
        above = self.min is None or value >= self.min - TOLERANCE
        below = self.max is None or value <= self.max + TOLERANCE
        return above and below and value == value

    @property
    def bound(self) -> str:
        """The bound as people write it, for example ``>= 0.7``."""
        parts = []
        if self.min is not None:
            parts.append(f">= {self.min:g}")
        if self.max is not None:
            parts.append(f"<= {self.max:g}")
        return " and ".join(parts)

    @property
    def slice(self) -> str:
        """The rows it is about, for example ``domain=cost``; empty for all."""
        return ", ".join(f"{key}={value}" for key, value in self.where.items())


def tag_text(value: object) -> str:
    """Return a tag's value as MLflow keeps it: text, booleans in lower case."""
    return str(value).lower() if isinstance(value, bool) else str(value)
