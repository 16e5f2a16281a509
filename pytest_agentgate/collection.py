"""Turning declared thresholds into tests, and marking which tests are gates."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import pytest

from pytest_agentgate.judgement.testimony import (
    ADVISORY_PROPERTY,
    GATE_PROPERTY,
    HIDDEN_PROPERTY,
    UNASSERTED_PROPERTY,
)
from pytest_agentgate.judgement.thresholds import Threshold
from pytest_agentgate.session import GateSession

FIXTURE = "agentgate_threshold"
MARKER = "agentgate"
_OUTPUT = "agentgate_marked"


class GateCollection:
    """
    Knows which of the collected tests are gates, in every process.

    `gates` maps their node ids to gate ids; `marked` maps those that are not
    thresholds to whether they are advisory.

    A worker sends what it collected to the controller when it finishes, because
    deselection happens in the workers, where the controller cannot see it.
    """

    def __init__(self, session: GateSession) -> None:
        self._session = session
        self.gates: dict[str, str] = {}
        self.marked: dict[str, bool] = {}

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Make one test of every declared threshold."""
        if FIXTURE in metafunc.fixturenames:
            thresholds = self._session.thresholds
            ids = [threshold.id for threshold in thresholds]
            metafunc.parametrize(FIXTURE, thresholds, ids=ids, indirect=True)

    def pytest_itemcollected(self, item: pytest.Item) -> None:
        """Mark gates in their properties, which reports carry everywhere."""
        threshold = _threshold_of(item)
        marker = item.get_closest_marker(MARKER)
        if threshold is None and marker is None:
            return
        advisory = bool(marker and marker.kwargs.get("advisory"))
        if threshold is None:
            self.marked[item.nodeid] = advisory
        elif threshold.advisory:
            advisory = True
        gate = item.nodeid if threshold is None else threshold.id
        self.gates[item.nodeid] = gate
        item.user_properties.append((GATE_PROPERTY, gate))
        if advisory:
            item.user_properties.append((ADVISORY_PROPERTY, "true"))
        if threshold is None and not __debug__:
            item.user_properties.append((UNASSERTED_PROPERTY, "true"))

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """
        Show an advisory gate that failed as an expected failure.

        A phase that raised is noted: if it is reported as passed in the end, some
        other plugin made it so.
        """
        report = yield
        if call.excinfo is not None and item.nodeid in self.gates:
            report.user_properties.append((HIDDEN_PROPERTY, call.when))
        if report.failed and (ADVISORY_PROPERTY, "true") in item.user_properties:
            report.outcome = "skipped"
            report.wasxfail = f"advisory: {_first_line(report)}"
        return report

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """On a worker, hand over what was collected."""
        output: dict[str, Any] | None = getattr(session.config, "workeroutput", None)
        if output is not None:
            output[_OUTPUT] = {"gates": self.gates, "marked": self.marked}

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """On the controller, take over what a worker collected."""
        collected = getattr(node, "workeroutput", {}).get(_OUTPUT, {})
        self.gates.update(collected.get("gates", {}))
        self.marked.update(collected.get("marked", {}))


def _threshold_of(item: pytest.Item) -> Threshold | None:
    callspec = getattr(item, "callspec", None)
    param = callspec.params.get(FIXTURE) if callspec is not None else None
    return param if isinstance(param, Threshold) else None


def _first_line(report: pytest.TestReport) -> str:
    lines = report.longreprtext.splitlines()
    return lines[0] if lines else "failed"
