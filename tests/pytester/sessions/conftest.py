"""What a session that promotes, and one that must not, leave behind."""

from __future__ import annotations

from collections.abc import Callable, Mapping

# pytester forgets what an in-process session imports, and the next one pays again.
import databricks.sdk  # noqa: F401
import hypothesis  # noqa: F401
import mlflow.genai  # noqa: F401
import pytest
from mlflow import MlflowClient

import pytest_agentgate.controller
import pytest_agentgate.gate  # noqa: F401
from tests.pytester.project import GateProject, Session

ALL_PASSED = dict.fromkeys(("a/mean", "b/mean", "c/mean"), "PASSED")


@pytest.fixture
def promoted(gates: GateProject) -> Callable[[Session], None]:
    """Assert what holds for every session that promotes."""

    def check(session: Session) -> None:
        assert (session.status, session.outcome) == (0, "promoted")
        assert session.record is not None
        assert session.record["promoted"] is True
        assert session.record["failures"] == []
        assert session.alias == "2"
        assert gates.tags("2")["agentgate.outcome"] == "promoted"
        assert ALL_PASSED.items() <= session.verdicts.items()

    return check


@pytest.fixture
def refuses(refused: Callable[[Session], None]) -> Callable[..., None]:
    """
    Assert that a session did not promote, and says why.

    `outcome` is the record's outcome and pytest's status, such as "blocked 1";
    one of its sentences has every part of `why`; `verdicts` are the expected ones.
    """

    def check(
        session: Session,
        outcome: str,
        *why: str,
        verdicts: Mapping[str, str] | None = None,
    ) -> None:
        refused(session)
        assert f"{session.outcome} {session.status}" == outcome
        assert session.record is not None
        failures = session.record["failures"]
        told = [text for text in failures if all(part in text for part in why)]
        assert told, failures
        assert (verdicts or {}).items() <= session.verdicts.items()

    return check


@pytest.fixture
def evaluations(gates: GateProject) -> Callable[[], int]:
    """Count the runs in the project's experiment: one an evaluation."""

    def count() -> int:
        client = MlflowClient(gates.uri)
        experiment = client.get_experiment_by_name("gates")
        if experiment is None:
            return 0
        return len(client.search_runs([experiment.experiment_id]))

    return count
