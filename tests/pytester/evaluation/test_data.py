"""
What is evaluated is exactly the rows that were given, each with its own scores.

Every format says the same rows; rows that cannot be evaluated are refused.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
import pytest

from pytest_agentgate.dataset.rows import dataset_of
from tests.pytester.project import GateProject, Session

GATES = """
data = "{data}"
scorers = ["scorers"]
experiment = "gates"

[thresholds]
"right/mean" = 1
cost = {{ metric = "right/mean", where = {{ domain = "cost" }}, min = 1 }}
"""

SCORERS = """
from pytest_agentgate import response_text
from mlflow.genai.scorers import scorer

@scorer
def right(inputs, outputs, expectations):
    question = inputs.get("question") or inputs.get("query")
    return response_text(outputs) == expectations.get("answer", f"echo {question}")
"""

ROWS = [
    {
        "inputs": {"question": "what, exactly?"},
        "expectations": {"answer": "echo what, exactly?"},
        "tags": {"domain": "cost"},
    },
    {
        "inputs": {"question": "wie heißt „das“?\nzwei Zeilen"},
        "expectations": {"answer": "echo wie heißt „das“?\nzwei Zeilen"},
        "tags": {"domain": "other"},
    },
]

Evaluate = Callable[..., Session]


@pytest.fixture
def evaluate(gates: GateProject) -> Evaluate:
    """Evaluate one data source with the scorer `right`."""
    gates.write("gates/scorers.py", SCORERS)

    def run(data: str, *options: str) -> Session:
        gates.write("gates/gates.toml", GATES.format(data=data))
        return gates.run(*options)

    return run


def nested_jsonl(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    text = "\n\n".join(json.dumps(row) for row in rows)
    path.write_text(text + "\n", encoding="utf-8")


def nested_json(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    path.write_text(json.dumps(rows, ensure_ascii=False), encoding="utf-8")


def flat(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [
        {f"{group}.{name}": v for group in row for name, v in row[group].items()}
        for row in rows
    ]


def flat_jsonl(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    nested_jsonl(path, flat(rows))


def flat_csv(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    pd.DataFrame(flat(rows)).to_csv(path, index=False)


def nested_csv(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    cells = [{key: json.dumps(value) for key, value in row.items()} for row in rows]
    pd.DataFrame(cells).to_csv(path, index=False)


def flat_parquet(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    pd.DataFrame(flat(rows)).to_parquet(path)


def nested_parquet(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    pd.DataFrame(rows).to_parquet(path)


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("rows.jsonl", nested_jsonl),
        ("rows.JSONL", nested_jsonl),
        ("rows.json", nested_json),
        ("flat.jsonl", flat_jsonl),
        ("flat.csv", flat_csv),
        ("nested.csv", nested_csv),
        ("flat.parquet", flat_parquet),
        ("nested.parquet", nested_parquet),
    ],
    ids=lambda value: value if isinstance(value, str) else value.__name__,
)
def test_every_format_says_the_same_rows(
    gates: GateProject,
    evaluate: Evaluate,
    tmp_path: Path,
    name: str,
    write: Callable[[Path, Sequence[Mapping[str, Any]]], None],
) -> None:
    write(gates.path / "gates" / name, ROWS)

    session = evaluate(name)

    assert (session.status, session.outcome) == (0, "promoted"), session.text
    assert session.record["evaluation"]["rows"] == 2
    assert session.gate("cost")["rows"] == 1
    same = dataset_of(ROWS, source="elsewhere").digest
    assert session.record["evaluation"]["data_digest"] == same


def test_an_evaluation_dataset_of_mlflow(
    gates: GateProject, evaluate: Evaluate
) -> None:
    dataset = mlflow.genai.datasets.create_dataset(name="questions")
    dataset.merge_records([dict(row) for row in ROWS])

    session = evaluate("dataset:questions")

    assert (session.status, session.outcome) == (0, "promoted"), session.text
    assert session.record["evaluation"]["rows"] == 2
    assert session.record["evaluation"]["data_source"] == "dataset:questions"


@pytest.mark.parametrize("column", ["question", "query"])
def test_a_lone_column_is_the_input(
    gates: GateProject, evaluate: Evaluate, column: str
) -> None:
    text = f"{column},tags.domain\nhow much?,cost\nhow many?,other\n"
    gates.write("gates/rows.csv", text)

    session = evaluate("rows.csv")

    assert (session.status, session.outcome) == (0, "promoted"), session.text


@pytest.mark.parametrize("text", ["007", "1e5", "NA", "null", "True", "[brackets]"])
def test_text_in_a_csv_stays_text(
    gates: GateProject, evaluate: Evaluate, text: str
) -> None:
    gates.write("gates/rows.csv", f"question,tags.domain\n{text},cost\n")

    session = evaluate("rows.csv")

    assert session.outcome == "promoted"
    [row] = stored(session)
    [span] = mlflow.get_trace(row.trace_id).data.spans
    assert span.inputs["request"]["input"][0]["content"] == text


def test_recorded_outputs_are_judged_without_the_model(
    gates: GateProject, evaluate: Evaluate
) -> None:
    gates.rows(*({**row, "outputs": row["expectations"]["answer"]} for row in ROWS))
    gates.write(
        "conftest.py",
        """
        def pytest_agentgate_predict_fn(model):
            def predict(**inputs):
                raise AssertionError("the model was called")
            return predict
        """,
    )

    session = evaluate("rows.jsonl")

    assert (session.status, session.outcome) == (0, "promoted"), session.text
    assert any("at most 0 model calls" in line for line in session.lines)


@pytest.mark.parametrize("outputs", ["", 0, False, [], {}])
def test_an_empty_recorded_output_is_an_answer(
    gates: GateProject, evaluate: Evaluate, refused, outputs: object
) -> None:
    gates.rows(*({**row, "outputs": outputs} for row in ROWS))

    session = evaluate("rows.jsonl")

    refused(session)
    assert session.verdicts["right/mean"] == "FAILED"
    assert any("at most 0 model calls" in line for line in session.lines)


@pytest.mark.parametrize("recorded", [True, False], ids=["recorded", "asked"])
def test_rows_with_the_same_inputs_have_their_own_scores(
    gates: GateProject, evaluate: Evaluate, refused, recorded: bool
) -> None:
    """Same question, other expectation and tag: a mix-up would change a slice."""
    rows = [
        {
            "inputs": {"question": "same"},
            "expectations": {"answer": "echo same" if domain == "cost" else "other"},
            "tags": {"domain": domain, "number": str(number)},
        }
        for number, domain in enumerate(["cost", "safety", "cost", "safety", "safety"])
    ]
    gates.rows(*({**row, "outputs": "echo same"} if recorded else row for row in rows))

    session = evaluate("rows.jsonl")

    refused(session)
    assert session.verdicts == {"right/mean": "FAILED", "cost": "PASSED"}
    assert session.gate("right/mean")["value"] == pytest.approx(0.4)
    assert session.gate("right/mean")["rows"] == 5
    for row in stored(session):
        [score] = [a for a in row.assessments if a.name == "right"]
        assert score.value is (row.tags["domain"] == "cost")


def test_rows_that_differ_in_the_order_of_keys_are_the_same_inputs(
    gates: GateProject, evaluate: Evaluate
) -> None:
    gates.rows(
        {"inputs": {"question": "q", "k": 1}, "tags": {"domain": "cost"}},
        {"inputs": {"k": 1, "question": "q"}, "tags": {"domain": "other"}},
    )

    session = evaluate("rows.jsonl")

    assert session.gate("cost")["rows"] == 1
    assert session.outcome == "promoted"


@pytest.mark.parametrize(
    "inputs",
    [
        {"question": "q", "context": {"user_id": "u"}},
        {"question": "x" * 20_000},
        {"question": "q", "not an identifier": 1, "class": 2, "": 3},
        {"question": "q", "self": 1, "row": 2, "inputs": 3},
        {"question": "\x00 \u202e \ud83d\ude00"},
        {"question": "q", "nothing": None, "list": [1, [2, {"deep": None}]]},
        {"question": "q", "huge": 2**70, "small": 1e-320},
    ],
    ids=[
        "context",
        "long",
        "odd keys",
        "python's names",
        "odd text",
        "deep",
        "numbers",
    ],
)
def test_odd_inputs_are_evaluated_like_others(
    gates: GateProject, evaluate: Evaluate, inputs: dict[str, Any]
) -> None:
    gates.rows({"inputs": inputs, "tags": {"domain": "cost"}}, *ROWS)

    session = evaluate("rows.jsonl")

    assert (session.status, session.outcome) == (0, "promoted"), session.text
    assert session.gate("right/mean")["rows"] == 3


@pytest.mark.parametrize(
    ("tag", "where"),
    [(3, "3"), ("3", "3"), (True, "true"), ("true", "true"), (1.5, "1.5")],
)
def test_tags_match_as_text(
    gates: GateProject, evaluate: Evaluate, tag: object, where: str
) -> None:
    gates.rows({"inputs": {"question": "q"}, "tags": {"domain": tag}}, *ROWS)
    text = GATES.format(data="rows.jsonl").replace('"cost"', where)
    gates.write("gates/gates.toml", text)

    session = gates.run()

    assert session.gate("cost")["rows"] == 1, session.text
    assert session.outcome == "promoted"


def test_tags_that_look_like_mlflows_do_no_harm(
    gates: GateProject, evaluate: Evaluate
) -> None:
    tags = {
        "domain": "cost",
        "mlflow.traceName": "x",
        "agentgate.row": "7",
        "mlflow.evaluation.status": "complete",
    }
    gates.rows({"inputs": {"question": "q"}, "tags": tags}, *ROWS)

    session = evaluate("rows.jsonl")

    assert (session.status, session.outcome) == (0, "promoted"), session.text
    assert session.gate("cost")["rows"] == 2


@pytest.mark.parametrize(
    ("row", "fragments"),
    [
        ({}, ["row 2", "inputs must be a non-empty object", "None"]),
        ({"inputs": None}, ["row 2", "inputs", "None"]),
        ({"inputs": {}}, ["row 2", "inputs", "{}"]),
        ({"inputs": []}, ["row 2", "inputs", "[]"]),
        ({"inputs": "question"}, ["row 2", "inputs", "'question'"]),
        ({"inputs": {"question": "q"}, "outputs": "a"}, ["row 0 has no outputs", "2"]),
        ({"inputs": {"question": "q"}, "tags": 3}, ["row 2", "tags", "3"]),
    ],
)
def test_one_row_that_cannot_be_evaluated_is_refused(
    gates: GateProject,
    evaluate: Evaluate,
    refused,
    row: dict[str, Any],
    fragments: list[str],
) -> None:
    gates.rows(*ROWS, row)

    session = evaluate("rows.jsonl")

    refused(session)
    assert (session.status, session.outcome) == (4, "error")
    for fragment in fragments:
        assert fragment in "".join(session.errors)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("rows.csv", ""),
        ("rows.csv", "question\n"),
        ("rows.json", "[]"),
        ("rows.json", "{}"),
        ("rows.jsonl", ""),
        ("rows.parquet", "not parquet"),
        ("rows.json", "{"),
    ],
)
def test_a_file_without_rows_is_refused(
    gates: GateProject, evaluate: Evaluate, refused, name: str, text: str
) -> None:
    gates.write(f"gates/{name}", text)

    session = evaluate(name)

    refused(session)
    assert (session.status, session.outcome) == (4, "error")
    assert name in "".join(session.errors)
    assert "INTERNALERROR" not in session.text


def test_an_empty_evaluation_dataset_is_refused(
    gates: GateProject, evaluate: Evaluate, refused
) -> None:
    mlflow.genai.datasets.create_dataset(name="empty")

    session = evaluate("dataset:empty")

    refused(session)
    assert session.status == 4
    assert "data dataset:empty has no rows" in "".join(session.errors)


def stored(session: Session) -> list[Any]:
    """What the tracking server has of a session's rows."""
    evaluation = session.record["evaluation"]
    traces = mlflow.search_traces(
        locations=[evaluation["experiment_id"]],
        run_id=evaluation["run_id"],
        return_type="list",
    )
    return [trace.info for trace in traces]
