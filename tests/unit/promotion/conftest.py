from __future__ import annotations

import shutil
import tempfile

import mlflow
import pytest

NAME = "agent"


@pytest.fixture(scope="session")
def registry_template(tmp_path_factory):
    """A registry with three versions; making one takes seconds, copying one none."""
    folder = tmp_path_factory.mktemp("registry")
    uri = f"sqlite:///{folder}/mlflow.db"
    client = mlflow.MlflowClient(tracking_uri=uri, registry_uri=uri)
    client.create_registered_model(NAME)
    for number in (1, 2, 3):
        client.create_model_version(NAME, source=f"{folder}/model-{number}")
    return folder / "mlflow.db"


@pytest.fixture
def client(registry_template, tmp_path, monkeypatch):
    """A client of a registry of the test's own, which MLflow uses everywhere."""
    shutil.copy(registry_template, tmp_path / "mlflow.db")
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    monkeypatch.delenv("MLFLOW_REGISTRY_URI", raising=False)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(uri)
    yield mlflow.MlflowClient()
    mlflow.set_tracking_uri(before)
