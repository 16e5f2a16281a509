"""Quality gates for models as pytest tests: evaluate, judge, promote."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_agentgate.evaluation.responses import response_text

if TYPE_CHECKING:
    from pytest_agentgate.candidate.model import AgentGateModel
    from pytest_agentgate.gate import AgentGateEvaluation, ThresholdGate
    from pytest_agentgate.judgement.measure import Measurement

__all__ = [
    "AgentGateEvaluation",
    "AgentGateModel",
    "Measurement",
    "ThresholdGate",
    "response_text",
]

_HOMES = {
    "AgentGateEvaluation": "pytest_agentgate.gate",
    "AgentGateModel": "pytest_agentgate.candidate.model",
    "Measurement": "pytest_agentgate.judgement.measure",
    "ThresholdGate": "pytest_agentgate.gate",
}


def __getattr__(name: str) -> Any:
    """Import public names when they are first used, so that start-up stays cheap."""
    from importlib import import_module, metadata

    if name == "__version__":
        return metadata.version("pytest-agentgate")
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
