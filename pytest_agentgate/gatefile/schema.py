"""The gate file's shape. Unknown keys are refused, never ignored."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StrictBool,
    StrictStr,
    field_validator,
    model_validator,
)

from pytest_agentgate.judgement.thresholds import Aggregation, Metric, tag_text


def _number(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("must be a number")
    return value


def _metric_text(value: str) -> str:
    Metric.parse(value)
    return value


def _alias_text(value: str) -> str:
    if not re.fullmatch(r"[\w-]+", value, re.ASCII):
        raise ValueError("an alias has only letters, digits, '_' and '-'")
    if value.lower() == "latest" or re.fullmatch(r"[vV]\d+", value):
        raise ValueError(f"{value!r} is reserved by MLflow; choose another alias")
    return value


MetricText = Annotated[StrictStr, AfterValidator(_metric_text)]
AliasText = Annotated[StrictStr, AfterValidator(_alias_text)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1, strict=True)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ThresholdEntry(_Strict):
    """One entry of ``[thresholds]``; a bare number is a minimum."""

    metric: MetricText | None = None
    min: Finite | None = None
    max: Finite | None = None
    where: dict[str, StrictStr] = {}
    min_rows: Count = 1
    max_error_rate: Annotated[float, Field(ge=0, le=1)] = 0.0
    worst: Finite | None = None
    advisory: StrictBool = False
    reason: StrictStr | None = None

    @model_validator(mode="before")
    @classmethod
    def _from_number(cls, value: Any) -> Any:
        if isinstance(value, dict):
            return value
        return {"min": _number(value)}

    @field_validator("min", "max", "worst", "max_error_rate", mode="before")
    @classmethod
    def _only_numbers(cls, value: Any) -> Any:
        return _number(value)

    @field_validator("where", mode="before")
    @classmethod
    def _tags_as_text(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            raise ValueError('must be a table of tags, such as { domain = "cost" }')
        return {key: tag_text(tag) for key, tag in value.items()}

    @model_validator(mode="after")
    def _is_decidable(self) -> Self:
        if self.min is None and self.max is None:
            raise ValueError("needs a bound: min or max")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"min {self.min:g} is greater than max {self.max:g}")
        return self

    def check_error_budget(self, aggregation: Aggregation) -> None:
        """
        Refuse an error budget whose worst value cannot be told.

        Raises:
            ValueError: With the reason.
        """
        if not self.max_error_rate:
            return
        if aggregation is Aggregation.VARIANCE:
            raise ValueError(
                "max_error_rate cannot be used with variance, where no single "
                "value is the worst; leave it out"
            )
        if self.min is not None and self.max is not None:
            raise ValueError(
                "max_error_rate cannot be used with both min and max, where no "
                "single value is the worst; split it into two thresholds"
            )


class GateFile(_Strict):
    """The whole gate file."""

    promote_to: AliasText | None = None
    champion: AliasText | None = None
    data: StrictStr | None = None
    scorers: list[StrictStr] = []
    experiment: StrictStr | None = None
    trials: Literal[1] = 1
    first_version: Literal["absolute"] = "absolute"
    model_env: Literal["current"] = "current"
    max_calls: Count | None = None
    metric_aliases: dict[MetricText, list[MetricText]] = {}
    feedback_names: dict[StrictStr, list[StrictStr]] = {}
    thresholds: dict[StrictStr, ThresholdEntry] = {}

    @model_validator(mode="after")
    def _metrics_are_known(self) -> Self:
        for gate, entry in self.thresholds.items():
            try:
                entry.check_error_budget(Metric.parse(entry.metric or gate).aggregation)
            except ValueError as error:
                raise ValueError(f'thresholds."{gate}": {error}') from None
        return self
