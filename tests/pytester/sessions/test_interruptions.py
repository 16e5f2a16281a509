"""
Sessions that something stopped.

pytest may end them with any status, 0 among them; the record says that the
session did not run to its end, and nothing is promoted.
"""

from __future__ import annotations

import json

import pytest

from tests.pytester.project import GateProject, Session

BODY = """
import os
import signal

import pytest

def test_threshold(agentgate_threshold):
    agentgate_threshold.check()
    if agentgate_threshold.threshold.id == {!r}:
        {}
"""


def run_interrupted(gates: GateProject) -> Session:
    """Run in this process, which a KeyboardInterrupt must not end."""
    arguments = gates.arguments()
    result = gates.pytester.runpytest_inprocess(*arguments, no_reraise_ctrlc=True)
    return Session(
        status=int(result.ret),
        lines=result.outlines,
        errors=result.errlines,
        record=json.loads(gates.record_path.read_text(encoding="utf-8")),
        alias=gates.alias(),
    )


IN_B = {"a/mean": "PASSED", "b/mean": "NOT_RUN", "c/mean": "NOT_RUN"}


@pytest.mark.parametrize(
    ("call", "status"),
    [
        pytest.param('pytest.exit("enough", returncode=0)', 11, id="exit 0"),
        pytest.param('pytest.exit("enough", returncode=1)', 11, id="exit 1"),
        pytest.param('pytest.exit("enough", returncode=7)', 7, id="exit 7"),
        pytest.param('pytest.exit("enough")', 2, id="exit"),
    ],
)
@pytest.mark.parametrize("gate", ["b/mean", "c/mean"])
def test_pytest_exit_in_a_gate(gates: GateProject, refuses, gate, call, status) -> None:
    gates.write("gates/test_thresholds.py", BODY.format(gate, call))

    session = gates.run()

    refuses(session, f"incomplete {status}", "interrupted", "enough")
    assert session.verdicts["a/mean"] == "PASSED"
    assert session.verdicts[gate] == "NOT_RUN"


HOOK = """
import pytest

{}
"""


@pytest.mark.parametrize(
    ("hook", "outcome", "why"),
    [
        pytest.param(
            "def pytest_runtest_logfinish(nodeid):\n"
            '    if "c/mean" in nodeid:\n'
            '        pytest.exit("enough", returncode=0)\n',
            "incomplete 11",
            "interrupted",
            id="exit after the last test",
        ),
        pytest.param(
            "def pytest_collection_finish():\n"
            '    pytest.exit("enough", returncode=0)\n',
            "incomplete 11",
            "interrupted",
            id="exit before the first test",
        ),
        pytest.param(
            "def pytest_runtest_logfinish(nodeid):\n"
            '    if "c/mean" in nodeid:\n'
            "        raise KeyboardInterrupt\n",
            "incomplete 2",
            "interrupted",
            id="KeyboardInterrupt after the last test",
        ),
        pytest.param(
            "def pytest_sessionfinish():\n    pytest.exit('enough', returncode=3)\n",
            "blocked 3",
            "pytest ended with status 3",
            id="exit 3 in sessionfinish",
        ),
        pytest.param(
            "@pytest.hookimpl(wrapper=True, tryfirst=True)\n"
            "def pytest_sessionfinish():\n    pytest.exit('enough', returncode=0)\n"
            "    yield\n",
            "incomplete 11",
            "not finished",
            id="exit 0 before sessionfinish",
        ),
    ],
)
def test_an_interruption_outside_the_tests(
    gates: GateProject, refuses, hook, outcome, why
) -> None:
    gates.write("gates/conftest.py", HOOK.format(hook))

    refuses(run_interrupted(gates), outcome, why)


@pytest.mark.parametrize(
    "stop",
    [
        pytest.param("os.kill(os.getpid(), signal.SIGINT)", id="Ctrl-C"),
        pytest.param("raise KeyboardInterrupt", id="KeyboardInterrupt"),
    ],
)
def test_a_keyboard_interrupt_in_a_gate(gates: GateProject, refuses, stop) -> None:
    gates.write("gates/test_thresholds.py", BODY.format("b/mean", stop))

    session = gates.run_subprocess() if "SIGINT" in stop else run_interrupted(gates)

    why = ("interrupted", "KeyboardInterrupt")
    refuses(session, "incomplete 2", *why, verdicts=IN_B)


@pytest.mark.parametrize(
    ("death", "status"),
    [
        pytest.param("os._exit(0)", 0, id="os._exit(0)"),
        pytest.param("os.kill(os.getpid(), signal.SIGTERM)", -15, id="SIGTERM"),
    ],
)
def test_a_process_that_dies_in_a_gate_leaves_an_incomplete_record(
    gates: GateProject, refuses, death, status
) -> None:
    gates.write("gates/test_thresholds.py", BODY.format("c/mean", death))

    session = gates.run_subprocess()

    refuses(session, f"incomplete {status}", "the session has not finished")


def test_a_process_that_dies_after_the_last_test_leaves_an_incomplete_record(
    gates: GateProject, refused
) -> None:
    source = "import os\n\ndef pytest_unconfigure():\n    os._exit(0)\n"
    gates.write("gates/conftest.py", source)

    session = gates.run_subprocess()

    refused(session)
    assert (session.status, session.outcome) == (0, "incomplete")
    assert session.record["failures"]


@pytest.mark.parametrize(
    ("what", "gate", "outcome"),
    [
        pytest.param("shouldstop", "b/mean", "incomplete 2", id="shouldstop"),
        pytest.param("shouldstop", "c/mean", "incomplete 2", id="shouldstop, last"),
        pytest.param("shouldfail", "b/mean", "incomplete 11", id="shouldfail"),
        pytest.param("shouldfail", "c/mean", "incomplete 11", id="shouldfail, last"),
    ],
)
def test_a_session_that_was_told_to_stop(
    gates: GateProject, refuses, what, gate, outcome
) -> None:
    hook = f"def pytest_runtest_teardown(item):\n    if {gate!r} in item.nodeid:\n"
    gates.write("gates/conftest.py", f"{hook}        item.session.{what} = 'enough'\n")

    session = gates.run()

    refuses(session, outcome, "the session stopped early (enough)")
    assert session.verdicts[gate] == "PASSED"


def test_nothing_that_stops_the_session_promotes(gates: GateProject, promoted) -> None:
    gates.write("gates/test_thresholds.py", BODY.format("none", "pass"))

    promoted(run_interrupted(gates))
