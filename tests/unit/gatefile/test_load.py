from __future__ import annotations

import tomllib

import pytest

from pytest_agentgate.errors import InputError
from pytest_agentgate.gatefile.load import (
    load_gate_file,
    parse_gate_file,
    parse_thresholds,
    thresholds_of,
)
from pytest_agentgate.judgement.thresholds import Metric, Threshold

AGGREGATIONS = "mean, median, min, max, variance, p50, p90, p95, p99"
LATER = "not supported by this version of pytest-agentgate"


def in_threshold(text):
    return f'[thresholds]\n"safety/mean" = {text}'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param(
            'promote = "production"',
            "unknown key promote; did you mean 'promote_to'?",
            id="misspelt-key",
        ),
        pytest.param(
            "zzz = 1",
            "unknown key zzz; known keys are promote_to, champion, data, scorers, "
            "experiment, trials, first_version, model_env, max_calls, metric_aliases, "
            "feedback_names, thresholds",
            id="unknown-key",
        ),
        pytest.param(
            in_threshold("{ min = 1, minrows = 2 }"),
            "unknown key thresholds.\"safety/mean\".minrows; did you mean 'min_rows'?",
            id="misspelt-key-of-a-threshold",
        ),
        pytest.param(
            in_threshold("{ min = 1, zzz = 2 }"),
            'unknown key thresholds."safety/mean".zzz; known keys are metric, min, '
            "max, where, min_rows, max_error_rate, worst, advisory, reason",
            id="unknown-key-of-a-threshold",
        ),
        pytest.param(
            in_threshold("{ mn = 1 }"),
            "unknown key thresholds.\"safety/mean\".mn; did you mean 'min'?",
            id="the-only-bound-misspelt",
        ),
        pytest.param(
            in_threshold('"0.7"'),
            "thresholds.\"safety/mean\" = '0.7': must be a number",
            id="text-for-a-number",
        ),
        pytest.param(
            in_threshold("true"),
            'thresholds."safety/mean" = True: must be a number',
            id="boolean-for-a-number",
        ),
        pytest.param(
            in_threshold("[0.7]"),
            'thresholds."safety/mean": must be a number',
            id="list-for-a-number",
        ),
        pytest.param(
            in_threshold('{ min = "0.7" }'),
            "thresholds.\"safety/mean\".min = '0.7': must be a number",
            id="text-for-a-min",
        ),
        pytest.param(
            in_threshold("{ max = true }"),
            'thresholds."safety/mean".max = True: must be a number',
            id="boolean-for-a-max",
        ),
        pytest.param(
            in_threshold('{ min = 0, worst = "0" }'),
            "thresholds.\"safety/mean\".worst = '0': must be a number",
            id="text-for-a-worst",
        ),
        pytest.param(
            in_threshold("nan"),
            'thresholds."safety/mean".min = nan: Input should be a finite number',
            id="nan",
        ),
        pytest.param(
            in_threshold("{ max = inf }"),
            'thresholds."safety/mean".max = inf: Input should be a finite number',
            id="infinity",
        ),
        pytest.param(
            in_threshold("{ min = 0, max_error_rate = 1.5 }"),
            'thresholds."safety/mean".max_error_rate = 1.5: '
            "Input should be less than or equal to 1",
            id="error-rate-above-one",
        ),
        pytest.param(
            in_threshold("{ min = 0, max_error_rate = -0.1 }"),
            'thresholds."safety/mean".max_error_rate = -0.1: '
            "Input should be greater than or equal to 0",
            id="error-rate-below-zero",
        ),
        pytest.param(
            in_threshold("{ min = 0, min_rows = 0 }"),
            'thresholds."safety/mean".min_rows = 0: '
            "Input should be greater than or equal to 1",
            id="no-rows",
        ),
        pytest.param(
            in_threshold("{ min = 0, min_rows = true }"),
            'thresholds."safety/mean".min_rows = True: Input should be a valid integer',
            id="boolean-for-a-count",
        ),
        pytest.param(
            in_threshold('{ min = 0, advisory = "no" }'),
            "thresholds.\"safety/mean\".advisory = 'no': "
            "Input should be a valid boolean",
            id="text-for-advisory",
        ),
        pytest.param(
            in_threshold('{ min = 0, where = "cost" }'),
            "thresholds.\"safety/mean\".where = 'cost': must be a table of tags, "
            'such as { domain = "cost" }',
            id="text-for-where",
        ),
        pytest.param(
            in_threshold("{ min = 0.9, max = 0.1 }"),
            'thresholds."safety/mean": min 0.9 is greater than max 0.1',
            id="min-above-max",
        ),
        pytest.param(
            in_threshold('{ reason = "no bound" }'),
            'thresholds."safety/mean": needs a bound: min or max',
            id="no-bound",
        ),
        pytest.param(
            "[thresholds]\nsafety = 0.7",
            "thresholds.\"safety\": 'safety' is not a metric; write "
            f"SCORER/AGGREGATION with an aggregation of {AGGREGATIONS}",
            id="id-without-a-metric",
        ),
        pytest.param(
            '[thresholds]\n"safety/average" = 0.7',
            "thresholds.\"safety/average\": 'safety/average' is not a metric; write "
            f"SCORER/AGGREGATION with an aggregation of {AGGREGATIONS}",
            id="unknown-aggregation",
        ),
        pytest.param(
            '[thresholds]\ntone = { metric = "tone", min = 0 }',
            "thresholds.tone.metric = 'tone': 'tone' is not a metric; write "
            f"SCORER/AGGREGATION with an aggregation of {AGGREGATIONS}",
            id="bad-metric",
        ),
        pytest.param(
            '[metric_aliases]\n"safety/mean" = ["is_safe"]',
            "metric_aliases.\"safety/mean\".0 = 'is_safe': 'is_safe' is not a metric; "
            f"write SCORER/AGGREGATION with an aggregation of {AGGREGATIONS}",
            id="bad-alias-metric",
        ),
        pytest.param(
            '[thresholds]\n"safety/variance" = { max = 1, max_error_rate = 0.5 }',
            'thresholds."safety/variance": max_error_rate cannot be used with '
            "variance, where no single value is the worst; leave it out",
            id="error-rate-of-a-variance",
        ),
        pytest.param(
            in_threshold("{ min = 0, max = 1, max_error_rate = 0.5 }"),
            'thresholds."safety/mean": max_error_rate cannot be used with both min '
            "and max, where no single value is the worst; split it into two thresholds",
            id="error-rate-of-two-bounds",
        ),
        pytest.param(
            in_threshold("{ min = 0, confidence = 0.95 }"),
            f'thresholds."safety/mean".confidence: confidence bounds are {LATER}; '
            "remove the key to gate the value",
            id="confidence",
        ),
        pytest.param(
            in_threshold("{ max_drop = 0.02 }"),
            'thresholds."safety/mean".max_drop: comparing with a champion is '
            f"{LATER}; use min or max",
            id="max-drop",
        ),
        pytest.param(
            in_threshold("{ max_drop_relative = 0.02 }"),
            'thresholds."safety/mean".max_drop_relative: comparing with a champion is '
            f"{LATER}; use min or max",
            id="max-drop-relative",
        ),
        pytest.param(
            "trials = 3",
            f"trials = 3: more than one trial is {LATER}; set it to 1 or remove it",
            id="trials",
        ),
        pytest.param(
            '[endpoint]\nname = "agent"',
            f"endpoint: serving is {LATER}; remove the table to promote the alias only",
            id="endpoint",
        ),
        pytest.param(
            "[preflight]",
            f"preflight: preflight checks are {LATER}; remove the table",
            id="preflight",
        ),
        pytest.param(
            'model_env = "isolated"',
            f'model_env = \'isolated\': only "current" works: "isolated" is {LATER}',
            id="isolated-environment",
        ),
        pytest.param(
            'first_version = "block"',
            f'first_version = \'block\': only "absolute" works: "block" is {LATER}',
            id="first-version-block",
        ),
        pytest.param(
            'promote_to = "latest"',
            "promote_to = 'latest': 'latest' is reserved by MLflow; "
            "choose another alias",
            id="reserved-alias",
        ),
        pytest.param(
            'champion = "v7"',
            "champion = 'v7': 'v7' is reserved by MLflow; choose another alias",
            id="alias-like-a-version",
        ),
        pytest.param(
            'promote_to = "to production"',
            "promote_to = 'to production': an alias has only letters, digits, "
            "'_' and '-'",
            id="alias-with-a-space",
        ),
        pytest.param(
            'scorers = "scorers"',
            "scorers = 'scorers': Input should be a valid list",
            id="text-for-a-list",
        ),
        pytest.param(
            "max_calls = 0",
            "max_calls = 0: Input should be greater than or equal to 1",
            id="no-calls",
        ),
        pytest.param(
            "thresholds = 3",
            "thresholds = 3: Input should be a valid dictionary",
            id="number-for-a-table",
        ),
    ],
)
def test_a_mistake_is_refused_with_the_key_the_value_and_what_to_do(text, message):
    with pytest.raises(InputError) as refusal:
        parse_gate_file(tomllib.loads(text), source="gates.toml")

    assert str(refusal.value) == f"gates.toml: {message}"


def test_a_gate_file_that_does_not_exist(tmp_path):
    path = tmp_path / "gates.toml"

    with pytest.raises(InputError) as refusal:
        load_gate_file(path)

    assert str(refusal.value) == (
        f"gate file {path} does not exist; write one, or name another with "
        "--agentgate-gates=FILE"
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(
            b"[thresholds\n",
            "is not valid TOML: Expected ']' at the end of a table declaration "
            "(at line 1, column 12)",
            id="syntax",
        ),
        pytest.param(
            b"a = 1\na = 2\n",
            "is not valid TOML: Cannot overwrite a value (at line 2, column 6)",
            id="key-twice",
        ),
        pytest.param(
            b'data = "\xff"',
            "cannot be read: 'utf-8' codec can't decode byte 0xff in position 8: "
            "invalid start byte",
            id="not-utf-8",
        ),
    ],
)
def test_a_gate_file_that_cannot_be_read(tmp_path, content, message):
    path = tmp_path / "gates.toml"
    path.write_bytes(content)

    with pytest.raises(InputError) as refusal:
        load_gate_file(path)

    assert str(refusal.value) == f"gate file {path} {message}"


def test_a_folder_is_no_gate_file(tmp_path):
    with pytest.raises(InputError, match=r"cannot be read: .*directory"):
        load_gate_file(tmp_path)


FULL = """
promote_to = "production"
champion = "live"
data = "questions.jsonl"
scorers = ["scorers", "judges:tone"]
experiment = "/Shared/gates"
trials = 1
first_version = "absolute"
model_env = "current"
max_calls = 5000

[metric_aliases]
"relevance/mean" = ["relevance_to_query/mean", "on_topic/p50"]

[feedback_names]
many = ["one", "two"]

[thresholds]
"safety/mean" = 0.7
"zero/mean" = 0
"latency_seconds/p95" = { max = 8 }
"relevance/mean" = { min = 0.4, max = 1 }
cost = { metric = "relevance/mean", where = { domain = "cost", hard = true, n = 3 }, \
min = 0.6, min_rows = 10, max_error_rate = 0.1, worst = -1, advisory = true, \
reason = "Bills." }
"""


def test_a_whole_gate_file_is_read(tmp_path):
    path = tmp_path / "gates.toml"
    path.write_text(FULL, encoding="utf-8")

    gates = load_gate_file(path)

    assert (gates.promote_to, gates.champion) == ("production", "live")
    assert (gates.data, gates.experiment) == ("questions.jsonl", "/Shared/gates")
    assert gates.scorers == ["scorers", "judges:tone"]
    assert gates.max_calls == 5000
    assert gates.feedback_names == {"many": ["one", "two"]}
    relevance = Metric.parse("relevance/mean")
    aliases = (Metric.parse("relevance_to_query/mean"), Metric.parse("on_topic/p50"))
    assert thresholds_of(gates) == (
        Threshold(id="safety/mean", metric=Metric.parse("safety/mean"), min=0.7),
        Threshold(id="zero/mean", metric=Metric.parse("zero/mean"), min=0.0),
        Threshold(
            id="latency_seconds/p95", metric=Metric.parse("latency_seconds/p95"), max=8
        ),
        Threshold(
            id="relevance/mean", metric=relevance, min=0.4, max=1, aliases=aliases
        ),
        Threshold(
            id="cost",
            metric=relevance,
            where={"domain": "cost", "hard": "true", "n": "3"},
            min=0.6,
            min_rows=10,
            max_error_rate=0.1,
            worst=-1.0,
            advisory=True,
            reason="Bills.",
            aliases=aliases,
        ),
    )


def test_an_empty_gate_file_declares_nothing():
    gates = parse_gate_file({}, source="gates.toml")

    assert thresholds_of(gates) == ()
    assert (gates.promote_to, gates.max_calls) == (None, None)


def test_a_hooks_thresholds_are_written_as_in_the_gate_file():
    added = parse_thresholds(
        {"relevance/mean": 0.5},
        {"relevance/mean": ["on_topic/mean"]},
        source="pytest_agentgate_thresholds",
    )

    assert added == (
        Threshold(
            id="relevance/mean",
            metric=Metric.parse("relevance/mean"),
            min=0.5,
            aliases=(Metric.parse("on_topic/mean"),),
        ),
    )


def test_a_hooks_mistake_names_the_hook():
    with pytest.raises(InputError) as refusal:
        parse_thresholds({"tone": 1}, {}, source="pytest_agentgate_thresholds")

    assert str(refusal.value).startswith(
        "pytest_agentgate_thresholds: thresholds.\"tone\": 'tone' is not a metric;"
    )
