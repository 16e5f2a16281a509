from __future__ import annotations

import json
import re

import pandas as pd
import pytest

from pytest_agentgate.dataset.sources import dataset_from, frame_of, load_dataset
from pytest_agentgate.errors import InputError

RECORDS = [
    {
        "inputs": {"question": "what <costs> ✓?"},
        "expectations": {"methods": ["a", "b"]},
        "tags": {"domain": "cost", "hard": True},
    },
    {"inputs": {"question": "how?"}, "tags": {"domain": "risk", "hard": False}},
]


def write_json(path):
    path.write_text(json.dumps(RECORDS), encoding="utf-8")


def write_json_lines(path):
    lines = [json.dumps(record, ensure_ascii=False) for record in RECORDS]
    path.write_text("\n\n".join(lines) + "\n", encoding="utf-8")


def write_csv(path):
    path.write_text(
        "inputs.question,expectations.methods,tags.domain,tags.hard\n"
        'what <costs> ✓?,"[""a"", ""b""]",cost,true\n'
        "how?,,risk,false\n",
        encoding="utf-8",
    )


def write_parquet(path):
    pd.DataFrame(RECORDS).to_parquet(path)


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("rows.json", write_json),
        ("rows.jsonl", write_json_lines),
        ("rows.csv", write_csv),
        ("rows.parquet", write_parquet),
        ("ROWS.JSON", write_json),
    ],
)
def test_every_kind_of_file_gives_the_same_rows(tmp_path, name, write):
    write(tmp_path / name)

    dataset = load_dataset(name, folder=tmp_path)

    assert dataset.source == name
    assert [dict(row.inputs) for row in dataset.rows] == [
        {"question": "what <costs> ✓?"},
        {"question": "how?"},
    ]
    assert [dict(row.tags) for row in dataset.rows] == [
        {"domain": "cost", "hard": "true"},
        {"domain": "risk", "hard": "false"},
    ]
    assert [dict(row.expectations) for row in dataset.rows] == [
        {"methods": ["a", "b"]},
        {},
    ]
    assert dataset.digest == dataset_from(RECORDS, source="x").digest
    assert not dataset.is_recorded


def test_a_file_may_be_named_by_its_absolute_path(tmp_path):
    write_json(tmp_path / "rows.json")

    dataset = load_dataset(str(tmp_path / "rows.json"), folder=tmp_path / "elsewhere")

    assert len(dataset.rows) == 2


def test_a_csv_cell_stays_the_text_that_it_is(tmp_path):
    text = "question,tags.code\n007,1e3\nNA,null\n{not json,x\n"
    (tmp_path / "rows.csv").write_text(text)

    rows = load_dataset("rows.csv", folder=tmp_path).rows

    assert [(row.inputs["question"], row.tags["code"]) for row in rows] == [
        ("007", "1e3"),
        ("NA", "null"),
        ("{not json", "x"),
    ]


@pytest.mark.parametrize("separator", ["\u2028", "\u2029", "\x85"])
def test_a_json_line_ends_at_a_newline_only(tmp_path, separator):
    record = {"inputs": {"question": f"first{separator}second"}}
    text = json.dumps(record, ensure_ascii=False)
    (tmp_path / "rows.jsonl").write_text(text + "\n", encoding="utf-8")

    (row,) = load_dataset("rows.jsonl", folder=tmp_path).rows

    assert row.inputs["question"] == f"first{separator}second"


def test_a_json_line_may_end_as_on_windows(tmp_path):
    (tmp_path / "rows.jsonl").write_bytes(b'{"question": "a"}\r\n{"question": "b"}\r\n')

    rows = load_dataset("rows.jsonl", folder=tmp_path).rows

    assert [row.inputs["question"] for row in rows] == ["a", "b"]


def test_parquet_rows_lack_the_keys_that_they_were_written_without(tmp_path):
    records = [{"inputs": {"q": "x", "k": 1}}, {"inputs": {"q": "y"}}]
    pd.DataFrame(records).to_parquet(tmp_path / "rows.parquet")

    rows = load_dataset("rows.parquet", folder=tmp_path).rows

    assert [dict(row.inputs) for row in rows] == [{"q": "x", "k": 1}, {"q": "y"}]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        pytest.param(
            "main.agents.questions",
            "data main.agents.questions: Unity Catalog tables are not supported by "
            "this version of pytest-agentgate; export the table to a file, use an "
            "MLflow dataset (dataset:NAME), or return its rows from the "
            "pytest_agentgate_data hook",
            id="unity-catalog",
        ),
        pytest.param(
            "questions.xlsx",
            "data questions.xlsx: unknown kind; use a file ending in .jsonl, .json, "
            ".csv, .parquet, or dataset:NAME",
            id="unknown-kind",
        ),
        pytest.param(
            "questions",
            "data questions: unknown kind; use a file ending in .jsonl, .json, "
            ".csv, .parquet, or dataset:NAME",
            id="no-ending",
        ),
        pytest.param(
            "gone.jsonl",
            "data file {folder}/gone.jsonl does not exist; name an existing one as "
            "data in the gate file or with --agentgate-data",
            id="missing-file",
        ),
        pytest.param(
            "broken.jsonl",
            "data file {folder}/broken.jsonl cannot be read: line 3 is not JSON: "
            "Expecting property name enclosed in double quotes: line 1 column 2 "
            "(char 1)",
            id="broken-line",
        ),
        pytest.param(
            "object.json",
            "data file {folder}/object.json cannot be read: it must hold a list of "
            "rows",
            id="object-for-a-list",
        ),
        pytest.param(
            "empty.jsonl",
            "data empty.jsonl has no rows; an empty evaluation is no proof",
            id="no-rows",
        ),
        pytest.param(
            "lists.jsonl",
            "data lists.jsonl: row 0 is not an object: [1]",
            id="rows-that-are-lists",
        ),
    ],
)
def test_a_source_that_cannot_be_used_is_refused(tmp_path, source, message):
    (tmp_path / "broken.jsonl").write_text('{"question": "a"}\n\n{oops\n')
    (tmp_path / "object.json").write_text('{"question": "a"}')
    (tmp_path / "empty.jsonl").write_text("\n")
    (tmp_path / "lists.jsonl").write_text("[1]\n")

    with pytest.raises(InputError) as refusal:
        load_dataset(source, folder=tmp_path)

    assert str(refusal.value) == message.format(folder=tmp_path)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("empty.csv", b""),
        ("text.parquet", b"no parquet"),
        ("latin.json", b'["\xff"]'),
        ("nothing.json", b""),
    ],
)
def test_a_file_that_is_not_what_it_says_is_refused_by_name(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)

    expected = re.escape(f"data file {tmp_path / name} cannot be read: ")
    with pytest.raises(InputError, match=expected):
        load_dataset(name, folder=tmp_path)


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(RECORDS, id="list"),
        pytest.param(pd.DataFrame(RECORDS), id="frame"),
        pytest.param((record for record in RECORDS), id="generator"),
        pytest.param(
            pd.DataFrame(
                {
                    "inputs.question": ["what <costs> ✓?", "how?"],
                    "expectations.methods": [["a", "b"], None],
                    "tags.domain": ["cost", "risk"],
                    "tags.hard": [True, False],
                }
            ),
            id="flat-frame",
        ),
    ],
)
def test_a_hook_may_return_a_frame_or_any_rows(value):
    dataset = dataset_from(value, source="pytest_agentgate_data")

    assert dataset.source == "pytest_agentgate_data"
    assert dataset.digest == dataset_from(RECORDS, source="x").digest


@pytest.mark.parametrize(
    ("value", "message"),
    [
        pytest.param(
            "rows.json",
            "pytest_agentgate_data returned str; return a DataFrame or a list of rows "
            "with inputs",
            id="text",
        ),
        pytest.param(
            7,
            "pytest_agentgate_data returned int; return a DataFrame or a list of rows "
            "with inputs",
            id="number",
        ),
        pytest.param(
            {"inputs": {}},
            "data pytest_agentgate_data: row 0 is not an object: 'inputs'",
            id="one-object",
        ),
        pytest.param(
            pd.DataFrame(),
            "data pytest_agentgate_data has no rows; an empty evaluation is no proof",
            id="empty-frame",
        ),
    ],
)
def test_what_a_hook_may_not_return(value, message):
    with pytest.raises(InputError) as refusal:
        dataset_from(value, source="pytest_agentgate_data")

    assert str(refusal.value) == message


def test_a_dataset_as_a_frame_has_a_row_for_each_row():
    frame = frame_of(dataset_from(RECORDS, source="x"))

    assert list(frame.columns) == ["inputs", "expectations", "tags"]
    assert frame["inputs"].tolist() == [record["inputs"] for record in RECORDS]


def test_a_recorded_dataset_as_a_frame_has_its_outputs():
    frame = frame_of(dataset_from([{"question": "a", "outputs": "b"}], source="x"))

    assert frame["outputs"].tolist() == ["b"]
