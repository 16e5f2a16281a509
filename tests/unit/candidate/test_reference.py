from __future__ import annotations

import pytest

from pytest_agentgate.candidate.reference import ModelReference, ModelVersion
from pytest_agentgate.errors import InputError


@pytest.mark.parametrize(
    ("text", "name", "version", "alias"),
    [
        pytest.param("agent", "agent", None, None, id="name"),
        pytest.param("main.agents.agent", "main.agents.agent", None, None, id="uc"),
        pytest.param("agent/3", "agent", "3", None, id="version"),
        pytest.param("agent/10", "agent", "10", None, id="version-with-two-digits"),
        pytest.param("agent@champion", "agent", None, "champion", id="alias"),
        pytest.param("agent@my-alias_2", "agent", None, "my-alias_2", id="odd-alias"),
        pytest.param("models:/agent", "agent", None, None, id="uri"),
        pytest.param("models:/agent/3", "agent", "3", None, id="uri-version"),
        pytest.param("models:/agent@prod", "agent", None, "prod", id="uri-alias"),
        pytest.param(" agent/3 ", "agent", "3", None, id="spaces-around"),
        pytest.param("my-agent_1", "my-agent_1", None, None, id="odd-name"),
    ],
)
def test_a_reference_is_a_name_with_a_version_or_an_alias(text, name, version, alias):
    reference = ModelReference.parse(text)

    assert reference == ModelReference(name=name, version=version, alias=alias)


@pytest.mark.parametrize("text", ["agent", "agent/3", "agent@champion"])
def test_a_reference_reads_back_as_written(text):
    assert str(ModelReference.parse(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "  ",
        "models:/",
        "/",
        "@prod",
        "agent@",
        "agent/",
        "agent/3/4",
        "agent@a@b",
        "agent/3@prod",
        "agent@prod/3",
        "my agent",
        "it's",
        "runs:/1/m",
    ],
)
def test_what_names_no_model_is_refused(text):
    with pytest.raises(InputError) as refusal:
        ModelReference.parse(text)

    flat = " ".join(f"--agentgate-model={text}: write".split())
    assert str(refusal.value) == (
        f"{flat} NAME, NAME/VERSION or NAME@ALIAS, where NAME is a registered model, "
        "in Unity Catalog catalog.schema.model"
    )


@pytest.mark.parametrize("version", ["latest", "Production", "0", "03", "-1", "1.5"])
def test_a_version_is_a_number(version):
    with pytest.raises(InputError) as refusal:
        ModelReference.parse(f"agent/{version}")

    assert str(refusal.value) == (
        f"--agentgate-model=agent/{version}: {version!r} is not a version number; "
        f"write agent/3, agent@{version} for an alias, or agent for the newest"
    )


def test_a_version_has_the_uri_that_loads_exactly_it():
    version = ModelVersion(name="main.agents.agent", version="10")

    assert version.uri == "models:/main.agents.agent/10"
    assert str(version) == "main.agents.agent/10"
