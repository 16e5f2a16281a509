"""Everything pytest reports about a session, kept until the end."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest

from pytest_agentgate.errors import one_line
from pytest_agentgate.judgement.decision import SessionFacts
from pytest_agentgate.judgement.testimony import SUBTEST, Report, gate_nodes


class Listening:
    """
    Keeps reports and what broke the session.

    Report objects are read late: pytest itself changes the outcome of a test
    with failed subtests after it was reported.
    """

    def __init__(self) -> None:
        self._reports: list[pytest.TestReport] = []
        self._failures: list[str] = []
        self._breaks: list[str] = []
        self._returned: set[str] = set()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep every report; with xdist these are the workers' reports."""
        self._reports.append(report)

    def pytest_warning_recorded(
        self, warning_message: warnings.WarningMessage, nodeid: str
    ) -> None:
        """Note tests that return a value: for pytest they pass with a warning."""
        if issubclass(warning_message.category, pytest.PytestReturnNotNoneWarning):
            self._returned.add(nodeid)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Note what could not be collected."""
        if report.failed:
            self._failures.append(
                f"{report.nodeid or 'collection'} cannot be collected"
            )

    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[Any]) -> None:
        """Note Ctrl-C and pytest.exit()."""
        self._breaks.append(f"the session was interrupted ({_named(excinfo)})")

    def pytest_internalerror(self, excinfo: pytest.ExceptionInfo[Any]) -> None:
        """Note an error in pytest or a plugin."""
        self._breaks.append(f"pytest had an internal error ({_named(excinfo)})")

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any, error: object) -> None:
        """Note an xdist worker that did not end well."""
        if error:
            self._breaks.append(f"worker {node.gateway.id} ended early")

    def reports(self) -> list[Report]:
        """Return every report as a value."""
        return [self._judged(_value(report)) for report in self._reports]

    def _judged(self, report: Report) -> Report:
        if report.nodeid not in self._returned or report.when != "call":
            return report
        why = "it returned a value instead of asserting"
        return replace(report, outcome="failed", text=why)

    def facts(self, session: pytest.Session, collected: Iterable[str]) -> SessionFacts:
        """
        Return what else happened: failures outside the gates, and breaks.

        `collected` are the node ids of gates; what they did is not told here.
        """
        stops = [session.shouldstop, session.shouldfail]
        early = [f"the session stopped early ({one_line(s)})" for s in stops if s]
        reports = self.reports()
        gates = gate_nodes(reports).union(collected)
        failed = [
            f"{report.nodeid} failed in {report.when}"
            for report in reports
            if report.outcome == "failed" and report.nodeid not in gates
        ]
        return SessionFacts(
            failures=tuple(dict.fromkeys([*self._failures, *failed])),
            breaks=(*self._breaks, *early),
        )


def _named(excinfo: pytest.ExceptionInfo[Any]) -> str:
    return one_line(excinfo.exconly(tryshort=True))


def _value(report: pytest.TestReport) -> Report:
    node = getattr(report, "node", None)
    return Report(
        nodeid=report.nodeid,
        when=SUBTEST if hasattr(report, "context") else str(report.when),
        outcome=str(report.outcome),
        worker=node.gateway.id if node is not None else "",
        expected_failure=hasattr(report, "wasxfail"),
        text=_text(report),
        properties=tuple(_properties(report)),
    )


def _properties(report: pytest.TestReport) -> list[tuple[str, object]]:
    return [(str(key), value) for key, value in report.user_properties]


def _text(report: pytest.TestReport) -> str:
    if report.outcome == "passed":
        return ""
    if isinstance(report.longrepr, tuple):  # a skip: file, line, reason
        return one_line(report.longrepr[2])
    crash = getattr(report.longrepr, "reprcrash", None)
    return one_line(crash.message if crash is not None else report.longreprtext, 300)
