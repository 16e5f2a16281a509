from __future__ import annotations

from types import SimpleNamespace

import pytest

from pytest_agentgate.judgement.decision import Outcome
from pytest_agentgate.report.html import HtmlReport
from pytest_agentgate.report.record import Record

EVIL = "<script>alert('gate')</script> & \"more\""
SAFE = "&lt;script&gt;alert(&#x27;gate&#x27;)&lt;/script&gt; &amp; &quot;more&quot;"


def record_of(outcome, *failures):
    return Record(
        outcome=Outcome(outcome),
        model="agent",
        started_at="2026-01-01T10:00:00+00:00",
        failures=failures,
    )


def report_on(record, sentence="the last sentence"):
    return HtmlReport(lambda: record, lambda: sentence)


def summary_of(report):
    prefix = []
    report.pytest_html_results_summary(prefix)
    return prefix[0]


def test_the_verdict_stands_above_the_results():
    record = record_of("blocked", "safety/mean FAILED: too low", "tone FAILED: no")

    assert summary_of(report_on(record)) == (
        '<!--agentgate--><h2 style="color: #b42318">agentgate: blocked</h2>'
        "<p>the last sentence</p>"
        "<ul><li>safety/mean FAILED: too low</li><li>tone FAILED: no</li></ul>"
        "<!--/agentgate-->"
    )


def test_nothing_of_a_message_reaches_the_page_as_markup():
    record = record_of("blocked", EVIL, EVIL)

    summary = summary_of(report_on(record, sentence=EVIL))

    assert "<script" not in summary
    assert f"<p>{SAFE}</p><ul><li>{SAFE}</li><li>{SAFE}</li></ul>" in summary


def test_a_message_cannot_close_the_place_kept_for_the_verdict(tmp_path):
    report = report_on(record_of("blocked", "<!--/agentgate-->"))

    assert summary_of(report).count("<!--/agentgate-->") == 1


def test_the_columns_stand_before_the_links():
    cells = ["<th>Result</th>", "<th>Links</th>"]

    report_on(record_of("passed")).pytest_html_results_table_header(cells)

    assert cells == [
        "<th>Result</th>",
        "<th>Metric</th>",
        "<th>Value</th>",
        "<th>Bound</th>",
        "<th>Links</th>",
    ]


@pytest.mark.parametrize(
    ("properties", "row"),
    [
        pytest.param(
            [
                ("agentgate_metric", "safety/mean"),
                ("agentgate_value", "0.9"),
                ("agentgate_bound", ">= 0.7"),
            ],
            ["<td>safety/mean</td>", "<td>0.9</td>", "<td>&gt;= 0.7</td>"],
            id="gate",
        ),
        pytest.param([], ["<td></td>"] * 3, id="other-test"),
        pytest.param(
            [("agentgate_metric", EVIL), ("agentgate_value", EVIL)],
            [f"<td>{SAFE}</td>", f"<td>{SAFE}</td>", "<td></td>"],
            id="markup",
        ),
    ],
)
def test_a_gates_row_has_its_numbers(properties, row):
    cells = ["<td>Passed</td>", "<td>links</td>"]

    report_on(record_of("passed")).pytest_html_results_table_row(
        SimpleNamespace(user_properties=properties), cells
    )

    assert cells == ["<td>Passed</td>", *row, "<td>links</td>"]


def test_the_final_outcome_takes_the_place_of_the_first(tmp_path):
    path = tmp_path / "report.html"
    before = summary_of(report_on(record_of("passed")))
    path.write_text(f"<body>{before}<table>✓</table></body>", encoding="utf-8")

    report_on(record_of("rolled-back", "no answer")).complete(path)

    after = summary_of(report_on(record_of("rolled-back", "no answer")))
    assert path.read_text(encoding="utf-8") == (f"<body>{after}<table>✓</table></body>")


@pytest.mark.parametrize("text", ["<body></body>", "<!--agentgate--> cut off"])
def test_a_report_without_the_place_is_left_alone(tmp_path, text):
    path = tmp_path / "report.html"
    path.write_text(text, encoding="utf-8")

    report_on(record_of("passed")).complete(path)

    assert path.read_text(encoding="utf-8") == text
