"""A gate project whose gates pass, over a registry of its own."""

from __future__ import annotations

import importlib
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import mlflow
import pytest
from mlflow import MlflowClient

from tests.pytester.project import AGENT, GATES, SCORERS, TEST, GateProject, Session

#: pytester forgets what an in-process session imported; each would import these anew.
KEPT = (
    "databricks.sdk",
    "filelock",
    "hypothesis",
    "mlflow.evaluation",
    "mlflow.genai",
    "mlflow.genai.judges.adapters.databricks_adapter",
    "mlflow.tracing.export.mlflow_v3",
    "mlflow.tracing.processor.mlflow_v3",
    "pandas.core.arrays.arrow.extension_types",
    "pytest_agentgate.controller",
    "pytest_agentgate.gate",
)


@pytest.fixture(scope="session", autouse=True)
def kept_modules() -> None:
    """Import once what every session would import again, two seconds each."""
    for name in KEPT:
        with suppress(ImportError):  # versions of MLflow differ in what they have
            importlib.import_module(name)


@pytest.fixture(scope="session")
def registry_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated database with the model; copying it saves seconds a test."""
    folder = tmp_path_factory.mktemp("registry")
    (folder / "agent.py").write_text(AGENT, encoding="utf-8")
    os.environ.setdefault("MLFLOW_SQLALCHEMYSTORE_POOL_SIZE", "60")
    mlflow.set_tracking_uri(f"sqlite:///{folder / 'mlflow.db'}")
    client = MlflowClient()
    location = (folder / "artifacts").as_uri()
    experiment = client.create_experiment("models", artifact_location=location)
    for _ in range(2):
        with mlflow.start_run(experiment_id=experiment):
            mlflow.pyfunc.log_model(
                name="agent",
                python_model=str(folder / "agent.py"),
                pip_requirements=["mlflow"],
                registered_model_name="agent",
            )
    client.set_registered_model_alias("agent", "production", "1")
    return folder / "mlflow.db"


@pytest.fixture
def gates(
    pytester: pytest.Pytester,
    registry_template: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[GateProject]:
    """A project whose three gates pass, so that promotion is what happens."""
    for name in list(os.environ):
        if name.startswith(("MLFLOW_EXPERIMENT", "DATABRICKS_")):
            monkeypatch.delenv(name)
    database = pytester.path / "mlflow.db"
    shutil.copy(registry_template, database)
    uri = f"sqlite:///{database}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    mlflow.set_tracking_uri(uri)
    project = GateProject(pytester, uri)
    project.write("gates/gates.toml", GATES)
    project.write("gates/scorers.py", SCORERS)
    project.write("gates/test_thresholds.py", TEST)
    project.scores()
    yield project
    os.environ.pop("MLFLOW_EXPERIMENT_ID", None)


@pytest.fixture
def refused(gates: GateProject) -> Callable[[Session], None]:
    """Assert what holds for every session that must not promote."""

    def check(session: Session) -> None:
        assert session.alias == "1"
        assert session.record is not None
        assert session.record["promoted"] is False
        assert session.outcome not in ("promoted", "already-promoted")
        assert "agentgate.outcome" not in gates.tags("2")

    return check
