"""Loading a model version and reading how it wants to be asked."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from pytest_agentgate.candidate.reference import ModelVersion
from pytest_agentgate.candidate.request import Form, RequestShape
from pytest_agentgate.errors import EvaluationError, foreign_code

if TYPE_CHECKING:
    from mlflow.pyfunc import PyFuncModel
    from mlflow.types import Schema

_RESPONSES_TASK = "agent/v1/responses"
_CHAT_TASKS = ("agent/v2/chat", "agent/v1/chat", "llm/v1/chat")


@dataclass(frozen=True)
class AgentGateModel:
    """
    The candidate, as the ``agentgate_model`` fixture hands it to tests.

    Resolved once; `load` loads exactly this version, once a process.
    """

    registered: ModelVersion

    @property
    def name(self) -> str:
        """The registered model's name."""
        return self.registered.name

    @property
    def version(self) -> str:
        """The version's number, as text."""
        return self.registered.version

    @property
    def uri(self) -> str:
        """``models:/NAME/VERSION``."""
        return self.registered.uri

    def load(self) -> PyFuncModel:
        """
        Load the model with ``mlflow.pyfunc``.

        Raises:
            EvaluationError: It cannot be loaded here.
        """
        return self._loaded

    @cached_property
    def _loaded(self) -> PyFuncModel:
        import mlflow  # slow to import; only a requested session comes here

        with foreign_code(
            EvaluationError,
            f"{self.uri} cannot be loaded",
            "check that this environment has the model's requirements",
        ):
            model: PyFuncModel = mlflow.pyfunc.load_model(self.uri)
        return model


def request_shape(model: PyFuncModel) -> RequestShape:
    """Return how `model` wants to be asked, by its task, else its signature."""
    metadata: dict[str, Any] = model.metadata.metadata or {}
    task = metadata.get("task")
    if task == _RESPONSES_TASK:
        return RequestShape(form=Form.RESPONSES)
    if task in _CHAT_TASKS:
        return RequestShape(form=Form.CHAT)
    signature = model.metadata.signature
    if signature is None or signature.inputs is None:
        return RequestShape(form=Form.OBJECT)
    return _shape_of(signature.inputs)


def _shape_of(schema: Schema) -> RequestShape:
    if schema.has_input_names():
        return RequestShape(
            form=Form.COLUMNS,
            columns=tuple(map(str, schema.input_names())),
            optional=frozenset(map(str, schema.optional_input_names())),
        )
    is_text = str(schema.inputs[0].type) == "DataType.string"
    return RequestShape(form=Form.TEXTS if is_text else Form.OBJECTS)
