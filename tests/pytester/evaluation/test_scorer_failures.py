"""
What cannot be scored is never proof.

A row without a usable score is an error, is counted and named, and no amount of
it lets a candidate through; only an explicit `max_error_rate` tolerates some.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable

import pytest

from tests.pytester.project import GateProject, Session

ROWS = 4
GATES = """
data = "rows.jsonl"
scorers = ["scorers"]
experiment = "gates"

[thresholds]
"good/mean" = 0.5
{thresholds}
"""

SCORERS = """
import sys

import numpy as np
import pytest
from mlflow.entities import Feedback
from mlflow.genai.scorers import Scorer, scorer

@scorer
def good(outputs):
    return 1.0

"""


def b_scorer(body: str, decorator: str = "@scorer") -> str:
    """A scorer ``b`` that sees a row's number as `i`."""
    head = f'{decorator}\ndef b(outputs):\n    i = outputs["i"]\n'
    return head + textwrap.indent(textwrap.dedent(body).strip(), "    ") + "\n"


@pytest.fixture
def scored(gates: GateProject) -> Callable[..., Session]:
    """Run four rows with the scorer `good` and what a test adds."""

    def score(
        scorers: str,
        thresholds: str = '"b/mean" = 0.5',
        *,
        run: Callable[[], Session] = gates.run,
    ) -> Session:
        gates.write("gates/scorers.py", SCORERS + scorers)
        text = GATES.format(thresholds=thresholds)
        gates.write("gates/gates.toml", text)
        gates.rows(
            *(
                {
                    "inputs": {"question": f"question {i}"},
                    "expectations": {"b": 1.0},
                    "tags": {"domain": "cost" if i < 2 else "other"},
                    "outputs": {"i": i},
                }
                for i in range(ROWS)
            )
        )
        return run()

    return score


@pytest.mark.parametrize(
    ("body", "rows", "reason"),
    [
        pytest.param(
            "if i in (1, 3): raise ValueError('boom')\nreturn 1.0",
            "2 of 4 rows have no usable score (row 1, 3;",
            "boom",
            id="raises on some rows",
        ),
        pytest.param(
            "raise ValueError('boom')",
            "4 of 4 rows have no usable score (row 0, 1, 2, 3;",
            "boom",
            id="raises on all rows",
        ),
        pytest.param(
            "assert i != 2\nreturn 1.0",
            "1 of 4 rows have no usable score (row 2;",
            "the scorer failed",
            id="asserts",
        ),
        pytest.param(
            "return None if i == 2 else 1.0",
            "1 of 4 rows have no usable score (row 2;",
            "returned",
            id="None on some rows",
        ),
        pytest.param("return None", "4 of 4 rows", "returned", id="None on all rows"),
        pytest.param("pass", "4 of 4 rows", "returned", id="returns nothing"),
        pytest.param("return []", "4 of 4 rows", "returned", id="empty list"),
        pytest.param(
            "return float('nan') if i == 3 else 1.0",
            "1 of 4 rows have no usable score (row 3;",
            "the scorer returned nan",
            id="NaN",
        ),
        pytest.param(
            "return float('inf') if i == 0 else 1.0",
            "1 of 4 rows have no usable score (row 0;",
            "the scorer returned inf",
            id="infinite",
        ),
        pytest.param(
            "return float('-inf')",
            "4 of 4 rows",
            "the scorer returned -inf",
            id="minus infinite on all rows",
        ),
        pytest.param("return 'pass'", "4 of 4 rows", "'pass'", id="text pass"),
        pytest.param("return ' yes'", "4 of 4 rows", "' yes'", id="text with a space"),
        pytest.param("return 'true'", "4 of 4 rows", "'true'", id="text true"),
        pytest.param("return '0.9'", "4 of 4 rows", "'0.9'", id="text number"),
        pytest.param(
            "return 'yes' if i else 'unknown'",
            "1 of 4 rows have no usable score (row 0;",
            "'unknown'",
            id="a judge's unknown",
        ),
        pytest.param("return {'score': 1}", "4 of 4 rows", "", id="dict"),
        pytest.param("return np.float32(1)", "4 of 4 rows", "", id="np.float32"),
        pytest.param("return np.bool_(True)", "4 of 4 rows", "", id="np.bool_"),
        pytest.param("return [1, 10]", "4 of 4 rows", "", id="unnamed list"),
        pytest.param(
            "return [Feedback(value=1.0), Feedback(value=10.0)]",
            "4 of 4 rows",
            "2 scores arrived under the name 'b'",
            id="unnamed feedback",
        ),
        pytest.param(
            "return Feedback(error=ValueError('judge is down'))",
            "4 of 4 rows",
            "judge is down",
            id="feedback with an error",
        ),
        pytest.param(
            "return Feedback(value=1.0, error=ValueError('judge is down'))",
            "4 of 4 rows",
            "judge is down",
            id="feedback with a value and an error",
        ),
        pytest.param(
            "return Feedback(name='other', value=1.0)",
            "4 of 4 rows",
            "",
            id="feedback under another name",
        ),
        pytest.param(
            "return [Feedback(name='x', value=1.0), Feedback(name='y', value=1.0)]",
            "4 of 4 rows",
            "",
            id="named feedback without feedback_names",
        ),
    ],
)
def test_an_unusable_score_is_an_error(
    scored: Callable[..., Session], refused, body: str, rows: str, reason: str
) -> None:
    session = scored(b_scorer(body))

    refused(session)
    assert (session.status, session.outcome) == (14, "error")
    assert session.verdicts == {"good/mean": "PASSED", "b/mean": "ERROR"}
    message = session.gate("b/mean")["message"]
    assert "b/mean could not be measured: " + rows in message
    assert reason in message
    assert message.splitlines()[0] in session.text
    assert session.gate("b/mean")["errors"] == int(rows[0])
    assert "run: " in message


@pytest.mark.parametrize(
    ("body", "value", "passes"),
    [
        ("return 'yes' if i else 'no'", 0.75, True),
        ("return 'YES' if i == 0 else 'No'", 0.25, False),
        ("return bool(i)", 0.75, True),
        ("return i", 1.5, True),
        ("return np.float64(0.5)", 0.5, True),
        ("return 0", 0.0, False),
        ("return Feedback(value=True, rationale='x')", 1.0, True),
        ("return [Feedback(value=0.75)]", 0.75, True),
    ],
)
def test_a_usable_score_counts(
    scored: Callable[..., Session], body: str, value: float, passes: bool
) -> None:
    session = scored(b_scorer(body))

    gate = session.gate("b/mean")
    assert gate["value"] == pytest.approx(value)
    assert gate["verdict"] == ("PASSED" if passes else "FAILED")
    assert session.alias == ("2" if passes else "1")


def test_named_feedback_is_measured_name_by_name(
    scored: Callable[..., Session], refused
) -> None:
    """Also `max` and `p50`, which MLflow computes for plain scores alone."""
    body = "return [Feedback(name='x', value=i), Feedback(name='y', value=1.0)]"

    session = scored(
        b_scorer(body),
        '"x/max" = { max = 3 }\n"x/p50" = 2.0\n"y/mean" = 1.0\n'
        '[feedback_names]\nb = ["x", "y"]',
    )

    refused(session)
    assert session.outcome == "blocked"
    assert session.verdicts == {
        "good/mean": "PASSED",
        "x/max": "PASSED",
        "x/p50": "FAILED",
        "y/mean": "PASSED",
    }
    assert session.gate("x/p50")["value"] == 1.5


@pytest.mark.parametrize(
    "body",
    [
        "return 0.25 * i if i != 3 else Feedback(value=0.0)",
        "return Feedback(value=0.25 * i if i != 3 else 0.0, name='b')",
    ],
)
def test_aggregations_are_recomputed_whatever_the_scorer_declares(
    scored: Callable[..., Session], body: str
) -> None:
    decorator = "@scorer(aggregations=['max'])"

    session = scored(
        b_scorer(body, decorator),
        '"b/mean" = 0.18\n"b/min" = 0\n"b/max" = { max = 0.5 }\n"b/p90" = 0.3',
    )

    assert (session.status, session.outcome) == (0, "promoted")
    assert session.gate("b/mean")["value"] == pytest.approx(0.1875)
    assert session.gate("b/max")["value"] == 0.5


def test_a_scorer_named_like_an_expectation_is_measured(
    scored: Callable[..., Session],
) -> None:
    session = scored(b_scorer("return 0.0 if i else 1.0"), '"b/mean" = 0.25')

    assert session.gate("b/mean")["value"] == 0.25


def test_a_scorer_class_is_found_and_measured(scored: Callable[..., Session]) -> None:
    session = scored(
        """
class Length(Scorer):
    name: str = "b"

    def __call__(self, *, outputs):
        return len(str(outputs["i"]))

b = Length()
"""
    )

    assert (session.outcome, session.gate("b/mean")["value"]) == ("promoted", 1.0)


def test_a_scorer_that_outlives_its_timeout_is_an_error(
    scored: Callable[..., Session], refused
) -> None:
    body = "import time\nif i == 1:\n    time.sleep(4)\nreturn 1.0"

    session = scored(b_scorer(body, "@scorer(timeout=1)"))

    refused(session)
    assert session.verdicts["b/mean"] == "ERROR"
    assert "row 1;" in session.gate("b/mean")["message"]


@pytest.mark.parametrize(
    ("scorers", "threshold", "fragments"),
    [
        pytest.param(
            "",
            '"b/mean" = 0.5',
            ["'b/mean'", "no scorer is named 'b'", "good", "add a scorer"],
            id="a metric with no scorer",
        ),
        pytest.param(
            b_scorer("return 1.0") + '\n@scorer(name="b")\ndef c():\n    return 0.0\n',
            '"b/mean" = 0.5',
            ["2 scorers have the name 'b'", "rename"],
            id="two scorers of one name",
        ),
        pytest.param(
            b_scorer("return 1.0") + "\n@scorer\ndef c():\n    return 0.0\n",
            '"b/mean" = 0.5\n[metric_aliases]\n"b/mean" = ["c/mean"]',
            ["'b/mean'", "ambiguous", "b/mean and c/mean", "remove"],
            id="two aliases",
        ),
        pytest.param(
            b_scorer("return 1.0", '@scorer(name="b #1")'),
            '"b #1/mean" = 0.5',
            ["scorer 'b #1'", "cannot log", "letters, digits"],
            id="a name that MLflow cannot log",
        ),
        pytest.param(
            b_scorer("return 1.0", '@scorer(name="größe")'),
            '"größe/mean" = 0.5',
            ["scorer 'größe'", "cannot log"],
            id="a name with an umlaut",
        ),
        pytest.param(
            b_scorer("return 1.0", "@scorer(aggregations=[lambda values: 1.0])"),
            '"b/mean" = 0.5',
            ["scorer 'b'", "'<lambda>'", "cannot log"],
            id="a lambda aggregation",
        ),
        pytest.param(
            b_scorer("return 1.0"),
            '"b/mean" = 0.5\n[feedback_names]\nc = ["x"]',
            ["feedback_names.c", "no scorer has this name", "b, good"],
            id="feedback names of an unknown scorer",
        ),
        pytest.param(
            b_scorer("return 1.0"),
            '"x/mean" = 0.5\n[feedback_names]\nb = ["x"]\ngood = ["x"]',
            ["2 scorers have the name 'x'"],
            id="two scorers with one feedback name",
        ),
    ],
)
def test_what_could_not_be_judged_is_refused_before_any_call(
    scored: Callable[..., Session],
    refused,
    scorers: str,
    threshold: str,
    fragments: list[str],
) -> None:
    session = scored(scorers, threshold)

    refused(session)
    assert (session.status, session.outcome) == (4, "error")
    [error] = [line for line in session.errors if line.startswith("ERROR:")]
    for fragment in fragments:
        assert fragment in error
    assert session.record["evaluation"] is None


def test_two_aliases_that_arrive_unannounced_are_an_error(
    scored: Callable[..., Session], refused
) -> None:
    body = "return [Feedback(name='b', value=1.0), Feedback(name='old', value=0.0)]"

    session = scored(
        b_scorer(body), '"b/mean" = 0.5\n[metric_aliases]\n"b/mean" = ["old/mean"]'
    )

    refused(session)
    assert session.verdicts["b/mean"] == "ERROR"
    assert "ambiguous" in session.gate("b/mean")["message"]


def test_a_metric_may_arrive_under_an_alias(scored: Callable[..., Session]) -> None:
    session = scored(
        b_scorer("return 1.0"),
        '"new/mean" = 0.5\n[metric_aliases]\n"new/mean" = ["b/mean"]',
    )

    assert (session.status, session.outcome) == (0, "promoted")
    assert session.gate("new/mean")["value"] == 1.0


@pytest.mark.parametrize(
    "aggregations",
    ["['no-such-aggregation']", "[]", "[broken]"],
    ids=["unknown", "none", "raises"],
)
def test_a_scorers_own_aggregations_prove_nothing(
    scored: Callable[..., Session], refused, aggregations: str
) -> None:
    """They may fail or be missing: the rows are what is judged."""
    broken = "def broken(values):\n    raise ValueError('broken')\n\n"
    decorator = f"@scorer(aggregations={aggregations})"

    session = scored(broken + b_scorer("return 0.0", decorator))

    refused(session)
    assert session.outcome in ("blocked", "error")


@pytest.mark.parametrize(
    ("statement", "verdicts"),
    [
        ("pytest.skip('not today')", {"ERROR", "NOT_RUN"}),
        ("pytest.xfail('not today')", {"ERROR", "NOT_RUN"}),
        ("sys.exit(0)", {"ERROR", "NOT_RUN"}),
        ("raise GeneratorExit", {"ERROR", "NOT_RUN"}),
    ],
)
def test_a_scorer_that_ends_the_evaluation_proves_nothing(
    scored: Callable[..., Session], refused, statement: str, verdicts: set[str]
) -> None:
    session = scored(b_scorer(f"if i == 2: {statement}\nreturn 1.0"))

    refused(session)
    assert session.status not in (0, 5)
    assert session.outcome in ("error", "incomplete")
    assert set(session.verdicts.values()) <= verdicts
    assert session.lines[-1].startswith("agentgate: ")


def test_an_interrupted_evaluation_proves_nothing(
    gates: GateProject, scored: Callable[..., Session], refused
) -> None:
    body = "if i == 2: raise KeyboardInterrupt\nreturn 1.0"

    session = scored(b_scorer(body), run=gates.run_subprocess)

    refused(session)
    assert (session.status, session.outcome) == (2, "incomplete")
    assert set(session.verdicts.values()) <= {"ERROR", "NOT_RUN"}


@pytest.mark.parametrize(
    ("threshold", "verdict", "value"),
    [
        pytest.param("{ min = 0.5 }", "ERROR", None, id="no error is allowed"),
        pytest.param("{ min = 0.5, max_error_rate = 0.24 }", "ERROR", None, id="less"),
        pytest.param(
            "{ min = 0.5, max_error_rate = 0.25 }", "PASSED", 0.75, id="exactly"
        ),
        pytest.param(
            "{ min = 0.8, max_error_rate = 0.25 }", "FAILED", 0.75, id="counts as 0"
        ),
        pytest.param(
            "{ min = 0.5, max_error_rate = 0.25, worst = -4 }",
            "FAILED",
            -0.25,
            id="worst",
        ),
        pytest.param(
            "{ max = 1, max_error_rate = 0.25, worst = 5 }",
            "FAILED",
            2.0,
            id="worst of a maximum",
        ),
        pytest.param(
            "{ max = 1, max_error_rate = 0.25, worst = 0 }",
            "PASSED",
            1.0,
            id="an error never improves",
        ),
        pytest.param(
            "{ min = 0.5, max_error_rate = 0.25, min_rows = 4 }",
            "INCONCLUSIVE",
            0.75,
            id="an error is no scored row",
        ),
    ],
)
def test_an_error_budget(
    scored: Callable[..., Session], threshold: str, verdict: str, value: float | None
) -> None:
    body = "if i == 1: raise ValueError('boom')\nreturn 1.0"

    session = scored(b_scorer(body), f'"b/mean" = {threshold}')

    gate = session.gate("b/mean")
    assert (gate["verdict"], gate["errors"], gate["rows"]) == (verdict, 1, ROWS)
    assert gate["value"] == (None if value is None else pytest.approx(value))
    assert session.alias == ("2" if verdict == "PASSED" else "1")


def test_an_error_budget_never_covers_every_row(
    scored: Callable[..., Session], refused
) -> None:
    session = scored(
        b_scorer("raise ValueError('boom')"),
        '"b/mean" = { min = 0, max_error_rate = 1.0 }',
    )

    refused(session)
    assert session.verdicts["b/mean"] == "ERROR"


@pytest.mark.parametrize(
    "outside",
    ["return None", "raise ValueError('boom')", "return float('nan')"],
    ids=["None", "raises", "NaN"],
)
def test_only_the_rows_of_a_slice_count(
    scored: Callable[..., Session], outside: str
) -> None:
    """A scorer has no answer outside its domain, and needs none."""
    session = scored(
        b_scorer(f"if i >= 2: {outside}\nreturn 1.0"),
        'cost = { metric = "b/mean", where = { domain = "cost" }, min = 1 }',
    )

    assert (session.status, session.outcome) == (0, "promoted")
    gate = session.gate("cost")
    assert (gate["rows"], gate["errors"], gate["value"]) == (2, 0, 1.0)


def test_an_empty_slice_is_an_error(scored: Callable[..., Session], refused) -> None:
    session = scored(
        b_scorer("return 1.0"),
        'safety = { metric = "b/mean", where = { domain = "safety" }, min = 0 }',
    )

    refused(session)
    assert session.verdicts["safety"] == "ERROR"
    assert "no row has the tags domain=safety" in session.gate("safety")["message"]
