"""
Sessions over several processes.

The controller alone decides, on every worker's reports; the evaluation runs once
for all of them, and never a second time when the worker that ran it died.
"""

from __future__ import annotations

import pytest

from tests.pytester.project import SCORERS, GateProject

pytest.importorskip("xdist")

B = "b/mean"
ALL = dict.fromkeys(("a/mean", "b/mean", "c/mean"), "PASSED")


@pytest.mark.parametrize(
    "args",
    [
        pytest.param(["-n2"], id="-n2"),
        pytest.param(["-n2", "--dist=loadscope"], id="loadscope"),
        pytest.param(["-n2", "--dist=worksteal"], id="worksteal"),
        pytest.param(["-n2", "--dist=each"], id="each"),
    ],
)
def test_workers_share_one_evaluation(
    gates: GateProject, promoted, evaluations, args
) -> None:
    session = gates.run(*args)

    promoted(session)
    assert evaluations() == 1


def test_a_gate_that_fails_on_a_worker(
    gates: GateProject, refuses, evaluations
) -> None:
    gates.scores(b=[0, 0, 0])

    session = gates.run("-n2")

    refuses(session, "blocked 1", "b/mean = 0", verdicts={**ALL, B: "FAILED"})
    assert evaluations() == 1


ON_ONE_WORKER = """
import os

import pytest

@pytest.fixture(autouse=True)
def trap(request):
    on_gw1 = os.environ.get("PYTEST_XDIST_WORKER") == "gw1"
    assert not (on_gw1 and "b/mean" in request.node.nodeid), "only on gw1"
"""


def test_every_worker_that_runs_a_gate_must_pass_it(
    gates: GateProject, refuses
) -> None:
    gates.write("gates/conftest.py", ON_ONE_WORKER)

    session = gates.run("-n2", "--dist=each")

    refuses(session, "error 14", B, "only on gw1", verdicts={**ALL, B: "ERROR"})


CRASH = """
import os

import pytest

@pytest.fixture(autouse=True)
def trap(request):
    on_worker = "PYTEST_XDIST_WORKER" in os.environ
    is_b = "b/mean" in request.node.nodeid
    if {before} and on_worker and is_b:
        os._exit(1)
    yield
    if {after} and on_worker and is_b:
        os._exit(1)
"""


@pytest.mark.parametrize("when", ["set-up", "teardown"])
def test_a_worker_that_crashes_in_a_gate(
    gates: GateProject, refused, evaluations, when
) -> None:
    crash = CRASH.format(before=when == "set-up", after=when == "teardown")
    gates.write("gates/conftest.py", crash)

    session = gates.run("-n1")

    refused(session)
    assert session.status != 0
    assert session.verdicts[B] in ("NOT_RUN", "ERROR")
    assert session.record["failures"]
    assert evaluations() == 1


def test_a_worker_that_crashes_in_another_test(gates: GateProject, refused) -> None:
    crash = CRASH.format(before=True, after=False).replace("b/mean", "test_other")
    gates.write("gates/conftest.py", crash)
    gates.write("gates/test_other.py", "def test_other():\n    pass\n")

    session = gates.run("-n1")

    refused(session)
    assert session.status != 0
    assert any("test_other" in sentence for sentence in session.record["failures"])


def test_a_worker_that_crashes_in_the_evaluation_is_not_paid_twice(
    gates: GateProject, refused, evaluations
) -> None:
    crash = SCORERS.replace('outputs["b"]', "os._exit(1)")
    gates.write("gates/scorers.py", f"import os\n{crash}")

    session = gates.run("-n2")

    refused(session)
    assert session.status != 0
    assert set(session.verdicts.values()) <= {"ERROR", "NOT_RUN"}
    assert "the process that ran the evaluation ended" in str(session.record)
    assert evaluations() == 1


WORKER_FINISH = """
import os

import pytest

@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session):
    if hasattr(session.config, "workerinput"):
        os._exit(1)
"""


def test_a_worker_that_dies_after_its_last_test(gates: GateProject, refused) -> None:
    gates.write("gates/conftest.py", WORKER_FINISH)

    session = gates.run("-n1", "--max-worker-restart=0")

    refused(session)
    assert session.status != 0
    assert any("worker gw0 ended" in text for text in session.record["failures"])
