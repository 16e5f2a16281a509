from __future__ import annotations

import pytest

from pytest_agentgate.errors import (
    AgentGateError,
    EvaluationError,
    InputError,
    RegistryError,
    foreign_code,
    one_line,
    redacted,
)


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        pytest.param(
            "Authorization: Bearer abc.def-123_456",
            "Authorization: Bearer ***",
            id="bearer",
        ),
        pytest.param(
            "authorization: bearer abcdefgh",
            "authorization: bearer ***",
            id="bearer-in-lower-case",
        ),
        pytest.param("Basic dXNlcjpwYXNz", "Basic ***", id="basic"),
        pytest.param(
            "used dapi0123456789abcdef0123456789abcdef", "used ***", id="dapi"
        ),
        pytest.param("used dapi0123456789abcdef0123-2", "used ***", id="dapi-suffix"),
        pytest.param(
            "Incorrect API key provided: sk-proj-0123456789abcdef",
            "Incorrect API key provided: ***",
            id="openai",
        ),
        pytest.param(
            "GET https://me:hunter2@host/api", "GET https://***@host/api", id="url"
        ),
        pytest.param(
            "postgresql://me:p%40ss@host:5432/db",
            "postgresql://***@host:5432/db",
            id="database-url",
        ),
        pytest.param("?api_key=0123456789&x=1", "?api_key=***&x=1", id="query"),
        pytest.param('{"api_key": "0123456789"}', '{"api_key": ***"}', id="json"),
        pytest.param("apikey: 0123456789", "apikey: ***", id="apikey"),
        pytest.param("token='0123456789'", "token=***'", id="token"),
        pytest.param("Password = hunter2!", "Password = ***", id="password"),
        pytest.param("client secret: 0123456789", "client secret: ***", id="secret"),
        pytest.param(
            "DATABRICKS_TOKEN=0123456789", "DATABRICKS_TOKEN=***", id="variable"
        ),
        pytest.param(
            "MLFLOW_TRACKING_PASSWORD=hunter22",
            "MLFLOW_TRACKING_PASSWORD=***",
            id="password-variable",
        ),
        pytest.param(
            "AZURE_OPENAI_API_KEY=0123456789",
            "AZURE_OPENAI_API_KEY=***",
            id="key-variable",
        ),
        pytest.param(
            '{"access_token": "0123456789"}', '{"access_token": ***"}', id="json-token"
        ),
    ],
)
def test_secrets_are_masked(text, safe):
    assert redacted(text) == safe


@pytest.mark.parametrize(
    "text",
    [
        "safety/mean = 0.412, must be >= 0.7 (10 rows, 0 errors)",
        "output_tokens: 123456 of 200000",
        "https://host:5000/api/2.0",
        "the bearer of news",
        "task-description",
        "sqlite:////tmp/mlflow.db",
        "a secret nobody knows",
    ],
)
def test_plain_text_is_left_alone(text):
    assert redacted(text) == text


@pytest.mark.parametrize(
    ("text", "line"),
    [
        pytest.param("a\n  b\t c\r\n", "a b c", id="white-space"),
        pytest.param(ValueError("a\nb"), "a b", id="exception"),
        pytest.param(None, "None", id="none"),
        pytest.param("x" * 600, "x" * 600, id="just-fits"),
        pytest.param("x" * 601, "x" * 599 + "…", id="cut"),
        pytest.param("token=abc\ndef", "token=abc def", id="short-token-is-no-secret"),
    ],
)
def test_anything_becomes_one_line(text, line):
    assert one_line(text) == line


def test_a_line_may_have_a_length_of_its_own():
    assert one_line("abcdef", limit=4) == "abc…"


def test_a_secret_is_masked_before_the_line_is_cut():
    assert one_line("x" * 30 + " Bearer " + "s" * 50, limit=50).endswith("Bearer ***")


def test_an_error_is_one_safe_line():
    error = InputError("no access\n(Bearer 0123456789)")

    assert str(error) == "no access (Bearer ***)"
    assert isinstance(error, AgentGateError)


def test_what_foreign_code_raises_becomes_ours_with_cause_and_remedy():
    with (
        pytest.raises(EvaluationError) as failure,
        foreign_code(EvaluationError, "the hook failed", "mend the hook"),
    ):
        raise KeyError("inputs")

    assert str(failure.value) == "the hook failed: KeyError: 'inputs'; mend the hook"
    assert isinstance(failure.value.__cause__, KeyError)


def test_our_own_errors_pass_through_foreign_code():
    with (
        pytest.raises(RegistryError, match=r"\Ano connection\Z"),
        foreign_code(InputError, "the hook failed", "mend the hook"),
    ):
        raise RegistryError("no connection")


def test_an_interrupt_passes_through_foreign_code():
    with (
        pytest.raises(KeyboardInterrupt),
        foreign_code(InputError, "the hook failed", "mend the hook"),
    ):
        raise KeyboardInterrupt
