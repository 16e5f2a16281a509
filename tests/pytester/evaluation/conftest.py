"""What the evaluation's tests share: agents of many kinds."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.pytester.evaluation.agents import Agents, log_agents
from tests.pytester.project import GateProject


@pytest.fixture(scope="session")
def agents_template(
    registry_template: Path, tmp_path_factory: pytest.TempPathFactory
) -> Agents:
    """The registry with one version of ``agent`` for every kind of agent."""
    folder = tmp_path_factory.mktemp("agents")
    database = folder / "mlflow.db"
    shutil.copy(registry_template, database)
    return log_agents(folder, database)


@pytest.fixture
def agents(agents_template: Agents, gates: GateProject) -> Callable[[str], GateProject]:
    """Make one kind of agent the candidate, over a registry of its own."""

    def choose(kind: str) -> GateProject:
        shutil.copy(agents_template.database, gates.path / "mlflow.db")
        gates.model = f"agent/{agents_template.versions[kind]}"
        return gates

    return choose
