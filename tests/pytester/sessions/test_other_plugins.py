"""
Other plugins that change outcomes, reports, items, or the status.

What they do to a report does not change the evidence in it, and what they do to
the status is seen last: after every other plugin, outside `pytest_cmdline_main`.
"""

from __future__ import annotations

import pytest

from tests.pytester.project import GateProject

B = "b/mean"
NONE = dict.fromkeys(("a/mean", "b/mean", "c/mean"), "NOT_RUN")
ALL = dict.fromkeys(NONE, "PASSED")

FIRST = "@pytest.hookimpl(tryfirst=True)\n"
LAST = "@pytest.hookimpl(trylast=True)\n"
WRAPPER = "@pytest.hookimpl(wrapper=True)\n"
OUTER = "@pytest.hookimpl(wrapper=True, tryfirst=True)\n"


@pytest.fixture
def plugin(gates: GateProject):
    """Write the other plugin: a conftest."""

    def write(source: str) -> None:
        gates.write("gates/conftest.py", f"import pytest\n\n{source}")

    return write


# The status

FINISH = "def pytest_sessionfinish(session):\n    session.exitstatus = {}\n"
FINISH_AROUND = (
    "def pytest_sessionfinish(session):\n    yield\n    session.exitstatus = {}\n"
)
MAIN = "def pytest_cmdline_main():\n    status = yield\n    return {}\n"
SUMMARY = (
    "def pytest_terminal_summary(terminalreporter):\n"
    "    terminalreporter._session.exitstatus = {}\n"
)

STATUS_HOOKS = {
    "sessionfinish first": FIRST + FINISH,
    "sessionfinish last": LAST + FINISH,
    "sessionfinish wrapper": WRAPPER + FINISH_AROUND,
    "sessionfinish outer wrapper": OUTER + FINISH_AROUND,
    "terminal_summary": SUMMARY,
    "cmdline_main wrapper": WRAPPER + MAIN,
    "cmdline_main outer wrapper": OUTER + MAIN,
}


@pytest.mark.parametrize("hook", STATUS_HOOKS)
def test_a_plugin_that_ends_a_failed_session_with_0(
    gates: GateProject, plugin, refuses, hook
) -> None:
    plugin(STATUS_HOOKS[hook].format(0))
    gates.scores(b=[0, 0, 0])

    refuses(gates.run(), "blocked 1", "b/mean = 0", verdicts={B: "FAILED"})


@pytest.mark.parametrize("hook", STATUS_HOOKS)
@pytest.mark.parametrize("status", [1, 7])
def test_a_plugin_that_ends_a_good_session_with_another_status(
    gates: GateProject, plugin, refuses, hook, status
) -> None:
    plugin(STATUS_HOOKS[hook].format(status))

    session = gates.run()

    why = f"every gate passed, but pytest ended with status {status}"
    refuses(session, f"blocked {status}", why, verdicts=ALL)


@pytest.mark.parametrize("hook", STATUS_HOOKS)
def test_a_plugin_that_ends_a_good_session_with_0(
    gates: GateProject, plugin, promoted, hook
) -> None:
    plugin(STATUS_HOOKS[hook].format(0))

    promoted(gates.run())


def test_too_many_warnings(gates: GateProject, refuses) -> None:
    warn = 'import warnings\ndef test_other():\n    warnings.warn("careful")\n'
    gates.write("gates/test_other.py", warn)

    session = gates.run("--max-warnings=0")

    refuses(session, "blocked 6", "pytest ended with status 6", verdicts=ALL)


# Items

ITEMS = """
def pytest_collection_modifyitems(items):
    for item in list(items):
        if "b/mean" in item.nodeid:
            {}
"""


@pytest.mark.parametrize(
    ("source", "score", "outcome", "verdict", "why"),
    [
        pytest.param(
            ITEMS.format("items.remove(item)"),
            1,
            "incomplete 11",
            "NOT_RUN",
            "did not run",
            id="drops the item",
        ),
        pytest.param(
            ITEMS.format("item.runtest = lambda: None"),
            0,
            "error 14",
            "ERROR",
            "without leaving evidence",
            id="replaces runtest",
        ),
        pytest.param(
            ITEMS.format("item.obj = lambda agentgate_threshold: None"),
            0,
            "error 14",
            "ERROR",
            "without leaving evidence",
            id="replaces the function",
        ),
        pytest.param(
            ITEMS.format("item.user_properties.clear()"),
            1,
            None,
            "PASSED",
            "",
            id="clears the properties early",
        ),
        pytest.param(
            "def pytest_runtest_protocol(item):\n    return 'b/mean' in item.nodeid\n",
            1,
            "incomplete 11",
            "NOT_RUN",
            "did not run",
            id="replaces the protocol",
        ),
        pytest.param(
            "def pytest_pyfunc_call(pyfuncitem):\n    return True\n",
            0,
            "error 14",
            "ERROR",
            "without leaving evidence",
            id="replaces the call",
        ),
        pytest.param(
            ITEMS.format("items.append(item)"),
            1,
            "error 14",
            "ERROR",
            "ran more than once",
            id="runs the item twice",
        ),
        pytest.param(
            "def pytest_ignore_collect(collection_path):\n"
            "    return 'thresholds' in str(collection_path) or None\n",
            1,
            "incomplete 5",
            "NOT_RUN",
            "did not run",
            id="ignores the file",
        ),
    ],
)
def test_a_plugin_that_changes_an_item(
    gates: GateProject, plugin, refuses, promoted, source, score, outcome, verdict, why
) -> None:
    plugin(source)
    gates.scores(b=[score] * 3)

    session = gates.run()

    if outcome is None:  # the gate is still known, by its node id
        promoted(session)
    else:
        refuses(session, outcome, B, why, verdicts={B: verdict})


# Reports

MAKEREPORT = """
@pytest.hookimpl({})
def pytest_runtest_makereport(item, call):
    report = yield
    if "b/mean" in item.nodeid and call.when == "call":
        {}
    return report
"""

LOGREPORT = """
@pytest.hookimpl(tryfirst=True)
def pytest_runtest_logreport(report):
    if "b/mean" in report.nodeid and report.when == "call":
        {}
"""

REPORT_HOOKS = {
    "makereport": MAKEREPORT.format("wrapper=True", "{}"),
    "makereport, outer": MAKEREPORT.format("wrapper=True, tryfirst=True", "{}"),
    "logreport": LOGREPORT,
}


@pytest.mark.parametrize("hook", REPORT_HOOKS)
@pytest.mark.parametrize(
    ("change", "outcome", "verdict", "why"),
    [
        pytest.param(
            "report.outcome = 'passed'; report.longrepr = None",
            "blocked 1",
            "FAILED",
            "b/mean = 0",
            id="failed to passed",
        ),
        pytest.param(
            "report.outcome = 'passed'; report.longrepr = None; "
            "report.user_properties = []",
            "error 14",
            "ERROR",
            "without leaving evidence",
            id="failed to passed, no properties",
        ),
        pytest.param(
            "report.outcome = 'skipped'; report.longrepr = ('', 0, 'mine')",
            "blocked 1",
            "FAILED",
            "b/mean = 0",
            id="failed to skipped",
        ),
        pytest.param(
            "report.outcome = 'passed'; report.user_properties = "
            "[(k, v.replace('0.0', '1.0')) for k, v in report.user_properties "
            "if k != 'agentgate_evidence']",
            "error 14",
            "ERROR",
            "without leaving evidence",
            id="failed to passed, evidence removed",
        ),
    ],
)
def test_a_plugin_that_rewrites_a_report(
    gates: GateProject, plugin, refuses, hook, change, outcome, verdict, why
) -> None:
    plugin(REPORT_HOOKS[hook].format(change))
    gates.scores(b=[0, 0, 0])
    # What only the call's report carried is not repeated by the teardown's.
    if "[]" in change or "evidence" in change:
        plugin(
            REPORT_HOOKS[hook]
            .replace(' and call.when == "call"', "")
            .replace(' and report.when == "call"', "")
            .format(change)
        )

    session = gates.run()

    refuses(session, outcome, B, why, verdicts={B: verdict})


@pytest.mark.parametrize("hook", REPORT_HOOKS)
def test_a_plugin_that_removes_the_properties_of_a_good_gate(
    gates: GateProject, plugin, refuses, hook
) -> None:
    source = REPORT_HOOKS[hook].replace(' and call.when == "call"', "")
    source = source.replace(' and report.when == "call"', "")
    plugin(source.format("report.user_properties = []"))

    session = gates.run()

    why = "without leaving evidence"
    refuses(session, "error 14", B, why, verdicts={B: "ERROR"})


def test_a_plugin_that_leaves_a_report_out(gates: GateProject, plugin, refuses) -> None:
    plugin(
        "@pytest.hookimpl(tryfirst=True)\n"
        "def pytest_runtest_protocol(item, nextitem):\n"
        "    from _pytest.runner import runtestprotocol\n"
        "    if 'b/mean' not in item.nodeid:\n"
        "        return None\n"
        "    for report in runtestprotocol(item, nextitem=nextitem, log=False):\n"
        "        if report.when != 'teardown':\n"
        "            item.ihook.pytest_runtest_logreport(report=report)\n"
        "    return True\n"
    )

    why = "did not run to its end"
    refuses(gates.run(), "incomplete 11", B, why, verdicts={B: "NOT_RUN"})


MARKED = """
import pytest

@pytest.mark.agentgate
def test_custom():
    {}
"""
CUSTOM = "gates/test_custom.py::test_custom"


PASS = "report.outcome = 'passed'; report.longrepr = None"
STRIP = "report.user_properties = []"


@pytest.mark.parametrize("hook", REPORT_HOOKS)
@pytest.mark.parametrize(
    ("change", "body", "outcome"),
    [
        pytest.param(STRIP, "assert 0", "blocked 1", id="no properties"),
        pytest.param(STRIP, "pytest.skip()", "incomplete 11", id="skip, no properties"),
        pytest.param("pass", "assert 0", "blocked 1", id="nothing"),
        # It failed, and nothing tells how: not a verdict that anyone can rely on.
        pytest.param(PASS, "assert 0", "error 14", id="failed to passed"),
        pytest.param(PASS, "pytest.skip()", "error 14", id="skipped to passed"),
    ],
)
def test_a_plugin_that_rewrites_the_report_of_a_marked_test(
    gates: GateProject, plugin, refuses, hook, change, body, outcome
) -> None:
    source = REPORT_HOOKS[hook]
    if change == STRIP:  # in every phase, not only in the call's report
        source = source.replace(' and call.when == "call"', "")
        source = source.replace(' and report.when == "call"', "")
    plugin(source.replace("b/mean", "test_custom").format(change))
    gates.write("gates/test_custom.py", MARKED.format(body))

    refuses(gates.run(), outcome, CUSTOM)


# The plugin itself


@pytest.mark.parametrize("name", ["outermost", "controller", "collection", "listening"])
def test_blocking_a_part_of_this_plugin_promotes_nothing(
    gates: GateProject, name
) -> None:
    session = gates.run("-p", f"no:agentgate-{name}")

    assert session.alias == "1"
    assert session.outcome not in ("promoted", "already-promoted")


def test_blocking_this_plugin_is_a_usage_error(gates: GateProject) -> None:
    session = gates.run("-p", "no:agentgate")

    assert (session.status, session.alias, session.record) == (4, "1", None)
