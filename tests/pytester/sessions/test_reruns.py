"""
Tests that ran more than once.

A model is not deterministic: what failed and then passed has proven nothing, so
a retried gate is an error however its last attempt ended.
"""

from __future__ import annotations

import pytest

from tests.pytester.project import GateProject

pytest.importorskip("pytest_rerunfailures")

B = "b/mean"
CUSTOM = "gates/test_custom.py::test_custom"

FLAKY = """
import os
from pathlib import Path

import pytest

def is_first(name):
    path = Path(__file__).with_name("ran")
    if name not in "b/mean test_custom test_other" or path.exists():
        return False
    path.touch()
    return True
"""

IN_CALL = f"""{FLAKY}
def test_threshold(agentgate_threshold):
    agentgate_threshold.check()
    if is_first(agentgate_threshold.threshold.id):
        {{}}
"""

IN_FIXTURE = f"""{FLAKY}
@pytest.fixture(autouse=True)
def trap(request):
    is_b = request.node.name == "test_threshold[b/mean]"
    if {{}} and is_b and is_first("b/mean"):
        assert False, "flaked"
    yield
    if {{}} and is_b and is_first("b/mean"):
        assert False, "flaked"
"""


@pytest.mark.parametrize(
    ("where", "args"),
    [
        pytest.param("call", ["--reruns=1"], id="--reruns"),
        pytest.param("call", ["--reruns=2", "--only-rerun=flaked"], id="--only-rerun"),
        pytest.param("set-up", ["--reruns=1"], id="set-up"),
        pytest.param("teardown", ["--reruns=1"], id="teardown"),
        pytest.param("call", ["--reruns=1", "-p", "no:terminal"], id="no terminal"),
    ],
)
def test_a_flaky_gate_is_an_error(gates: GateProject, refuses, where, args) -> None:
    if where == "call":
        source = IN_CALL.format('assert False, "flaked"')
        gates.write("gates/test_thresholds.py", source)
    else:
        early, late = where == "set-up", where == "teardown"
        gates.write("gates/conftest.py", IN_FIXTURE.format(early, late))

    session = gates.run(*args)

    refuses(session, "error 14", B, verdicts={"a/mean": "PASSED", B: "ERROR"})


def test_a_flaky_gate_may_have_a_status_of_its_own(gates: GateProject, refuses) -> None:
    gates.write("gates/test_thresholds.py", IN_CALL.format("assert 0"))

    session = gates.run("--reruns=1", "--fail-on-flaky")

    refuses(session, "error 7", B, verdicts={B: "ERROR"})


def test_a_gate_that_its_mark_reruns_is_an_error(gates: GateProject, refuses) -> None:
    source = IN_CALL.format("assert 0").replace(
        "def test_threshold", "@pytest.mark.flaky(reruns=1)\ndef test_threshold"
    )
    gates.write("gates/test_thresholds.py", source)

    why = "ran more than once"
    refuses(gates.run(), "error 14", B, why, verdicts={B: "ERROR"})


def test_a_failure_that_stays_after_reruns_is_one(gates: GateProject, refuses) -> None:
    gates.scores(b=[0, 0, 0])

    session = gates.run("--reruns=1")

    refuses(session, "blocked 1", "b/mean = 0", verdicts={B: "FAILED"})


def test_a_flaky_marked_test_is_no_pass(gates: GateProject, refuses) -> None:
    gates.write(
        "gates/test_custom.py",
        f"{FLAKY}\n@pytest.mark.agentgate\ndef test_custom():\n"
        "    assert not is_first('test_custom')\n",
    )

    session = gates.run("--reruns=1")

    why = "ran more than once"
    refuses(session, "error 14", CUSTOM, why, verdicts={CUSTOM: "ERROR"})


@pytest.mark.parametrize("flaky", [False, True], ids=["", "flaky"])
def test_reruns_that_no_gate_needs_promote(gates: GateProject, promoted, flaky) -> None:
    gates.write(
        "gates/test_other.py",
        f"{FLAKY}\n"
        f"def test_other():\n    assert not ({flaky} and is_first('test_other'))\n",
    )

    promoted(gates.run("--reruns=2"))


def test_a_crash_and_then_a_pass_is_no_pass(
    gates: GateProject, refuses, evaluations
) -> None:
    gates.write("gates/test_thresholds.py", IN_CALL.format("os._exit(1)"))

    session = gates.run("--reruns=1", "-n1")

    refuses(session, f"{session.outcome} {session.status}", B)
    assert session.verdicts[B] in ("ERROR", "NOT_RUN")
    assert session.status != 0
    assert evaluations() == 1


TWICE = """
import pytest

def pytest_generate_tests(metafunc):
    metafunc.fixturenames.append("again")
    metafunc.parametrize("again", [1, 2])
"""


@pytest.mark.parametrize("score", [1, 0])
def test_repeats_with_node_ids_of_their_own_must_all_pass(
    gates: GateProject, promoted, refuses, score
) -> None:
    gates.write("gates/conftest.py", TWICE)
    gates.scores(b=[score] * 3)

    session = gates.run()

    if score:
        promoted(session)
    else:
        refuses(session, "blocked 1", "b/mean = 0", verdicts={B: "FAILED"})


def test_the_same_file_twice(gates: GateProject, refuses) -> None:
    file = "gates/test_thresholds.py"

    session = gates.run("--keep-duplicates", file, file)

    refuses(session, "error 14", "ran more than once", verdicts={B: "ERROR"})
