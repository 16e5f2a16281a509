"""
Tests that were left out.

The gates are those that the gate file declares, not those that were collected:
whatever left one of them out, the session is incomplete.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.pytester.project import TEST, GateProject

OTHER = "def test_other():\n    pass\n"

SLOW_B = """
import pytest

def pytest_configure(config):
    config.addinivalue_line("markers", "slow: takes long")

def pytest_collection_modifyitems(items):
    for item in items:
        if "b/mean" in item.nodeid:
            item.add_marker(pytest.mark.slow)
"""

NODE = "gates/test_thresholds.py::test_threshold"
NO_B = {"a/mean": "PASSED", "b/mean": "NOT_RUN", "c/mean": "PASSED"}
ONLY_A = {"a/mean": "PASSED", "b/mean": "NOT_RUN", "c/mean": "NOT_RUN"}
ONLY_B = {"a/mean": "NOT_RUN", "b/mean": "PASSED", "c/mean": "NOT_RUN"}
NONE = dict.fromkeys(ONLY_A, "NOT_RUN")
DID_NOT_RUN = "its test did not run"


@pytest.mark.parametrize(
    ("args", "verdicts"),
    [
        pytest.param(["-k", "a/mean"], ONLY_A, id="-k"),
        pytest.param(["-k", "not b/mean"], NO_B, id="-k not"),
        pytest.param(["-m", "not slow"], NO_B, id="-m"),
        pytest.param([f"--deselect={NODE}[b/mean]"], NO_B, id="--deselect"),
        pytest.param([f"{NODE}[a/mean]"], ONLY_A, id="node id"),
        pytest.param([f"{NODE}[a/mean]", f"{NODE}[c/mean]"], NO_B, id="node ids"),
        pytest.param(["--ignore=gates/test_thresholds.py"], NONE, id="--ignore"),
        pytest.param(["--ignore-glob=*thresholds*"], NONE, id="--ignore-glob"),
        pytest.param(["gates/test_other.py"], NONE, id="other file"),
        pytest.param(["-o", "python_files=test_o*.py"], NONE, id="-o python_files"),
        pytest.param(["-o", "addopts=-k a/mean"], ONLY_A, id="-o addopts"),
    ],
)
def test_a_gate_left_out_is_not_run(
    gates: GateProject, refuses: Callable[..., None], args, verdicts
) -> None:
    gates.write("gates/conftest.py", SLOW_B)
    if "test_other" in str(args) or verdicts is NONE:
        gates.write("gates/test_other.py", OTHER)

    session = gates.run(*args)

    refuses(session, "incomplete 11", "b/mean", DID_NOT_RUN, verdicts=verdicts)
    assert session.verdicts == verdicts


@pytest.mark.parametrize("where", ["pytest.ini", "PYTEST_ADDOPTS"])
def test_a_gate_left_out_by_added_options_is_not_run(
    gates: GateProject, refuses, monkeypatch: pytest.MonkeyPatch, where
) -> None:
    if where == "pytest.ini":
        gates.write("pytest.ini", "[pytest]\naddopts = -k a/mean")
    else:
        monkeypatch.setenv("PYTEST_ADDOPTS", "-k a/mean")

    refuses(gates.run(), "incomplete 11", "b/mean", DID_NOT_RUN, verdicts=ONLY_A)


@pytest.mark.parametrize(
    "args",
    [
        pytest.param(["-k", "a/mean or b/mean or c/mean"], id="-k"),
        pytest.param(["-m", "not slow"], id="-m"),
        pytest.param([f"{NODE}[{name}/mean]" for name in "cab"], id="node ids"),
        pytest.param(["gates/test_thresholds.py"], id="file"),
    ],
)
def test_a_selection_that_leaves_no_gate_out_promotes(
    gates: GateProject, promoted, args
) -> None:
    gates.write("gates/test_other.py", OTHER)
    gates.write("pytest.ini", "[pytest]\nmarkers = slow: takes long")

    promoted(gates.run(*args))


def test_last_failed_judges_what_it_leaves_out_as_not_run(
    gates: GateProject, refuses
) -> None:
    gates.scores(b=[0, 0, 0])
    gates.run_cached()
    gates.scores(a=[0, 0, 0])

    refuses(
        gates.run_cached("--lf"),
        "incomplete 11",
        "a/mean",
        DID_NOT_RUN,
        verdicts=ONLY_B,
    )


def test_stepwise_resumes_and_leaves_the_first_gates_out(
    gates: GateProject, refuses
) -> None:
    gates.scores(b=[0, 0, 0])
    gates.run_cached("--sw")
    gates.scores(a=[0, 0, 0])
    verdicts = {"a/mean": "NOT_RUN", "b/mean": "PASSED", "c/mean": "PASSED"}

    refuses(
        gates.run_cached("--sw"),
        "incomplete 11",
        "a/mean",
        DID_NOT_RUN,
        verdicts=verdicts,
    )


@pytest.mark.parametrize("order", ["--ff", "--nf", "--lf"])
def test_another_order_after_a_failure_promotes(
    gates: GateProject, promoted, refuses, order
) -> None:
    if order != "--lf":  # with nothing failed before, --lf runs everything
        gates.scores(b=[0, 0, 0])
    else:
        gates.promote_to = None
    gates.run_cached()
    gates.promote_to = "production"
    gates.scores()

    promoted(gates.run_cached(order))


def test_a_missing_test_file_leaves_every_gate_not_run(
    gates: GateProject, refuses
) -> None:
    (gates.path / "gates/test_thresholds.py").unlink()
    gates.write("gates/test_other.py", OTHER)

    refuses(gates.run(), "incomplete 11", "b/mean", DID_NOT_RUN, verdicts=NONE)


def test_a_skipped_module_leaves_every_gate_not_run(
    gates: GateProject, refuses
) -> None:
    skip = 'import pytest\npytest.importorskip("no_such_module")\n'
    gates.write("gates/test_thresholds.py", skip + TEST)
    gates.write("gates/test_other.py", OTHER)

    refuses(gates.run(), "incomplete 11", "b/mean", DID_NOT_RUN, verdicts=NONE)


@pytest.mark.parametrize(
    "args",
    [
        pytest.param(["-k", "nothing_has_this_name"], id="-k"),
        pytest.param(["--ignore=gates/test_thresholds.py"], id="--ignore"),
    ],
)
def test_nothing_collected_keeps_the_status_of_pytest(
    gates: GateProject, refuses, args
) -> None:
    refuses(gates.run(*args), "incomplete 5", "b/mean", DID_NOT_RUN, verdicts=NONE)


def test_a_missing_gate_file_is_a_usage_error(gates: GateProject, refuses) -> None:
    (gates.path / "gates/gates.toml").unlink()

    refuses(gates.run(), "error 4", "gates.toml")


@pytest.mark.parametrize("option", ["--rootdir=elsewhere", "-c=elsewhere/other.ini"])
def test_another_root_finds_no_gate_file(gates: GateProject, option) -> None:
    gates.write("elsewhere/other.ini", "[pytest]")

    session = gates.run(option)

    assert (session.status, session.alias) == (4, "1")
    assert "gates.toml" in session.text


def test_a_gate_file_without_thresholds_proves_nothing(
    gates: GateProject, refused
) -> None:
    gates.write("gates/gates.toml", 'data = "rows.jsonl"\nscorers = ["scorers"]\n')
    gates.write("gates/test_other.py", OTHER)

    session = gates.run()

    refused(session)
    assert session.status != 0


CUSTOM = """
import pytest

@pytest.mark.agentgate
def test_custom():
    pass
"""

EMPTY = """
import pytest

@pytest.mark.agentgate
@pytest.mark.parametrize("case", [])
def test_custom(case):
    pass
"""

CUSTOM_NODE = "gates/test_custom.py::test_custom"


@pytest.mark.parametrize(
    "args",
    [
        pytest.param(["-k", "not custom"], id="-k"),
        pytest.param(["-k", "not custom", "-n1"], id="-k -n1"),
        pytest.param([f"--deselect={CUSTOM_NODE}"], id="--deselect"),
    ],
)
def test_a_marked_test_that_was_deselected_is_not_run(
    gates: GateProject, refuses, args
) -> None:
    gates.write("gates/test_custom.py", CUSTOM)

    session = gates.run(*args)

    why = f"{CUSTOM_NODE}: it was collected but did not run"
    refuses(session, "incomplete 11", why, verdicts={CUSTOM_NODE: "NOT_RUN"})


@pytest.mark.parametrize("mark", ["skip", "xfail"])
def test_a_marked_test_without_cases_is_not_run(
    gates: GateProject, refuses, mark
) -> None:
    gates.write("gates/test_custom.py", EMPTY)

    session = gates.run("-o", f"empty_parameter_set_mark={mark}")

    refuses(session, "incomplete 11", "test_custom", "its test was")


def test_a_marked_test_without_cases_may_fail_the_collection(
    gates: GateProject, refuses
) -> None:
    gates.write("gates/test_custom.py", EMPTY)

    session = gates.run("-o", "empty_parameter_set_mark=fail_at_collect")

    refuses(session, "blocked 2", "gates/test_custom.py cannot be collected")
