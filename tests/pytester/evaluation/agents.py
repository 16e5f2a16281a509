"""
Agents of every kind that MLflow can log, good and bad, as versions of ``agent``.

Each counts its calls in the file named by ``AGENT_CALLS``, if that is set, and
answers a question with ``echo QUESTION``.
"""

from __future__ import annotations

import os
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlflow
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, Schema

_COMMON = """
import os
import mlflow

def count(question):
    if "AGENT_CALLS" in os.environ:
        with open(os.environ["AGENT_CALLS"], "a") as file:
            file.write(f"{question}\\n")
"""

_RESPONSES = """
from mlflow.pyfunc import ResponsesAgent
from mlflow.types.responses import ResponsesAgentResponse

class Agent(ResponsesAgent):
    def predict(self, request):
        question = request.input[-1].content
        count(question)
        {trouble}
        item = self.create_text_output_item(text=f"echo {{question}}", id="1")
        return ResponsesAgentResponse(output=[item])
"""

_PYFUNC = """
from mlflow.pyfunc import PythonModel

class Agent(PythonModel):
    def predict(self, context, model_input, params=None):
        {body}
"""

_CHAT_AGENT = """
from mlflow.pyfunc import ChatAgent
from mlflow.types.agent import ChatAgentMessage, ChatAgentResponse

class Agent(ChatAgent):
    def predict(self, messages, context=None, custom_inputs=None):
        question = messages[-1].content
        count(question)
        answer = ChatAgentMessage(
            role="assistant", content=f"echo {question}", id="1"
        )
        return ChatAgentResponse(messages=[answer])
"""

_CHAT_MODEL = """
from mlflow.pyfunc import ChatModel
from mlflow.types.llm import ChatChoice, ChatCompletionResponse, ChatMessage

class Agent(ChatModel):
    def predict(self, context, messages, params=None):
        question = messages[-1].content
        count(question)
        answer = ChatMessage(role="assistant", content=f"echo {question}")
        return ChatCompletionResponse(choices=[ChatChoice(index=0, message=answer)])
"""

_HINTED = """
from mlflow.pyfunc import PythonModel

class Agent(PythonModel):
    def predict(self, model_input: list[{item}]) -> list[str]:
        questions = [{question} for item in model_input]
        for question in questions:
            count(question)
        return [f"echo {{question}}" for question in questions]
"""

_FRAME = """
questions = list(model_input["question"])
        for question in questions:
            count(question)
        return [f"echo {question}" for question in questions]
"""

_OBJECT = """
count(model_input["question"])
        return "echo " + model_input["question"]
"""

_UNLOADABLE = """
if "AGENT_LOGGING" not in os.environ:
    import no_such_package
"""

_COLUMNS = ModelSignature(
    inputs=Schema([ColSpec("string", "question")]), outputs=Schema([ColSpec("string")])
)
_OTHER_COLUMNS = ModelSignature(
    inputs=Schema([ColSpec("string", "ticket"), ColSpec("long", "priority")]),
    outputs=Schema([ColSpec("string")]),
)


def _responses(trouble: str = "pass") -> str:
    return _RESPONSES.format(trouble=trouble)


def _failing(condition: str) -> str:
    return _responses(f"if {condition}: raise ValueError('the agent fell over')")


_SOURCES: Mapping[str, tuple[str, dict[str, Any]]] = {
    "ResponsesAgent": (_responses(), {}),
    "ChatAgent": (_CHAT_AGENT, {}),
    "ChatModel": (_CHAT_MODEL, {}),
    "columns": (_PYFUNC.format(body=_FRAME.strip()), {"signature": _COLUMNS}),
    "texts": (_HINTED.format(item="str", question="item"), {}),
    "objects": (_HINTED.format(item="dict[str, str]", question="item['question']"), {}),
    "no signature": (_PYFUNC.format(body=_OBJECT.strip()), {}),
    "fails on row 0": (_failing("question == 'question 0'"), {}),
    "fails on row 2": (_failing("question == 'question 2'"), {}),
    "fails on all": (_failing("question.startswith('question')"), {}),
    "exits": (_responses("if question == 'question 1': raise SystemExit(0)"), {}),
    "answers nothing": (_PYFUNC.format(body="return None"), {}),
    "cannot be loaded": (_UNLOADABLE + _responses(), {}),
    "wrong signature": (
        _PYFUNC.format(body=_FRAME.strip()),
        {"signature": _OTHER_COLUMNS},
    ),
}


@dataclass(frozen=True)
class Agents:
    """A registry and which version of ``agent`` is of which kind."""

    database: Path
    versions: Mapping[str, str]


def log_agents(folder: Path, database: Path) -> Agents:
    """Log every kind as a version of ``agent`` in `database`."""
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(f"sqlite:///{database}")
    os.environ["AGENT_LOGGING"] = "1"
    try:
        versions = {
            kind: _log(folder, number, source, options)
            for number, (kind, (source, options)) in enumerate(_SOURCES.items())
        }
    finally:
        del os.environ["AGENT_LOGGING"]
        mlflow.set_tracking_uri(before)
    return Agents(database, versions)


def _log(folder: Path, number: int, source: str, options: Mapping[str, Any]) -> str:
    path = folder / f"agent_{number}.py"
    ending = "mlflow.models.set_model(Agent())\n"
    path.write_text(_COMMON + textwrap.dedent(source) + ending, encoding="utf-8")
    experiment = mlflow.get_experiment_by_name("models")
    with mlflow.start_run(experiment_id=experiment.experiment_id):
        logged = mlflow.pyfunc.log_model(
            name="agent",
            python_model=str(path),
            pip_requirements=["mlflow"],
            registered_model_name="agent",
            **options,
        )
    return str(logged.registered_model_version)
