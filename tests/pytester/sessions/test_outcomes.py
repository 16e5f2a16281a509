"""
Tests that end green, or not red, without having proven anything.

A gate passes with one passed set-up, call and teardown, nothing else under its
node id, and evidence that meets the bound a second time.
"""

from __future__ import annotations

import pytest

from tests.pytester.project import GateProject

B = "b/mean"
CUSTOM = "gates/test_custom.py::test_custom"

# Threshold tests

BODY = """
import pytest

def test_threshold(agentgate_threshold):
    if agentgate_threshold.threshold.id == "b/mean":
        {}
    agentgate_threshold.check()
"""

MARK = """
import pytest

def pytest_collection_modifyitems(items):
    for item in items:
        if "b/mean" in item.nodeid:
            item.add_marker(pytest.mark.{})
"""

FIXTURE = """
import pytest

@pytest.fixture(autouse=True)
def trap(request):
    is_b = "b/mean" in request.node.nodeid
    {}
    yield
    {}
"""


@pytest.mark.parametrize(
    ("body", "outcome", "verdict", "why"),
    [
        pytest.param(
            'pytest.skip("not today")',
            "incomplete 11",
            "NOT_RUN",
            "skipped in call: Skipped: not today",
            id="skip",
        ),
        pytest.param(
            'agentgate_threshold.check(); pytest.skip("enough")',
            "incomplete 11",
            "NOT_RUN",
            "skipped in call",
            id="skip after check",
        ),
        pytest.param(
            'pytest.importorskip("no_such_module")',
            "incomplete 11",
            "NOT_RUN",
            "skipped in call",
            id="importorskip",
        ),
        pytest.param(
            'pytest.xfail("known")',
            "incomplete 11",
            "NOT_RUN",
            "its test was xfailed",
            id="xfail()",
        ),
        pytest.param(
            "return", "error 14", "ERROR", "without leaving evidence", id="return"
        ),
        pytest.param("return False", "error 14", "ERROR", "b/mean", id="return False"),
        pytest.param(
            "agentgate_threshold.check(); "
            "agentgate_threshold.item.user_properties.clear(); return",
            "error 14",
            "ERROR",
            "b/mean",
            id="evidence removed",
        ),
        pytest.param(
            "raise SystemExit(0)",
            "error 14",
            "ERROR",
            "its test failed in call: SystemExit: 0",
            id="SystemExit",
        ),
        pytest.param(
            "agentgate_threshold.check(); assert False, 'something else'",
            "error 14",
            "ERROR",
            "something else",
            id="failed after check",
        ),
    ],
)
def test_a_threshold_test_that_proves_nothing(
    gates: GateProject, refuses, body, outcome, verdict, why
) -> None:
    gates.write("gates/test_thresholds.py", BODY.format(body))

    session = gates.run()

    refuses(session, outcome, B, why, verdicts={"a/mean": "PASSED", B: verdict})


def test_a_failure_that_the_test_swallowed_is_still_one(
    gates: GateProject, refuses
) -> None:
    gates.scores(b=[0, 0, 0])
    swallow = "pytest.raises(BaseException, agentgate_threshold.check); return"
    gates.write("gates/test_thresholds.py", BODY.format(swallow))

    session = gates.run()

    refuses(session, "blocked 1", "b/mean = 0", verdicts={B: "FAILED"})


@pytest.mark.parametrize(
    ("mark", "score", "outcome", "verdict", "why"),
    [
        pytest.param(
            'skip(reason="later")', 1, "incomplete 11", "NOT_RUN", "later", id="skip"
        ),
        pytest.param(
            'skipif("True", reason="later")',
            1,
            "incomplete 11",
            "NOT_RUN",
            "later",
            id="skipif",
        ),
        pytest.param(
            "xfail", 1, "incomplete 11", "NOT_RUN", "its test was xpassed", id="xpass"
        ),
        pytest.param(
            "xfail(strict=True)",
            1,
            "error 14",
            "ERROR",
            "XPASS(strict)",
            id="strict xpass",
        ),
        pytest.param("xfail", 0, "blocked 1", "FAILED", "b/mean = 0", id="xfail"),
        pytest.param(
            "xfail(strict=True)",
            0,
            "blocked 1",
            "FAILED",
            "b/mean = 0",
            id="strict xfail",
        ),
        pytest.param(
            "xfail(run=False)",
            0,
            "incomplete 11",
            "NOT_RUN",
            "its test was xfailed",
            id="xfail without run",
        ),
        pytest.param(
            "xfail(raises=KeyError)",
            1,
            "incomplete 11",
            "NOT_RUN",
            "its test was xpassed",
            id="xpass raises",
        ),
    ],
)
def test_a_threshold_test_with_a_mark(
    gates: GateProject, refuses, mark, score, outcome, verdict, why
) -> None:
    gates.scores(b=[score] * 3)
    gates.write("gates/conftest.py", MARK.format(mark))

    session = gates.run()

    refuses(session, outcome, B, why, verdicts={"a/mean": "PASSED", B: verdict})


@pytest.mark.parametrize(
    ("before", "after", "why"),
    [
        pytest.param('pytest.skip("no")', "pass", "skipped in setup", id="set-up"),
        pytest.param("pass", 'pytest.skip("no")', "skipped in teardown", id="teardown"),
        pytest.param('pytest.xfail("no")', "pass", "xfailed", id="xfail"),
    ],
)
def test_a_fixture_that_skips(gates: GateProject, refuses, before, after, why) -> None:
    traps = (f"if is_b: {before}", f"if is_b: {after}")
    gates.write("gates/conftest.py", FIXTURE.format(*traps))

    session = gates.run()

    refuses(session, "incomplete 11", B, why, verdicts={"a/mean": "PASSED"})
    assert session.verdicts[B] == "NOT_RUN"


def test_a_score_that_is_not_a_number_is_an_error(gates: GateProject, refuses) -> None:
    scorers = (gates.path / "gates/scorers.py").read_text(encoding="utf-8")
    nan = scorers.replace('outputs["b"]', 'float("nan")')
    gates.write("gates/scorers.py", nan)

    refuses(gates.run(), "error 14", "b/mean", verdicts={B: "ERROR"})


@pytest.mark.parametrize("last", ["assert False", "pytest.skip()", "pass"])
def test_every_test_of_a_threshold_must_pass(
    gates: GateProject, refuses, promoted, last
) -> None:
    again = BODY.replace("test_threshold", "test_again", 1)
    again = again.format(f"agentgate_threshold.check(); {last}")
    gates.write("gates/test_again.py", again)

    session = gates.run()

    if last == "pass":
        promoted(session)
    elif last == "assert False":
        refuses(session, "error 14", B, "failed in call", verdicts={B: "ERROR"})
    else:
        refuses(session, "incomplete 11", B, "skipped", verdicts={B: "NOT_RUN"})


@pytest.mark.parametrize(
    "advisory", ["{ min = 0.5, advisory = true }", "{ min = 0.5 }"], ids=["yes", "no"]
)
def test_only_an_advisory_threshold_may_fail(
    gates: GateProject, refuses, advisory
) -> None:
    gates.scores(b=[0, 0, 0])
    text = (gates.path / "gates/gates.toml").read_text(encoding="utf-8")
    gates.write(
        "gates/gates.toml", text.replace('"b/mean" = 0.5', f"{B!r} = {advisory}")
    )

    session = gates.run()

    assert session.verdicts[B] == "FAILED"
    if "advisory" in advisory:
        assert (session.status, session.outcome, session.alias) == (0, "promoted", "2")
    else:
        refuses(session, "blocked 1", "b/mean = 0")


# Marked tests

MARKED = """
import pytest

@pytest.fixture
def broken():
    raise RuntimeError("fixture is broken")

@pytest.fixture
def skips_late():
    yield
    pytest.skip("too late")

@pytest.mark.agentgate
def test_custom({}):
    {}
"""


@pytest.mark.parametrize(
    ("fixture", "body", "outcome", "verdict", "why"),
    [
        pytest.param("", "assert 1 == 2", "blocked 1", "FAILED", "1 == 2", id="failed"),
        pytest.param(
            "", "raise SystemExit(0)", "blocked 1", "FAILED", "SystemExit", id="exit"
        ),
        pytest.param(
            "", "return False", "blocked 1", "FAILED", "return", id="return False"
        ),
        pytest.param("", "yield", "blocked 1", "FAILED", "custom", id="generator"),
        pytest.param(
            "broken", "pass", "error 14", "ERROR", "fixture is broken", id="set-up"
        ),
        pytest.param(
            "", "pytest.skip('no')", "incomplete 11", "NOT_RUN", "skipped", id="skip"
        ),
        pytest.param(
            "skips_late",
            "pass",
            "incomplete 11",
            "NOT_RUN",
            "skipped in teardown",
            id="skip in teardown",
        ),
        pytest.param(
            "", "pytest.xfail('no')", "incomplete 11", "NOT_RUN", "xfailed", id="xfail"
        ),
        pytest.param(
            "agentgate_evaluation",
            "assert agentgate_evaluation.measure('a/mean').value > 1",
            "blocked 1",
            "FAILED",
            "assert",
            id="measured",
        ),
    ],
)
def test_a_marked_test_that_does_not_pass(
    gates: GateProject, refuses, fixture, body, outcome, verdict, why
) -> None:
    gates.write("gates/test_custom.py", MARKED.format(fixture, body))

    session = gates.run()

    if body == "yield":  # refused at collection by pytest
        refuses(session, session.outcome + f" {session.status}", why)
    else:
        refuses(session, outcome, CUSTOM, why, verdicts={CUSTOM: verdict})


@pytest.mark.parametrize(
    ("mark", "outcome", "verdict"),
    [
        pytest.param("skip", "incomplete 11", "NOT_RUN", id="skip"),
        pytest.param("xfail", "incomplete 11", "NOT_RUN", id="xpass"),
        pytest.param("xfail(run=False)", "incomplete 11", "NOT_RUN", id="no run"),
        pytest.param("xfail(strict=True)", "blocked 1", "FAILED", id="strict xpass"),
    ],
)
def test_a_marked_test_with_another_mark(
    gates: GateProject, refuses, mark, outcome, verdict
) -> None:
    source = MARKED.format("", "pass").replace(
        "@pytest.mark.agentgate", f"@pytest.mark.agentgate\n@pytest.mark.{mark}"
    )
    gates.write("gates/test_custom.py", source)

    refuses(gates.run(), outcome, CUSTOM, verdicts={CUSTOM: verdict})


@pytest.mark.parametrize(
    ("mark", "body", "verdict"),
    [
        pytest.param("", "pass", "PASSED", id="passed"),
        pytest.param("(advisory=True)", "pass", "PASSED", id="advisory passed"),
        pytest.param("(advisory=True)", "assert 0", "FAILED", id="advisory failed"),
        pytest.param(
            "(advisory=True)", "pytest.skip()", "NOT_RUN", id="advisory skipped"
        ),
    ],
)
def test_a_marked_test_that_allows_the_promotion(
    gates: GateProject, promoted, mark, body, verdict
) -> None:
    source = MARKED.format("", body).replace("agentgate\n", f"agentgate{mark}\n")
    gates.write("gates/test_custom.py", source)

    session = gates.run()

    promoted(session)
    assert session.verdicts[CUSTOM] == verdict


ELSEWHERE = {
    "class": "@pytest.mark.agentgate\nclass TestGate:\n"
    "    def test_first(self): pass\n"
    "    def test_second(self): {}\n",
    "module": "pytestmark = pytest.mark.agentgate\n"
    "def test_first(): pass\n"
    "def test_second(): {}\n",
    "parameters": "@pytest.mark.agentgate\n"
    '@pytest.mark.parametrize("case", ["first", "second"])\n'
    "def test_case(case):\n"
    '    if case == "second": {}\n',
}


@pytest.mark.parametrize("where", ELSEWHERE)
@pytest.mark.parametrize(
    ("body", "outcome"),
    [("assert 0", "blocked 1"), ("pytest.skip()", "incomplete 11"), ("pass", None)],
    ids=["failed", "skipped", "passed"],
)
def test_every_test_under_the_mark_is_a_gate(
    gates: GateProject, refuses, promoted, where, body, outcome
) -> None:
    gates.write(
        "gates/test_custom.py", "import pytest\n" + ELSEWHERE[where].format(body)
    )

    session = gates.run()

    if outcome is None:
        promoted(session)
        assert list(session.verdicts.values()) == ["PASSED"] * 5
    else:
        refuses(session, outcome, "second")


# Subtests

SUBTESTS = """
import pytest

@pytest.mark.agentgate
def test_custom(subtests):
    with subtests.test("first"):
        pass
    with subtests.test("second"):
        {}
"""

SUBTEST_IN_THRESHOLD = """
import pytest

def test_threshold(agentgate_threshold, subtests):
    agentgate_threshold.check()
    with subtests.test("extra"):
        if agentgate_threshold.threshold.id == "b/mean":
            {}
"""

SUBTEST_TRAPS = [
    pytest.param("assert 0", "failed", id="failed"),
    pytest.param("pytest.skip('no')", "skipped", id="skipped"),
    pytest.param("pytest.xfail('no')", "xfailed", id="xfailed"),
    pytest.param("pass", None, id="passed"),
]


@pytest.mark.parametrize(
    "args",
    [
        pytest.param([], id="terminal"),
        pytest.param(["-p", "no:terminal"], id="no terminal"),
    ],
)
@pytest.mark.parametrize(("body", "how"), SUBTEST_TRAPS)
def test_a_subtest_of_a_marked_test(
    gates: GateProject, refuses, promoted, body, how, args
) -> None:
    gates.write("gates/test_custom.py", SUBTESTS.format(body))

    session = gates.run(*args)

    if how is None:
        promoted(session)
    elif how == "failed":
        refuses(session, "blocked 1", CUSTOM, verdicts={CUSTOM: "FAILED"})
    else:
        refuses(session, "incomplete 11", CUSTOM, how, verdicts={CUSTOM: "NOT_RUN"})


@pytest.mark.parametrize(("body", "how"), SUBTEST_TRAPS)
def test_a_subtest_of_a_threshold_test(
    gates: GateProject, refuses, promoted, body, how
) -> None:
    source = SUBTEST_IN_THRESHOLD.format(body)
    gates.write("gates/test_thresholds.py", source)

    session = gates.run("-p", "no:terminal")

    if how is None:
        promoted(session)
    elif how == "failed":
        refuses(session, "error 14", B, "its test failed", verdicts={B: "ERROR"})
    else:
        refuses(session, "incomplete 11", B, how, verdicts={B: "NOT_RUN"})


# unittest

UNITTEST = """
import unittest

import pytest

@pytest.mark.agentgate
class TestCustom(unittest.TestCase):
    def test_good(self):
        pass

    {}
    def test_case(self):
        {}
"""

CASE = "gates/test_custom.py::TestCustom::test_case"


@pytest.mark.parametrize(
    ("decorator", "body", "outcome", "verdict"),
    [
        pytest.param("", "self.fail('no')", "blocked 1", "FAILED", id="fail"),
        pytest.param("", "self.skipTest('no')", "incomplete 11", "NOT_RUN", id="skip"),
        pytest.param(
            "@unittest.skip('no')", "", "incomplete 11", "NOT_RUN", id="@skip"
        ),
        pytest.param(
            "@unittest.expectedFailure",
            "self.fail('no')",
            "incomplete 11",
            "NOT_RUN",
            id="expectedFailure",
        ),
        pytest.param(
            "@unittest.expectedFailure", "", "blocked 1", "FAILED", id="unexpected"
        ),
        pytest.param(
            "",
            "with self.subTest('s'): self.fail('no')",
            "blocked 1",
            "FAILED",
            id="subTest fails",
        ),
        pytest.param(
            "",
            "with self.subTest('s'): self.skipTest('no')",
            "incomplete 11",
            "NOT_RUN",
            id="subTest skips",
        ),
        pytest.param("", "with self.subTest('s'): pass", None, "PASSED", id="passed"),
    ],
)
def test_a_unittest_method_under_the_mark(
    gates: GateProject, refuses, promoted, decorator, body, outcome, verdict
) -> None:
    source = UNITTEST.format(decorator, body or "pass")
    gates.write("gates/test_custom.py", source)

    session = gates.run()

    assert session.verdicts[CASE] == verdict
    if outcome is None:
        promoted(session)
    else:
        refuses(session, outcome, CASE)
