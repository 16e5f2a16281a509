"""
Every kind of model that MLflow can log is asked in its own way, once a row.

A call that fails is a failed row, whichever row it is: it is counted, shown
with its reason, and can never improve a measurement.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.pytester.project import GateProject, Session

SCORERS = """
from pytest_agentgate import response_text
from mlflow.genai.scorers import scorer

@scorer
def answered(inputs, outputs):
    return response_text(outputs) == f"echo {inputs['question']}"

@scorer
def blind():
    return 1.0
"""

GATES = """
data = "rows.jsonl"
scorers = ["scorers"]
experiment = "gates"

[thresholds]
"answered/mean" = 1
"blind/mean" = 1
"""

Choose = Callable[[str], GateProject]


@pytest.fixture
def calls(gates: GateProject, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file in which the agents count their calls."""
    path = gates.path / "calls.txt"
    monkeypatch.setenv("AGENT_CALLS", str(path))
    return path


@pytest.fixture
def ask(agents: Choose, calls: Path) -> Callable[..., Session]:
    """Evaluate one kind of agent on three questions."""

    def run(kind: str, gate_file: str = GATES) -> Session:
        project = agents(kind)
        project.write("gates/scorers.py", SCORERS)
        project.write("gates/gates.toml", gate_file)
        project.rows(*({"inputs": {"question": f"question {i}"}} for i in range(3)))
        return project.run()

    return run


def lines_of(calls: Path) -> list[str]:
    return sorted(calls.read_text().splitlines()) if calls.exists() else []


@pytest.mark.parametrize(
    "kind",
    [
        "ResponsesAgent",
        "ChatAgent",
        "ChatModel",
        "columns",
        "texts",
        "objects",
        "no signature",
    ],
)
def test_every_kind_of_model_is_asked_once_a_row(
    ask: Callable[..., Session], calls: Path, kind: str
) -> None:
    session = ask(kind)

    assert (session.status, session.outcome) == (0, "promoted"), session.text
    assert session.alias == session.record["version"]
    assert lines_of(calls) == ["question 0", "question 1", "question 2"]
    assert any("at most 3 model calls and 0 judge calls" in s for s in session.lines)


@pytest.mark.parametrize("row", [0, 2])
def test_a_row_that_fails_is_shown_whichever_it_is(
    ask: Callable[..., Session], refused, calls: Path, row: int
) -> None:
    session = ask(f"fails on row {row}")

    refused(session)
    assert (session.status, session.outcome) == (14, "error")
    # A scorer that does not look at the answer must not pass either.
    assert session.verdicts == {"answered/mean": "ERROR", "blind/mean": "ERROR"}
    message = session.gate("blind/mean")["message"]
    assert f"1 of 3 rows have no usable score (row {row}; first:" in message
    assert "ValueError: the agent fell over" in message
    assert f"  row {row}: the model call failed: ValueError" in message
    assert any("1 model calls failed" in line for line in session.lines)
    assert lines_of(calls) == ["question 0", "question 1", "question 2"]


@pytest.mark.parametrize("row", [0, 2])
@pytest.mark.parametrize(
    ("thresholds", "outcome", "verdict"),
    [
        (
            (
                '"blind/mean" = { min = 0.6, max_error_rate = 0.34 }\n'
                '"predict_error/mean" = { max = 0.34 }'
            ),
            "promoted",
            "PASSED",
        ),
        ('"predict_error/mean" = { max = 0.33 }', "blocked", "FAILED"),
        ('"predict_error/max" = { max = 0 }', "blocked", "FAILED"),
        ('"latency_seconds/p95" = { max = 999 }', "error", "ERROR"),
    ],
    ids=["tolerated", "mean", "max", "latency"],
)
def test_failed_calls_are_measured(
    ask: Callable[..., Session], row: int, thresholds: str, outcome: str, verdict: str
) -> None:
    head, _, _ = GATES.partition('"answered')

    session = ask(f"fails on row {row}", head + thresholds)

    assert session.outcome == outcome
    assert set(session.verdicts.values()) == {verdict}
    if outcome == "promoted":
        assert session.gate("blind/mean")["value"] == pytest.approx(2 / 3)
        assert session.gate("predict_error/mean")["value"] == pytest.approx(1 / 3)


def test_a_model_that_fails_on_all_rows(
    ask: Callable[..., Session], refused, calls: Path
) -> None:
    session = ask("fails on all")

    refused(session)
    assert (session.status, session.outcome) == (14, "error")
    assert set(session.verdicts.values()) == {"ERROR"}
    assert "3 of 3 rows" in session.gate("blind/mean")["message"]
    assert len(lines_of(calls)) == 3


def test_no_error_budget_covers_a_model_that_fails_on_all_rows(
    ask: Callable[..., Session], refused
) -> None:
    budget = "{ min = 0, max_error_rate = 1 }"

    session = ask("fails on all", GATES.replace("= 1\n", f"= {budget}\n"))

    refused(session)
    assert set(session.verdicts.values()) == {"ERROR"}


def test_a_model_that_exits(ask: Callable[..., Session], refused) -> None:
    session = ask("exits")

    refused(session)
    assert session.status not in (0, 5)
    assert session.outcome in ("error", "incomplete")
    assert "PASSED" not in session.verdicts.values()


def test_a_model_that_answers_nothing(ask: Callable[..., Session], refused) -> None:
    """It did answer: what that is worth is for the scorers to say."""
    session = ask("answers nothing")

    refused(session)
    assert session.verdicts == {"answered/mean": "FAILED", "blind/mean": "PASSED"}


@pytest.mark.parametrize(
    ("kind", "fragments"),
    [
        ("cannot be loaded", ["cannot be loaded", "no_such_package", "requirements"]),
        ("wrong signature", ["row 0", "ticket, priority", "question", "rename"]),
    ],
)
def test_a_model_that_cannot_be_asked(
    ask: Callable[..., Session], refused, calls: Path, kind: str, fragments: list[str]
) -> None:
    session = ask(kind)

    refused(session)
    assert (session.status, session.outcome) == (14, "error")
    assert set(session.verdicts.values()) == {"ERROR"}
    message = session.gate("blind/mean")["message"]
    for fragment in fragments:
        assert fragment in message
    assert lines_of(calls) == []


def test_a_conversation_is_passed_on_whole(agents: Choose, calls: Path) -> None:
    for kind in ("ResponsesAgent", "ChatAgent"):
        project = agents(kind)
        project.write("gates/scorers.py", SCORERS)
        project.write("gates/gates.toml", GATES.replace('"answered/mean" = 1', ""))
        turns = [
            {"role": "user", "content": "hello"},
            {"role": "assistant", "content": "hi"},
            {"role": "user", "content": f"last of {kind}"},
        ]
        project.rows({"inputs": {"messages": turns}}, {"inputs": {"input": turns}})

        session = project.run()

        assert session.verdicts == {"blind/mean": "PASSED"}, session.text
    assert lines_of(calls) == ["last of ChatAgent"] * 2 + ["last of ResponsesAgent"] * 2


def test_rows_that_are_alike_are_all_asked(agents: Choose, calls: Path) -> None:
    project = agents("ResponsesAgent")
    project.write("gates/scorers.py", SCORERS)
    project.write("gates/gates.toml", GATES)
    project.rows(*({"inputs": {"question": "the same"}} for _ in range(4)))

    session = project.run()

    assert session.outcome == "promoted"
    assert session.gate("answered/mean")["rows"] == 4
    assert lines_of(calls) == ["the same"] * 4
