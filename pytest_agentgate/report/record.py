"""The record: what a session did, for machines, schema version 1."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pytest_agentgate.candidate.reference import ModelVersion
from pytest_agentgate.errors import one_line
from pytest_agentgate.judgement.decision import Outcome
from pytest_agentgate.judgement.evidence import Evidence
from pytest_agentgate.judgement.verdicts import GateResult
from pytest_agentgate.promotion.transaction import StepResult

SCHEMA_VERSION = 1

#: Room for the commands of a stuck promotion, which people have to run as they are.
_LONGEST = 10_000


def now() -> str:
    """Return the time as UTC in ISO 8601, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """
    Everything the record tells.

    `passed` says whether every required gate passed, `failures` why the outcome
    is not a better one. `promoted` is true only if this session moved the alias.
    """

    outcome: Outcome
    model: str
    started_at: str
    passed: bool = False
    candidate: ModelVersion | None = None
    alias: str | None = None
    previous_version: str | None = None
    champion_alias: str | None = None
    champion_version: str | None = None
    failures: tuple[str, ...] = ()
    gates: Sequence[GateResult] = ()
    evidence: Evidence | None = None
    steps: Sequence[StepResult] = ()
    finished_at: str = field(default_factory=now)

    def plain(self) -> dict[str, Any]:
        """Return the record as JSON-ready values; what is not finite is null."""
        return {
            "schema_version": SCHEMA_VERSION,
            "outcome": str(self.outcome),
            "passed": self.passed,
            "promoted": self.outcome is Outcome.PROMOTED,
            "endpoint_created": False,
            "model": self.model,
            "version": self.candidate.version if self.candidate else None,
            "alias": self.alias,
            "previous_version": self.previous_version,
            "failures": [one_line(each, limit=_LONGEST) for each in self.failures],
            "metrics": _metrics(self.gates, self.evidence),
            "gates": [_gate(gate) for gate in self.gates],
            "evaluation": _evaluation(self.evidence),
            "champion": self._champion(),
            "endpoint": None,
            "steps": [_step(step) for step in self.steps],
            "started_at": self.started_at,
            "finished_at": self.finished_at,
        }

    def text(self) -> str:
        """Return the record as JSON text."""
        return json.dumps(self.plain(), indent=2, allow_nan=False) + "\n"

    def _champion(self) -> dict[str, str] | None:
        if self.champion_alias is None or self.champion_version is None:
            return None
        return {"alias": self.champion_alias, "version": self.champion_version}


def write(path: Path, text: str) -> None:
    """
    Write `text` so that a reader sees the old file or the new one, never half.

    Raises:
        OSError: The folder cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.draft")
    draft.write_text(text, encoding="utf-8")
    draft.replace(path)


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _metrics(
    gates: Sequence[GateResult], evidence: Evidence | None
) -> Mapping[str, float]:
    metrics = dict(evidence.reported) if evidence else {}
    for gate in gates:
        if gate.metric == gate.id and gate.value is not None:
            metrics[gate.id] = gate.value
    return {name: float(v) for name, v in metrics.items() if math.isfinite(v)}


def _gate(gate: GateResult) -> dict[str, Any]:
    return {
        "id": gate.id,
        "metric": gate.metric,
        "verdict": str(gate.verdict),
        "value": _finite(gate.value),
        "min": gate.min,
        "max": gate.max,
        "max_drop": None,
        "lower": None,
        "upper": None,
        "champion_value": None,
        "rows": gate.rows,
        "errors": gate.errors,
        "advisory": gate.advisory,
        "message": gate.message,
    }


def _evaluation(evidence: Evidence | None) -> dict[str, Any] | None:
    if evidence is None:
        return None
    return {
        "run_id": evidence.run_id,
        "experiment_id": evidence.experiment_id,
        "rows": len(evidence.rows),
        "trials": evidence.trials,
        "data_source": evidence.data_source,
        "data_digest": evidence.data_digest,
        "scorers": list(evidence.scorers),
        "reused": evidence.reused,
        "seconds": evidence.seconds,
    }


def _step(step: StepResult) -> dict[str, Any]:
    return {
        "name": step.name,
        "outcome": str(step.outcome),
        "detail": step.detail,
        "at": step.at,
    }
