"""What users write: it only has to type-check, strictly."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, assert_type

import pytest

from pytest_agentgate import (
    AgentGateEvaluation,
    AgentGateModel,
    Measurement,
    ThresholdGate,
    response_text,
)
from pytest_agentgate.candidate.reference import ModelVersion

if TYPE_CHECKING:
    import pandas as pd
    from mlflow.genai.scorers import Scorer


# Tests


def test_threshold(agentgate_threshold: ThresholdGate) -> None:
    result = agentgate_threshold.check()
    assert_type(result.value, float | None)
    assert_type(result.message, str)


@pytest.mark.agentgate
def test_refuses_secrets(agentgate_evaluation: AgentGateEvaluation) -> None:
    leaks = agentgate_evaluation.measure("leaks/max", where={"domain": "security"})
    assert_type(leaks, Measurement)
    assert_type(leaks.value, float | None)
    assert leaks.value == 0


@pytest.mark.agentgate(advisory=True)
def test_rows(agentgate_evaluation: AgentGateEvaluation) -> None:
    assert_type(agentgate_evaluation.run_id, str | None)
    assert_type(agentgate_evaluation.metrics, Mapping[str, float])
    agentgate_evaluation.measure("tone/mean", where={"hard": True, "level": 3})
    for row in agentgate_evaluation.rows:
        assert_type(row.question, str)
        assert_type(row.scores["tone"].value, float | None)


@pytest.mark.agentgate
def test_model(agentgate_model: AgentGateModel, agentgate_data: pd.DataFrame) -> None:
    assert_type(agentgate_model.name, str)
    assert_type(agentgate_model.version, str)
    assert_type(agentgate_model.uri, str)
    answer = agentgate_model.load().predict({"question": "why?"})
    assert response_text(answer)
    assert len(agentgate_data) > 0


# Hooks


def pytest_agentgate_scorers(candidate: ModelVersion) -> Sequence[Scorer]:
    return []


def pytest_agentgate_data(candidate: ModelVersion) -> list[dict[str, Any]]:
    return [{"inputs": {"question": f"what is {candidate.name}?"}}]


def pytest_agentgate_predict_fn(model: AgentGateModel) -> Callable[..., str]:
    agent = model.load()

    def predict(question: str) -> str:
        return response_text(agent.predict({"question": question}))

    return predict


def pytest_agentgate_thresholds(gate_file: Path) -> Mapping[str, Any]:
    return {"tone/mean": 0.8, "latency_seconds/p99": {"max": 20}}


def pytest_agentgate_approve(candidate: ModelVersion, alias: str) -> bool:
    return candidate.version != "13" and alias != "frozen"


def pytest_agentgate_finished(record: Mapping[str, Any]) -> None:
    assert_type(record["outcome"], Any)


# The text of an answer


def length(outputs: object) -> int:
    text = response_text(outputs)
    assert_type(text, str)
    return len(text)
