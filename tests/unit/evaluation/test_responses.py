from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from pydantic import BaseModel

from pytest_agentgate import response_text
from pytest_agentgate.evaluation import responses

SAID = {"type": "output_text", "text": "use jobs.list"}
RESPONSES_AGENT = {
    "object": "response",
    "output": [
        {"type": "reasoning", "content": [{"type": "reasoning_text", "text": "hmm"}]},
        {"type": "function_call", "name": "search", "arguments": '{"q": "jobs"}'},
        {"type": "function_call_output", "call_id": "1", "output": "a page"},
        {"type": "message", "role": "assistant", "content": [SAID]},
        {"type": "message", "role": "assistant", "content": [{**SAID, "text": "ok"}]},
    ],
    "custom_outputs": {"answer": "not this"},
}
CHAT_AGENT = {
    "messages": [
        {"role": "user", "content": "how do I list jobs?"},
        {"role": "assistant", "content": None, "tool_calls": [{"id": "1"}]},
        {"role": "tool", "content": "a page", "tool_call_id": "1"},
        {"role": "assistant", "content": "use jobs.list"},
    ]
}
CHOICES = {
    "id": "chatcmpl-1",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "use it"}}],
    "usage": {"total_tokens": 3},
}


class Answer(BaseModel):
    role: str = "assistant"
    content: str = "use it"


@pytest.mark.parametrize(
    ("outputs", "text"),
    [
        pytest.param("use it", "use it", id="string"),
        pytest.param("  use it\n", "use it", id="string-with-spaces"),
        pytest.param("", "", id="empty-string"),
        pytest.param(None, "", id="none"),
        pytest.param(RESPONSES_AGENT, "use jobs.list\nok", id="responses-agent"),
        pytest.param({"output_text": "use it"}, "use it", id="output-text"),
        pytest.param(CHAT_AGENT, "use jobs.list", id="chat-agent"),
        pytest.param(CHOICES, "use it", id="chat-model"),
        pytest.param({"predictions": ["use it"]}, "use it", id="serving"),
        pytest.param({"predictions": CHOICES}, "use it", id="serving-choices"),
        pytest.param(
            {"content": [{"type": "text", "text": "a"}, {"type": "image"}]},
            "a",
            id="content-parts",
        ),
        pytest.param({"response": "use it"}, "use it", id="response"),
        pytest.param({"answer": "use it", "sources": ["x"]}, "use it", id="answer"),
        pytest.param({"answer": None, "result": "use it"}, "use it", id="next-key"),
        pytest.param({"unknown": "x"}, "", id="nothing-known"),
        pytest.param({}, "", id="empty-mapping"),
        pytest.param({"role": "user", "content": "why?"}, "", id="only-a-question"),
        pytest.param(["a", {"content": "b"}, None], "a\nb", id="list"),
        pytest.param([], "", id="empty-list"),
        pytest.param(np.array([CHOICES], dtype=object), "use it", id="array"),
        pytest.param(pd.Series(["use it"]), "use it", id="series"),
        pytest.param(
            pd.DataFrame({"outputs": [CHAT_AGENT]})["outputs"],
            "use jobs.list",
            id="cells",
        ),
        pytest.param(Answer(), "use it", id="pydantic-object"),
        pytest.param({"choices": [{"message": Answer()}]}, "use it", id="pydantic-in"),
        pytest.param(0.5, "0.5", id="number"),
        pytest.param(
            json.dumps(RESPONSES_AGENT), "use jobs.list\nok", id="responses-agent-json"
        ),
        pytest.param(json.dumps(CHAT_AGENT), "use jobs.list", id="chat-agent-json"),
        pytest.param(json.dumps(CHOICES, indent=1), "use it", id="chat-model-json"),
        pytest.param(
            json.dumps({"predictions": ["use it"]}), "use it", id="serving-json"
        ),
        pytest.param(
            json.dumps(CHAT_AGENT["messages"]), "use jobs.list", id="messages-json"
        ),
        pytest.param("[1, 2, 3]", "[1, 2, 3]", id="answer-that-is-a-json-list"),
        pytest.param('{"total": 5}', '{"total": 5}', id="answer-that-is-json"),
        pytest.param('{"answer": "x"}', '{"answer": "x"}', id="answer-with-a-key"),
        pytest.param("{curly} text", "{curly} text", id="answer-like-json"),
        pytest.param("[1] see the docs", "[1] see the docs", id="answer-with-a-note"),
    ],
)
def test_the_text_of_an_answer(outputs, text):
    assert response_text(outputs) == text


def test_the_public_name_is_the_same_function():
    assert response_text is responses.response_text
