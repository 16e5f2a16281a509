"""
Warnings that are errors.

They may fail a test or a session, but never stop a promotion half-way.
"""

from __future__ import annotations

import pytest

from tests.pytester.project import GateProject

WARNS = """
import warnings

def test_other():
    warnings.warn("careful", DeprecationWarning)
"""

FINALIZER = """
class Raises:
    def __del__(self):
        raise RuntimeError("in a finalizer")

def pytest_unconfigure():
    raising = Raises()
    raising.cycle = raising
"""


@pytest.mark.parametrize(
    "args",
    [
        pytest.param(["-W", "error"], id="-W error"),
        pytest.param(["-o", "filterwarnings=error"], id="filterwarnings"),
        pytest.param(["-W", "error::DeprecationWarning"], id="-W deprecation"),
    ],
)
def test_errors_for_warnings_do_not_stop_a_good_session(
    gates: GateProject, promoted, args
) -> None:
    promoted(gates.run(*args))


@pytest.mark.parametrize(
    ("args", "outcome"),
    [pytest.param(["-W", "error"], "blocked 1", id="error"), ([], None)],
)
def test_a_warning_that_is_an_error(
    gates: GateProject, promoted, refuses, args, outcome
) -> None:
    gates.write("gates/test_other.py", WARNS)

    session = gates.run(*args)

    if outcome is None:
        promoted(session)
    else:
        refuses(session, outcome, "test_other failed in call")


def test_an_exception_in_a_finalizer_after_the_last_test(
    gates: GateProject, refused
) -> None:
    gates.write("gates/conftest.py", FINALIZER)

    # pytest's hook for such exceptions is one a process: not inside another session.
    session = gates.run_subprocess("-W", "error")

    refused(session)
    assert session.status != 0
    assert "in a finalizer" in session.text


def test_errors_for_warnings_of_the_interpreter_do_not_stop_a_promotion(
    gates: GateProject, promoted
) -> None:
    promoted(gates.run_subprocess(python=["-W", "error"]))
