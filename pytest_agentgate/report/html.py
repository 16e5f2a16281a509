"""pytest-html's report with the verdict on top and the numbers in the table."""

from __future__ import annotations

import html
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pytest_agentgate.report.record import Record

_CELLS = ("agentgate_metric", "agentgate_value", "agentgate_bound")
_HEADINGS = ("Metric", "Value", "Bound")
_BEGIN, _END = "<!--agentgate-->", "<!--/agentgate-->"


class HtmlReport:
    """
    Adds columns and a summary to pytest-html's report.

    The report is written before a promotion acts, so `complete` puts the final
    outcome in the place that the summary keeps for it. pytest-html inserts what
    hooks give it as it is: everything is escaped here.
    """

    def __init__(
        self, record: Callable[[], Record], sentence: Callable[[], str]
    ) -> None:
        self._record = record
        self._sentence = sentence

    @pytest.hookimpl(optionalhook=True)
    def pytest_html_results_table_header(self, cells: list[str]) -> None:
        """Add the columns' headings before the last column, the links."""
        cells[-1:-1] = [f"<th>{heading}</th>" for heading in _HEADINGS]

    @pytest.hookimpl(optionalhook=True)
    def pytest_html_results_table_row(self, report: Any, cells: list[str]) -> None:
        """Add a gate's metric, value and bound; empty cells for other tests."""
        found = dict(getattr(report, "user_properties", ()))
        values = [html.escape(str(found.get(name, ""))) for name in _CELLS]
        cells[-1:-1] = [f"<td>{value}</td>" for value in values]
        # pytest-html shows node ids, which hold threshold ids, as they are.
        node = str(getattr(report, "nodeid", ""))
        cells[:] = [
            cell.replace(node, html.escape(node)) if "col-testId" in cell else cell
            for cell in cells
        ]

    @pytest.hookimpl(optionalhook=True)
    def pytest_html_results_summary(self, prefix: list[str]) -> None:
        """Put the verdict above the results."""
        prefix.append(f"{_BEGIN}{self._summary()}{_END}")

    def complete(self, path: Path) -> None:
        """
        Write the final outcome into a report that is on disk.

        Raises:
            OSError: The report cannot be read or written.
        """
        text = path.read_text(encoding="utf-8")
        head, begin, rest = text.partition(_BEGIN)
        _, end, tail = rest.partition(_END)
        if begin and end:
            path.write_text(
                f"{head}{_BEGIN}{self._summary()}{_END}{tail}", encoding="utf-8"
            )

    def _summary(self) -> str:
        record = self._record()
        reasons = "".join(f"<li>{html.escape(why)}</li>" for why in record.failures)
        several = len(record.failures) > 1
        color = "#1a7f37" if record.passed and not record.failures else "#b42318"
        outcome = html.escape(str(record.outcome))
        return (
            f'<h2 style="color: {color}">agentgate: {outcome}</h2>'
            f"<p>{html.escape(self._sentence())}</p>"
            + (f"<ul>{reasons}</ul>" if several else "")
        )
