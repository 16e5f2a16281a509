"""Sessions as in a process where the plugin runs before MLflow is imported."""

from __future__ import annotations

import logging

import pytest


@pytest.fixture(scope="session", autouse=True)
def quiet_mlflow() -> None:
    """Leave out what MLflow says of its database engines."""
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)
