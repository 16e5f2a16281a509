"""The fixtures that tests ask for. Without ``--agentgate-model`` they skip."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_agentgate.errors import AgentGateError

if TYPE_CHECKING:
    import pandas as pd

    from pytest_agentgate.candidate.model import AgentGateModel
    from pytest_agentgate.gate import AgentGateEvaluation, ThresholdGate
    from pytest_agentgate.session import GateSession

NEEDS_MODEL = "needs --agentgate-model"


@pytest.fixture(scope="session")
def agentgate_model(pytestconfig: pytest.Config) -> AgentGateModel:
    """The candidate: `name`, `version`, `uri` and `load()`."""
    return _session(pytestconfig).model


@pytest.fixture(scope="session")
def agentgate_data(pytestconfig: pytest.Config) -> pd.DataFrame:
    """The rows of the evaluation: `inputs`, `expectations`, `tags`."""
    session = _session(pytestconfig)
    from pytest_agentgate.dataset.sources import frame_of

    return frame_of(session.data)


@pytest.fixture(scope="session")
def agentgate_evaluation(pytestconfig: pytest.Config) -> AgentGateEvaluation:
    """The session's one evaluation: `metrics`, `rows`, `run_id`, `measure()`."""
    session = _session(pytestconfig)
    from pytest_agentgate.gate import AgentGateEvaluation

    evidence = session.shared.get()
    if evidence.problem is not None:
        pytest.fail(f"the evaluation failed: {evidence.problem}", pytrace=False)
    return AgentGateEvaluation(evidence)


@pytest.fixture(scope="session")
def agentgate_champion(pytestconfig: pytest.Config) -> None:
    """The champion's evaluation; None where no champion exists yet."""
    session = _session(pytestconfig)
    alias = session.champion_alias
    if alias is not None and alias in session.aliases:
        pytest.fail(
            "agentgate_champion: comparing with a champion is not supported by this "
            "version of pytest-agentgate",
            pytrace=False,
        )


@pytest.fixture
def agentgate_threshold(request: pytest.FixtureRequest) -> ThresholdGate:
    """One declared threshold, checked with `check()`; parametrized over all."""
    session = _session(request.config)
    from pytest_agentgate.gate import threshold_gate

    try:
        return threshold_gate(session, request.param, request.node)
    except AgentGateError as error:
        pytest.fail(str(error), pytrace=False)


def _session(config: pytest.Config) -> GateSession:
    from pytest_agentgate.options import is_requested

    if not is_requested(config):
        pytest.skip(NEEDS_MODEL)
    from pytest_agentgate.session import gate_session_key

    return config.stash[gate_session_key]
