"""
Assertions that Python leaves out.

`python -O` removes `assert` statements where pytest does not rewrite them. No
verdict rests on one, and a marked test that may rest on one is no gate then.
"""

from __future__ import annotations

from tests.pytester.project import GateProject

CUSTOM = """
import pytest
from helper import refute

pytestmark = pytest.mark.agentgate

def test_plain():
    assert False

def test_helper():
    refute()
"""

PLAIN, HELPER = (f"gates/test_custom.py::test_{name}" for name in ("plain", "helper"))


def test_a_failed_gate_fails_without_assertions(gates: GateProject, refuses) -> None:
    gates.scores(b=[0, 0, 0])

    session = gates.run_subprocess("--assert=plain", python=["-O"])

    refuses(session, "blocked 1", "b/mean = 0", verdicts={"b/mean": "FAILED"})


def test_good_gates_promote_without_assertions(gates: GateProject, promoted) -> None:
    promoted(gates.run_subprocess("--assert=plain", python=["-O"]))


def test_a_marked_test_proves_nothing_without_assertions(
    gates: GateProject, refused
) -> None:
    gates.write("gates/helper.py", "def refute():\n    assert False\n")
    gates.write("gates/test_custom.py", CUSTOM)

    session = gates.run_subprocess("--assert=plain", python=["-O"])

    refused(session)
    assert session.status != 0
    assert "PASSED" not in (session.verdicts[PLAIN], session.verdicts[HELPER])


def test_plain_assertions_work_without_optimisation(
    gates: GateProject, refuses
) -> None:
    gates.write("gates/helper.py", "def refute():\n    assert False\n")
    gates.write("gates/test_custom.py", CUSTOM)

    session = gates.run("--assert=plain")

    verdicts = {PLAIN: "FAILED", HELPER: "FAILED"}
    refuses(session, "blocked 1", "failed in call", verdicts=verdicts)
