from __future__ import annotations

from types import SimpleNamespace

import pytest
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, DataType, Schema, TensorSpec
from mlflow.types.schema import AnyType, Map
from numpy import dtype

from pytest_agentgate.candidate.model import request_shape
from pytest_agentgate.candidate.request import Form, RequestShape


def model_with(task=None, schema=None):
    signature = None if schema is None else ModelSignature(inputs=schema)
    metadata = None if task is None else {"task": task}
    return SimpleNamespace(
        metadata=SimpleNamespace(metadata=metadata, signature=signature)
    )


COLUMNS = Schema(
    [
        ColSpec(DataType.string, "question"),
        ColSpec(DataType.long, "k", required=False),
    ]
)


@pytest.mark.parametrize(
    ("model", "shape"),
    [
        pytest.param(
            model_with("agent/v1/responses", COLUMNS),
            RequestShape(form=Form.RESPONSES),
            id="responses-agent",
        ),
        *(
            pytest.param(model_with(task), RequestShape(form=Form.CHAT), id=task)
            for task in ("agent/v2/chat", "agent/v1/chat", "llm/v1/chat")
        ),
        pytest.param(model_with(), RequestShape(form=Form.OBJECT), id="no-signature"),
        pytest.param(
            model_with("llm/v1/completions", COLUMNS),
            RequestShape(
                form=Form.COLUMNS,
                columns=("question", "k"),
                optional=frozenset({"k"}),
            ),
            id="columns",
        ),
        pytest.param(
            model_with(schema=Schema([ColSpec(DataType.string)])),
            RequestShape(form=Form.TEXTS),
            id="texts",
        ),
        pytest.param(
            model_with(schema=Schema([ColSpec(Map(AnyType()))])),
            RequestShape(form=Form.OBJECTS),
            id="objects",
        ),
        pytest.param(
            model_with(schema=Schema([TensorSpec(dtype("float64"), (-1, 3))])),
            RequestShape(form=Form.OBJECTS),
            id="tensor",
        ),
    ],
)
def test_a_model_is_asked_by_its_task_else_by_its_signature(model, shape):
    assert request_shape(model) == shape
