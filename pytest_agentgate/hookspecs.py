"""
Hooks that a ``conftest.py`` or a plugin may implement.

Each says when it is called, what to return, and shows an example. What they
raise is reported in one line; none of it can promote a candidate.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from mlflow.genai.scorers import Scorer

    from pytest_agentgate.candidate.model import AgentGateModel
    from pytest_agentgate.candidate.reference import ModelVersion


@pytest.hookspec
def pytest_agentgate_scorers(candidate: ModelVersion) -> Sequence[Scorer]:
    """
    Called once before the evaluation; return scorers to add to the gate file's.

    Example::

        def pytest_agentgate_scorers(candidate):
            return [mlflow.genai.scorers.Guidelines(name="tone", guidelines="Be kind")]
    """
    raise NotImplementedError


@pytest.hookspec(firstresult=True)
def pytest_agentgate_data(candidate: ModelVersion) -> Any:
    """
    Called once before the evaluation; return its rows, or None to pass.

    Rows are a DataFrame or a list of objects with ``inputs`` and optionally
    ``expectations``, ``tags`` and ``outputs``. They replace the gate file's data.

    Example::

        def pytest_agentgate_data(candidate):
            return spark.table("main.agents.questions").toPandas()
    """
    raise NotImplementedError


@pytest.hookspec(firstresult=True)
def pytest_agentgate_predict_fn(model: AgentGateModel) -> Callable[..., Any] | None:
    """
    Called once before the evaluation; return the function that asks the model.

    It is called with a row's inputs as keyword arguments and returns the answer.

    Example::

        def pytest_agentgate_predict_fn(model):
            agent = model.load()
            return lambda question: agent.predict({"input": [...]})
    """
    raise NotImplementedError


@pytest.hookspec
def pytest_agentgate_thresholds(gate_file: Path) -> Mapping[str, Any]:
    """
    Called once at the start of a session; return thresholds to add.

    They are written as in the gate file: id to a number or a table. An id that
    the gate file has already is a usage error.

    Example::

        def pytest_agentgate_thresholds(gate_file):
            return {"tone/mean": 0.8, "latency_seconds/p99": {"max": 20}}
    """
    raise NotImplementedError


@pytest.hookspec
def pytest_agentgate_approve(candidate: ModelVersion, alias: str) -> bool | None:
    """
    Called after every gate has passed and before anything changes: a veto.

    Return False or raise to block the promotion; anything else lets it go on.

    Example::

        def pytest_agentgate_approve(candidate, alias):
            return not change_freeze_is_on()
    """
    raise NotImplementedError


@pytest.hookspec
def pytest_agentgate_finished(record: Mapping[str, Any]) -> None:
    """
    Called last, with the final record: an observer.

    What it raises becomes a warning and changes nothing.

    Example::

        def pytest_agentgate_finished(record):
            post_to_chat(record["outcome"], record["failures"])
    """
    raise NotImplementedError
