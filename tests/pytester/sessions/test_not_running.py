"""
Sessions that run no test, or stop before the last one.

pytest ends many of them with status 0; the gates they did not run are NOT_RUN.
"""

from __future__ import annotations

import pytest

from tests.pytester.project import GateProject

NONE = dict.fromkeys(("a/mean", "b/mean", "c/mean"), "NOT_RUN")
STOPPED = {"a/mean": "PASSED", "b/mean": "FAILED", "c/mean": "NOT_RUN"}


@pytest.mark.parametrize(
    ("args", "evaluated"),
    [
        pytest.param(["--collect-only"], 0, id="--collect-only"),
        pytest.param(["--collect-only", "-q"], 0, id="--collect-only -q"),
        pytest.param(["--setup-only"], 1, id="--setup-only"),
        pytest.param(["--setup-plan"], 0, id="--setup-plan"),
        pytest.param(["--fixtures"], 0, id="--fixtures"),
        pytest.param(["--fixtures-per-test"], 0, id="--fixtures-per-test"),
    ],
)
def test_a_session_that_runs_no_test_is_incomplete(
    gates: GateProject, refuses, evaluations, args, evaluated
) -> None:
    session = gates.run(*args)

    refuses(session, "incomplete 11", "a/mean", "its test did not run", verdicts=NONE)
    assert evaluations() == evaluated


def test_showing_the_cache_is_incomplete(gates: GateProject, refuses) -> None:
    session = gates.run_cached("--cache-show")

    refuses(session, "incomplete 11", "a/mean", "did not run", verdicts=NONE)


@pytest.mark.parametrize(
    "args",
    [
        pytest.param(["--collect-only"], id="--collect-only"),
        pytest.param(["--fixtures"], id="--fixtures"),
    ],
)
def test_a_session_that_was_not_asked_to_promote_ends_as_pytest_does(
    gates: GateProject, refuses, args
) -> None:
    gates.promote_to = None

    refuses(gates.run(*args), "incomplete 0", "did not run", verdicts=NONE)


@pytest.mark.parametrize("args", [["--help"], ["--markers"], ["--version"]])
def test_what_starts_no_session_leaves_no_record(gates: GateProject, args) -> None:
    session = gates.run(*args)

    assert (session.status, session.alias, session.record) == (0, "1", None)


@pytest.mark.parametrize(
    ("args", "outcome"),
    [
        pytest.param(["-x"], "blocked 1", id="-x"),
        pytest.param(["--maxfail=1"], "blocked 1", id="--maxfail"),
        pytest.param(["-x", "-n1"], "blocked 2", id="-x -n1"),
    ],
)
def test_what_the_first_failure_stopped_is_not_run(
    gates: GateProject, refuses, args, outcome
) -> None:
    gates.scores(b=[0, 0, 0])

    session = gates.run(*args)

    refuses(session, outcome, "b/mean = 0, must be >= 0.5", verdicts=STOPPED)
    refuses(session, outcome, "c/mean", "its test did not run")
    refuses(session, outcome, "the session stopped early")


@pytest.mark.parametrize(
    ("args", "outcome", "last"),
    [
        pytest.param(["--sw"], "blocked 2", "NOT_RUN", id="--sw"),
        pytest.param(["--sw-skip"], "blocked 1", "PASSED", id="--sw-skip"),
    ],
)
def test_what_stepwise_stopped_is_not_run(
    gates: GateProject, refuses, args, outcome, last
) -> None:
    gates.scores(b=[0, 0, 0])

    session = gates.run_cached(*args)

    refuses(session, outcome, "b/mean", "must be", verdicts={**STOPPED, "c/mean": last})


@pytest.mark.parametrize(
    "args",
    [
        pytest.param(["-x"], id="-x"),
        pytest.param(["--maxfail=1"], id="--maxfail"),
        pytest.param(["--setup-show"], id="--setup-show"),
        pytest.param(["-n0"], id="-n0"),
        pytest.param(["-p", "no:html"], id="-p no:html"),
        pytest.param(["-p", "no:terminal"], id="-p no:terminal"),
        pytest.param(["-p", "no:junitxml", "-p", "no:randomly"], id="-p no:junitxml"),
        pytest.param(["-q"], id="-q"),
        pytest.param(["-qq"], id="-qq"),
        pytest.param(["-v"], id="-v"),
        pytest.param(["-vv", "-s", "--tb=no"], id="-vv -s"),
        pytest.param(["-ra", "--durations=3", "--color=yes"], id="-ra --durations"),
        pytest.param(["--import-mode=importlib"], id="--import-mode"),
        pytest.param(["--no-header", "--no-summary"], id="--no-summary"),
        pytest.param(["--junitxml=out.xml", "--html=out.html"], id="--junitxml --html"),
        pytest.param(["--strict-markers", "--strict-config"], id="--strict"),
    ],
)
def test_how_a_session_is_shown_does_not_matter(
    gates: GateProject, promoted, args
) -> None:
    promoted(gates.run(*args))
