"""
pytest-html's report shows what was decided, and text from outside stays text.

It is opened in a real browser: what counts is the page after its scripts ran.
"""

from __future__ import annotations

from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest
from mlflow import MlflowClient

from tests.pytester.project import GATES, GateProject, Session

OPTIONS = ("--html=report.html", "--self-contained-html")
ATTACK = (
    '<script>document.title="pwned"</script>'
    "<img src=x onerror=\"document.title='pwned'\" class=pwned>"
    "</td></table><!--/agentgate--><svg onload=\"document.title='pwned'\">"
    "'\"&amp;</script>"
)


class Page(HTMLParser):
    """What a person sees: the title, the tables' rows, and every element."""

    def __init__(self, dom: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.title = ""
        self.rows: list[list[str]] = []
        self.text = ""
        self._inside: list[str] = []
        self.feed(dom)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._inside.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th") and self.rows:
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        if tag in self._inside:
            while self._inside.pop() != tag:
                pass

    def handle_data(self, data: str) -> None:
        if "title" in self._inside:
            self.title += data
        if "script" in self._inside or "style" in self._inside:
            return
        self.text += data
        if {"td", "th"} & set(self._inside) and self.rows and self.rows[-1]:
            self.rows[-1][-1] += data.strip()

    def row(self, name: str) -> list[str]:
        """The cells of the one row that has `name` in a cell."""
        [found] = [row for row in self.rows if any(name in cell for cell in row)]
        return found


Rendered = Callable[[Path], str]


@pytest.fixture
def report(gates: GateProject, rendered: Rendered) -> Callable[..., Page]:
    """Run with a report and open it; `session` is kept on the page."""

    def show(*options: str, run: Callable[..., Session] = gates.run) -> Page:
        session = run(*OPTIONS, *options)
        page = Page(rendered(gates.path / "report.html"))
        page.session = session
        return page

    return show


def test_the_table_has_metric_value_and_bound(
    gates: GateProject, report: Callable[..., Page]
) -> None:
    gates.write("gates/test_other.py", "def test_other(): pass\n")
    gates.scores(b=[1, 0, 0])

    page = report()

    heading = next(row for row in page.rows if "Metric" in row)
    at = heading.index("Metric")
    assert heading[at : at + 3] == ["Metric", "Value", "Bound"]
    assert page.row("[a/mean]")[at : at + 3] == ["a/mean", "1", ">= 0.5"]
    assert page.row("[b/mean]")[at : at + 3] == ["b/mean", "0.333333", ">= 0.5"]
    assert page.row("test_other")[at : at + 3] == ["", "", ""]
    assert len(page.row("[a/mean]")) == len(heading)


@pytest.mark.parametrize(
    ("score", "options", "outcome"),
    [
        (1, [], "promoted"),
        (1, ["--agentgate-plan"], "planned"),
        (1, ["--agentgate-approval=review"], "pending-approval"),
        (1, ["-k", "a/mean"], "incomplete"),
        (0, [], "blocked"),
        (None, [], "error"),
    ],
)
def test_the_summary_shows_the_final_outcome(
    gates: GateProject,
    report: Callable[..., Page],
    score: int | None,
    options: list[str],
    outcome: str,
) -> None:
    gates.scores(b=[score, score, score])

    page = report(*options)

    assert page.session.outcome == outcome
    assert f"agentgate: {outcome}" in page.text
    for reason in page.session.record["failures"]:
        assert reason in " ".join(page.text.split())
    sentence = page.session.lines[-1].removeprefix("agentgate: ")
    assert sentence in " ".join(page.text.split())


def test_the_summary_is_completed_after_the_promotion(
    gates: GateProject, report: Callable[..., Page]
) -> None:
    page = report(run=gates.run_subprocess)

    assert page.session.outcome == "promoted"
    assert "promoted agent/2 to @production (was version 1)." in page.text
    assert "agentgate: passed" not in page.text
    assert [tag for tag, _ in page.elements].count("h2") >= 1


def test_a_rolled_back_promotion_is_shown(
    gates: GateProject, report: Callable[..., Page], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError(ATTACK)

    monkeypatch.setattr(MlflowClient, "set_registered_model_alias", fail)

    page = report()

    assert "agentgate: rolled-back" in page.text
    assert "everything is as it was before" in page.text
    assert_unharmed(page)


def test_a_report_beside_other_assets_is_completed_too(
    gates: GateProject, rendered: Rendered
) -> None:
    gates.run("--html=reports/deep/report.html")

    page = Page(rendered(gates.path / "reports" / "deep" / "report.html"))

    assert "agentgate: promoted" in page.text


def in_the_question(gates: GateProject) -> None:
    gates.rows({"inputs": {"question": ATTACK}, "outputs": {"a": 1, "b": 0, "c": 1}})


def in_the_answer(gates: GateProject) -> None:
    gates.rows({"inputs": {"question": "q"}, "outputs": {"a": 1, "b": ATTACK, "c": 1}})


def in_a_scorer_error(gates: GateProject) -> None:
    path = gates.path / "gates" / "scorers.py"
    error = f"raise ValueError({ATTACK!r})"
    text = path.read_text().replace('return outputs["b"]', error)
    path.write_text(text, encoding="utf-8")


def in_a_model_error(gates: GateProject) -> None:
    gates.rows({"inputs": {"question": "q"}})
    error = f"raise ValueError({ATTACK!r})"
    hook = (
        f"def pytest_agentgate_predict_fn(model):\n    def predict(question):\n{error}"
    )
    gates.write(
        "conftest.py", hook.replace(error, f"        {error}\n    return predict")
    )


def in_a_reason(gates: GateProject) -> None:
    entry = f"{{ min = 2, reason = '''{ATTACK}''' }}"
    text = GATES.replace('"b/mean" = 0.5', f'"b/mean" = {entry}')
    gates.write("gates/gates.toml", text)


def in_a_gates_name(gates: GateProject) -> None:
    name = ATTACK.replace("'", "").replace('"', "")
    gate = f"'{name}' = {{ metric = 'b/mean', min = 2 }}"
    gates.write("gates/gates.toml", GATES.replace('"b/mean" = 0.5', gate))


def in_the_datas_name(gates: GateProject) -> None:
    name = "<img src=x onerror=document.title='pwned' class=pwned>.jsonl"
    (gates.path / "gates" / "rows.jsonl").rename(gates.path / "gates" / name)
    gates.write("gates/gates.toml", GATES.replace("rows.jsonl", name))
    gates.write("gates/test_other.py", "def test_other(): assert False\n")


def in_a_veto(gates: GateProject) -> None:
    hook = "def pytest_agentgate_approve(candidate, alias):\n"
    gates.write("conftest.py", f"{hook}    raise ValueError({ATTACK!r})\n")


@pytest.mark.parametrize(
    "put",
    [
        in_the_question,
        in_the_answer,
        in_a_scorer_error,
        in_a_model_error,
        in_a_reason,
        in_a_gates_name,
        in_the_datas_name,
        in_a_veto,
    ],
    ids=lambda put: put.__name__,
)
def test_text_from_outside_is_never_executed(
    gates: GateProject,
    report: Callable[..., Page],
    refused,
    put: Callable[[GateProject], None],
) -> None:
    put(gates)

    page = report()

    refused(page.session)
    assert f"agentgate: {page.session.outcome}" in page.text
    assert_unharmed(page)


def assert_unharmed(page: Page) -> None:
    assert page.title == "report.html"
    assert not [a for tag, a in page.elements if tag == "svg" or a.get("src")]
    assert not [a for _, a in page.elements if "onerror" in a or "onload" in a]
    assert not [a for _, a in page.elements if a.get("class") == "pwned"]
