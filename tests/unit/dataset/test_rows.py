from __future__ import annotations

import pytest

from pytest_agentgate.dataset.rows import Row, canonical, dataset_of, question_of
from pytest_agentgate.errors import InputError

NAN = float("nan")


def row_of(record):
    return dataset_of([record], source="x.json").rows[0]


@pytest.mark.parametrize(
    ("record", "row"),
    [
        pytest.param(
            {
                "inputs": {"question": "why?"},
                "expectations": {"methods": ["jobs.list"]},
                "tags": {"domain": "cost"},
            },
            {
                "inputs": {"question": "why?"},
                "expectations": {"methods": ["jobs.list"]},
                "tags": {"domain": "cost"},
            },
            id="objects",
        ),
        pytest.param(
            {
                "inputs.question": "why?",
                "inputs.region": "eu",
                "expectations.expected_response": "because",
                "tags.domain": "cost",
                "tags.hard": True,
                "outputs.answer": "so",
            },
            {
                "inputs": {"question": "why?", "region": "eu"},
                "expectations": {"expected_response": "because"},
                "tags": {"domain": "cost", "hard": "true"},
                "outputs": {"answer": "so"},
                "has_outputs": True,
            },
            id="flat-columns",
        ),
        pytest.param(
            {"inputs": {"question": "why?"}, "inputs.region": "eu"},
            {"inputs": {"question": "why?", "region": "eu"}},
            id="flat-beside-objects",
        ),
        pytest.param(
            {"inputs.question": "why?", "inputs.region": NAN, "tags.domain": None},
            {"inputs": {"question": "why?"}},
            id="empty-cells",
        ),
        pytest.param(
            {"question": "why?", "unknown": 3},
            {"inputs": {"question": "why?"}},
            id="lone-question",
        ),
        pytest.param(
            {"query": "why?", "tags.domain": "cost"},
            {"inputs": {"query": "why?"}, "tags": {"domain": "cost"}},
            id="lone-query",
        ),
        pytest.param(
            {"messages": [{"role": "user", "content": "why?"}]},
            {"inputs": {"messages": [{"role": "user", "content": "why?"}]}},
            id="lone-messages",
        ),
        pytest.param(
            {"inputs": {"q": "x"}, "question": "ignored"},
            {"inputs": {"q": "x"}},
            id="inputs-before-a-lone-question",
        ),
        pytest.param(
            {"inputs": {"q": "x"}, "tags": {"a": False, "b": 3, "c": None, "d": "X"}},
            {"inputs": {"q": "x"}, "tags": {"a": "false", "b": "3", "d": "X"}},
            id="tags-are-text",
        ),
        pytest.param(
            {"inputs": {"q": "x"}, "expectations": None, "tags": NAN, "outputs": NAN},
            {"inputs": {"q": "x"}},
            id="missing-objects",
        ),
        pytest.param(
            {"inputs": {"q": "x"}, "outputs": ""},
            {"inputs": {"q": "x"}, "outputs": "", "has_outputs": True},
            id="an-empty-answer-is-an-answer",
        ),
    ],
)
def test_a_record_becomes_a_row(record, row):
    found = row_of(record)

    expected = Row(**{"index": 0, **row})
    assert (found.inputs, found.expectations, found.tags) == (
        expected.inputs,
        expected.expectations,
        expected.tags,
    )
    assert found.has_outputs is expected.has_outputs
    if expected.has_outputs:
        assert found.outputs == expected.outputs


@pytest.mark.parametrize(
    ("records", "message"),
    [
        pytest.param([], " has no rows; an empty evaluation is no proof", id="empty"),
        pytest.param(
            [{"inputs": {"q": "x"}}, "why?"],
            ": row 1 is not an object: 'why?'",
            id="not-an-object",
        ),
        pytest.param(
            [{"expectations": {"a": 1}}],
            ': row 0: inputs must be a non-empty object such as {"question": "..."}, '
            "not None",
            id="no-inputs",
        ),
        pytest.param(
            [{"inputs": {}}],
            ': row 0: inputs must be a non-empty object such as {"question": "..."}, '
            "not {}",
            id="empty-inputs",
        ),
        pytest.param(
            [{"inputs": "why?"}],
            ': row 0: inputs must be a non-empty object such as {"question": "..."}, '
            "not 'why?'",
            id="inputs-as-text",
        ),
        pytest.param(
            [{"inputs": {"q": "x"}, "expectations": ["a"]}],
            ": row 0: expectations must be an object, not ['a']",
            id="expectations-as-a-list",
        ),
        pytest.param(
            [{"inputs": {"q": "x"}, "tags": "cost"}],
            ": row 0: tags must be an object, not 'cost'",
            id="tags-as-text",
        ),
        pytest.param(
            [{"inputs": {"q": "x"}}, {"inputs": {"q": "y"}, "outputs": "z"}],
            ": row 0 has no outputs but row 1 has; give recorded outputs for all rows "
            "or for none",
            id="some-outputs",
        ),
    ],
)
def test_rows_that_cannot_be_evaluated_are_refused_with_their_number(records, message):
    with pytest.raises(InputError) as refusal:
        dataset_of(records, source="x.json")

    assert str(refusal.value) == f"data x.json{message}"


def test_outputs_for_all_rows_make_a_recorded_dataset():
    recorded = dataset_of([{"inputs": {"q": "x"}, "outputs": "a"}], source="x")
    asked = dataset_of([{"inputs": {"q": "x"}}], source="x")

    assert (recorded.is_recorded, asked.is_recorded) == (True, False)


BASE = [
    {"inputs": {"question": "why?", "k": 1}, "tags": {"domain": "cost"}},
    {"inputs": {"question": "how?", "k": 2}, "expectations": {"methods": ["a", "b"]}},
]


def digest_of(records):
    return dataset_of(records, source="any").digest


@pytest.mark.parametrize(
    "records",
    [
        pytest.param(BASE[::-1], id="order-of-rows"),
        pytest.param(
            [
                {"tags": {"domain": "cost"}, "inputs": {"k": 1, "question": "why?"}},
                BASE[1],
            ],
            id="order-of-keys",
        ),
        pytest.param(
            [
                {"inputs.question": "why?", "inputs.k": 1, "tags.domain": "cost"},
                BASE[1],
            ],
            id="spelling",
        ),
    ],
)
def test_the_digest_does_not_depend_on_order(records):
    assert digest_of(records) == digest_of(BASE)


@pytest.mark.parametrize(
    "records",
    [
        pytest.param(BASE[:1], id="a-row-less"),
        pytest.param(BASE + BASE[:1], id="a-row-twice"),
        pytest.param(
            [{**BASE[0], "inputs": {"question": "why", "k": 1}}, BASE[1]], id="inputs"
        ),
        pytest.param([{**BASE[0], "tags": {"domain": "risk"}}, BASE[1]], id="tags"),
        pytest.param(
            [BASE[0], {**BASE[1], "expectations": {"methods": ["b", "a"]}}],
            id="expectations",
        ),
        pytest.param([{**row, "outputs": "x"} for row in BASE], id="outputs"),
    ],
)
def test_the_digest_depends_on_the_content(records):
    assert digest_of(records) != digest_of(BASE)


def test_a_rows_key_goes_with_its_content_wherever_it_stands():
    keys = [row.key for row in dataset_of(BASE, source="x").rows]
    turned = [row.key for row in dataset_of(BASE[::-1], source="x").rows]

    assert keys == turned[::-1]
    assert len(set(keys)) == 2


def test_rows_with_the_same_content_have_keys_of_their_own():
    rows = dataset_of([BASE[0], BASE[1], BASE[0]], source="x").rows

    assert rows[2].key == rows[0].key.removesuffix("#1") + "#2"


@pytest.mark.parametrize(
    ("inputs", "question"),
    [
        pytest.param({"question": "why?", "k": "eu"}, "why?", id="question"),
        pytest.param({"k": "eu", "query": "why?"}, "why?", id="query"),
        pytest.param({"prompt": "why?"}, "why?", id="prompt"),
        pytest.param({"input": "why?"}, "why?", id="input"),
        pytest.param({"request": "why?"}, "why?", id="request"),
        pytest.param(
            {
                "messages": [
                    {"role": "user", "content": "hello"},
                    {"role": "user", "content": "why?"},
                ]
            },
            "why?",
            id="messages",
        ),
        pytest.param({"input": [{"role": "user"}]}, "", id="message-without-content"),
        pytest.param({"messages": []}, "[]", id="no-messages"),
        pytest.param({"topic": "why?"}, "why?", id="any-text"),
        pytest.param({"n": 3, "a": 1}, '{"a": 1, "n": 3}', id="no-text"),
        pytest.param({}, "", id="nothing"),
    ],
)
def test_the_question_is_what_a_person_would_call_it(inputs, question):
    assert question_of(inputs) == question


def test_canonical_text_is_equal_for_equal_values():
    assert canonical({"a": [1, {"c": 2, "b": 3}]}) == canonical(
        {"a": [1, {"b": 3, "c": 2}]}
    )
    assert canonical([1, 2]) != canonical([2, 1])
