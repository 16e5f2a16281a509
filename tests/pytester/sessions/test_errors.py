"""
Errors beside the gates: collection, fixtures, other tests, other plugins.

Whatever failed or errored in a session blocks it, and nothing that fails after
the last test can follow a promotion.
"""

from __future__ import annotations

import pytest

from tests.pytester.project import TEST, GateProject

BROKEN = "import no_such_module\n"
NONE = dict.fromkeys(("a/mean", "b/mean", "c/mean"), "NOT_RUN")
ALL = dict.fromkeys(NONE, "PASSED")
GO_ON = "--continue-on-collection-errors"


@pytest.mark.parametrize(
    ("broken", "args", "outcome", "verdicts"),
    [
        pytest.param("gates/test_thresholds.py", [], "blocked 2", NONE, id="gates"),
        pytest.param(
            "gates/test_thresholds.py", [GO_ON], "blocked 1", NONE, id="gates, go on"
        ),
        pytest.param(
            "gates/test_thresholds.py", ["-n1"], "blocked 1", NONE, id="gates, -n1"
        ),
        pytest.param("gates/test_other.py", [], "blocked 2", NONE, id="other"),
        pytest.param(
            "gates/test_other.py", [GO_ON], "blocked 1", ALL, id="other, go on"
        ),
        pytest.param("gates/test_other.py", ["-n1"], "blocked 1", ALL, id="other, -n1"),
        pytest.param("gates/sub/conftest.py", [], "blocked 2", NONE, id="sub-conftest"),
        pytest.param(
            "gates/sub/conftest.py", [GO_ON], "blocked 1", ALL, id="sub-conftest, go on"
        ),
    ],
)
def test_an_import_error(
    gates: GateProject, refuses, broken, args, outcome, verdicts
) -> None:
    gates.write("gates/test_other.py", "def test_other():\n    pass\n")
    gates.write("gates/sub/test_sub.py", "def test_sub():\n    pass\n")
    gates.write(broken, BROKEN)

    session = gates.run(*args)

    where = "gates/sub" if "sub" in broken else broken
    refuses(session, outcome, where, "cannot be collected", verdicts=verdicts)


@pytest.mark.parametrize("where", ["conftest.py", "gates/conftest.py"])
@pytest.mark.parametrize("args", [[], [GO_ON]], ids=["", "go on"])
def test_an_import_error_of_the_root_conftest_starts_no_session(
    gates: GateProject, where, args
) -> None:
    gates.write(where, BROKEN)

    session = gates.run(*args)

    assert (session.status, session.alias, session.record) == (4, "1", None)


FIXTURE = """
import pytest

@pytest.fixture(autouse=True, scope={scope!r})
def trap(request):
    is_b = "b/mean" in request.node.nodeid
    {before}
    yield
    {after}
"""


@pytest.mark.parametrize(
    ("scope", "before", "after", "broken", "why"),
    [
        pytest.param(
            "function", "assert not is_b", "", "b/mean", "failed in setup", id="set-up"
        ),
        pytest.param(
            "function",
            "",
            "assert not is_b",
            "b/mean",
            "failed in teardown",
            id="teardown",
        ),
        pytest.param(
            "session", "assert 0", "", "a/mean", "failed in setup", id="session set-up"
        ),
        pytest.param(
            "session",
            "",
            "assert 0",
            "c/mean",
            "failed in teardown",
            id="session teardown",
        ),
    ],
)
def test_a_fixture_error_in_a_gate(
    gates: GateProject, refuses, scope, before, after, broken, why
) -> None:
    fixture = FIXTURE.format(
        scope=scope, before=before or "pass", after=after or "pass"
    )
    gates.write("gates/conftest.py", fixture)

    refuses(gates.run(), "error 14", broken, why, verdicts={broken: "ERROR"})


def test_a_session_teardown_error_on_another_test(gates: GateProject, refuses) -> None:
    fixture = FIXTURE.format(scope="session", before="pass", after="assert 0")
    gates.write("gates/conftest.py", fixture)
    gates.write("gates/test_zz_last.py", "def test_last():\n    pass\n")

    session = gates.run()

    why = "gates/test_zz_last.py::test_last failed in teardown"
    refuses(session, "blocked 1", why, verdicts=ALL)


@pytest.mark.parametrize(
    ("body", "outcome"),
    [
        pytest.param("assert 0", "blocked 1", id="failed"),
        pytest.param("raise SystemExit(0)", "blocked 1", id="exited"),
        pytest.param("pytest.skip('no')", None, id="skipped"),
        pytest.param("pytest.xfail('no')", None, id="xfailed"),
        pytest.param("pass", None, id="passed"),
    ],
)
def test_a_test_that_is_no_gate(
    gates: GateProject, refuses, promoted, body, outcome
) -> None:
    gates.write(
        "gates/test_other.py", f"import pytest\ndef test_other():\n    {body}\n"
    )

    session = gates.run()

    if outcome is None:
        promoted(session)
    else:
        refuses(session, outcome, "test_other failed in call", verdicts=ALL)


SUBTEST = """
def test_other(subtests):
    with subtests.test("x"):
        assert 0
"""

UNITTEST = """
import unittest

class TestOther(unittest.TestCase):
    def test_other(self):
        with self.subTest("x"):
            self.fail("no")
"""


@pytest.mark.parametrize("subtest", [SUBTEST, UNITTEST], ids=["subtests", "unittest"])
def test_a_failed_subtest_of_a_test_that_is_no_gate(
    gates: GateProject, refuses, subtest
) -> None:
    gates.write("gates/test_other.py", subtest)

    refuses(gates.run(), "blocked 1", "test_other", "failed", verdicts=ALL)


LATE = """
import pytest

{}
def {}:
    raise {}
"""
FIRST = "@pytest.hookimpl(tryfirst=True)"
LAST = "@pytest.hookimpl(trylast=True)"


@pytest.mark.parametrize(
    ("order", "hook"),
    [
        pytest.param(FIRST, "pytest_sessionfinish()", id="sessionfinish first"),
        pytest.param(LAST, "pytest_sessionfinish()", id="sessionfinish last"),
        pytest.param("", "pytest_terminal_summary()", id="terminal_summary"),
        pytest.param("", "pytest_unconfigure()", id="unconfigure"),
    ],
)
def test_a_plugin_that_raises_after_the_last_test(
    gates: GateProject, refused, order, hook
) -> None:
    gates.write("gates/conftest.py", LATE.format(order, hook, 'RuntimeError("late")'))

    session = gates.run()

    refused(session)
    assert session.status != 0
    assert session.outcome == "incomplete"
    assert session.record["failures"]


def test_a_cleanup_that_raises(gates: GateProject, refused) -> None:
    gates.write(
        "gates/conftest.py",
        "def late():\n    raise RuntimeError('late')\n\n"
        "def pytest_configure(config):\n    config.add_cleanup(late)\n",
    )

    session = gates.run()

    refused(session)
    assert session.status != 0
    assert session.outcome == "incomplete"


@pytest.mark.parametrize(
    "hook",
    [
        "pytest_runtest_logstart()",
        "pytest_runtest_logreport(report)",
        "pytest_collection_finish()",
        "pytest_runtestloop()",
    ],
)
def test_an_internal_error_keeps_its_status(gates: GateProject, refuses, hook) -> None:
    gates.write("gates/conftest.py", LATE.format("", hook, 'RuntimeError("mine")'))

    session = gates.run()

    refuses(session, "incomplete 3", "internal error", "RuntimeError: mine")


def test_the_same_plugin_without_the_error_promotes(
    gates: GateProject, promoted
) -> None:
    quiet = "def pytest_{}():\n    pass\n\n"
    hooks = ("sessionfinish", "terminal_summary", "unconfigure")
    gates.write("gates/conftest.py", "".join(map(quiet.format, hooks)))
    gates.write("gates/test_thresholds.py", TEST)

    promoted(gates.run())


def test_an_earlier_record_does_not_outlive_a_root_conftest_that_breaks(
    gates: GateProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)
    assert gates.run().outcome == "promoted"
    gates.write("conftest.py", "import nothing_of_that_name\n")

    session = gates.run_subprocess()

    assert session.status == 4
    assert session.record is None
