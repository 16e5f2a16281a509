from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from pytest_agentgate.candidate.request import (
    Form,
    RequestShape,
    answer_from,
    request_for,
)
from pytest_agentgate.errors import EvaluationError

ASKED = [{"role": "user", "content": "why?"}]
TALK = [
    {"role": "user", "content": "hello"},
    {"role": "assistant", "content": "hi"},
    {"role": "user", "content": "why?"},
]


def columns(*names, optional=()):
    return RequestShape(form=Form.COLUMNS, columns=names, optional=frozenset(optional))


@pytest.mark.parametrize(
    ("form", "key"), [(Form.RESPONSES, "input"), (Form.CHAT, "messages")]
)
@pytest.mark.parametrize(
    ("inputs", "conversation", "beside"),
    [
        pytest.param({"question": "why?"}, ASKED, {}, id="question"),
        pytest.param({"query": "why?"}, ASKED, {}, id="query"),
        pytest.param({"input": "why?"}, ASKED, {}, id="input-as-text"),
        pytest.param({"prompt": "why?"}, ASKED, {}, id="prompt"),
        pytest.param({"anything": "why?"}, ASKED, {}, id="a-lone-text"),
        pytest.param({"messages": TALK}, TALK, {}, id="messages"),
        pytest.param({"input": TALK}, TALK, {}, id="input"),
        pytest.param(
            {
                "question": "why?",
                "custom_inputs": {"user": 7},
                "context": {"conversation_id": "c"},
                "unknown": 1,
            },
            ASKED,
            {"custom_inputs": {"user": 7}, "context": {"conversation_id": "c"}},
            id="beside-the-question",
        ),
    ],
)
def test_agents_are_asked_with_a_conversation(form, key, inputs, conversation, beside):
    request = request_for(RequestShape(form=form), inputs)

    assert request == {key: conversation, **beside}


@pytest.mark.parametrize(
    ("shape", "inputs", "request_"),
    [
        pytest.param(
            columns("question"), {"question": "why?"}, {"question": "why?"}, id="column"
        ),
        pytest.param(
            columns("question", "region"),
            {"region": "eu", "question": "why?", "unknown": 1},
            {"question": "why?", "region": "eu"},
            id="columns-without-the-unknown",
        ),
        pytest.param(
            columns("query"), {"question": "why?"}, {"query": "why?"}, id="lone-renamed"
        ),
        pytest.param(
            columns("query", "k", optional=["k"]),
            {"question": "why?"},
            {"query": "why?"},
            id="lone-renamed-beside-an-optional-one",
        ),
        pytest.param(
            columns("question", "k", optional=["k"]),
            {"question": "why?"},
            {"question": "why?"},
            id="optional-left-out",
        ),
        pytest.param(
            columns("question", "k", optional=["k"]),
            {"question": "why?", "k": 3},
            {"question": "why?", "k": 3},
            id="optional-given",
        ),
        pytest.param(
            columns("messages"), {"question": "why?"}, {"messages": ASKED}, id="chat"
        ),
        pytest.param(
            columns("messages"), {"messages": TALK}, {"messages": TALK}, id="messages"
        ),
        pytest.param(
            RequestShape(form=Form.TEXTS), {"question": "why?"}, ["why?"], id="texts"
        ),
        pytest.param(
            RequestShape(form=Form.TEXTS), {"messages": TALK}, ["why?"], id="last-text"
        ),
        pytest.param(
            RequestShape(form=Form.OBJECTS),
            {"question": "why?", "k": 3},
            [{"question": "why?", "k": 3}],
            id="objects",
        ),
        pytest.param(
            RequestShape(form=Form.OBJECT),
            {"question": "why?", "k": 3},
            {"question": "why?", "k": 3},
            id="object",
        ),
    ],
)
def test_models_are_asked_as_their_signature_says(shape, inputs, request_):
    assert request_for(shape, inputs) == request_


@pytest.mark.parametrize(
    ("shape", "inputs", "needs", "has"),
    [
        pytest.param(
            columns("question", "region", "k", optional=["k"]),
            {"question": "why?"},
            "question, region",
            "question",
            id="one-missing",
        ),
        pytest.param(
            columns("query"),
            {"question": "why?", "region": "eu"},
            "query",
            "question, region",
            id="several-given",
        ),
    ],
)
def test_a_missing_column_is_an_error_with_both_sides(shape, inputs, needs, has):
    with pytest.raises(EvaluationError) as refusal:
        request_for(shape, inputs)

    assert str(refusal.value) == (
        f"the model's signature needs {needs}, the row's inputs have {has}; rename the "
        "inputs, or build the request in the pytest_agentgate_predict_fn hook"
    )


AGENT_ANSWER = {"output": [{"type": "message", "content": []}]}


@pytest.mark.parametrize(
    ("form", "raw", "answer"),
    [
        pytest.param(Form.RESPONSES, AGENT_ANSWER, AGENT_ANSWER, id="agent"),
        pytest.param(Form.CHAT, {"messages": []}, {"messages": []}, id="chat"),
        pytest.param(Form.TEXTS, ["because"], "because", id="list"),
        pytest.param(Form.TEXTS, ["a", "b"], ["a", "b"], id="several-answers"),
        pytest.param(Form.TEXTS, [], [], id="no-answer"),
        pytest.param(Form.TEXTS, "because", "because", id="text"),
        pytest.param(Form.COLUMNS, np.array(["because"]), "because", id="array"),
        pytest.param(Form.COLUMNS, pd.Series(["because"]), "because", id="series"),
        pytest.param(
            Form.COLUMNS,
            pd.DataFrame([{"answer": "because", "k": 1}]),
            {"answer": "because", "k": 1},
            id="frame",
        ),
        pytest.param(Form.OBJECTS, [{"answer": "x"}], {"answer": "x"}, id="objects"),
        pytest.param(Form.OBJECT, {"answer": "x"}, {"answer": "x"}, id="object"),
        pytest.param(Form.OBJECT, None, None, id="nothing"),
    ],
)
def test_the_one_answer_comes_out_of_its_wrapping(form, raw, answer):
    assert answer_from(RequestShape(form=form), raw) == answer
