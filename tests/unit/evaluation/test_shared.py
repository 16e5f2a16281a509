from __future__ import annotations

import subprocess
import sys
import threading
import time

import pytest

from pytest_agentgate.errors import EvaluationError
from pytest_agentgate.evaluation.shared import SharedEvaluation
from pytest_agentgate.judgement.evidence import Evidence

EVIDENCE = Evidence(run_id="r1", data_source="x")


def never():
    raise AssertionError("this must not be evaluated")


def test_the_first_to_ask_evaluates_and_everyone_else_reads(tmp_path):
    calls = []
    first = SharedEvaluation(tmp_path, lambda: calls.append(1) or EVIDENCE)

    assert (first.get(), first.get()) == (EVIDENCE, EVIDENCE)
    assert SharedEvaluation(tmp_path, never).get() == EVIDENCE
    assert calls == [1]


def test_peeking_never_evaluates(tmp_path):
    shared = SharedEvaluation(tmp_path, lambda: EVIDENCE)

    assert shared.peek() is None
    shared.get()
    assert SharedEvaluation(tmp_path, never).peek() == EVIDENCE


def test_two_threads_get_one_evaluation(tmp_path):
    calls, found = [], []

    def evaluate():
        calls.append(1)
        time.sleep(0.1)
        return EVIDENCE

    def ask():
        found.append(SharedEvaluation(tmp_path, evaluate).get())

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert (calls, found) == ([1], [EVIDENCE] * 4)


PROCESS = """
import sys, time
from pathlib import Path
from pytest_agentgate.evaluation.shared import SharedEvaluation
from pytest_agentgate.judgement.evidence import Evidence

def evaluate():
    with Path(sys.argv[1], "calls").open("a") as calls:
        calls.write("x")
    time.sleep(0.2)
    return Evidence(run_id="r1", data_source="x")

evidence = SharedEvaluation(Path(sys.argv[1]), evaluate).get()
sys.exit(0 if evidence.run_id == "r1" and evidence.problem is None else 1)
"""


def test_two_processes_get_one_evaluation(tmp_path):
    command = [sys.executable, "-c", PROCESS, str(tmp_path)]
    processes = [subprocess.Popen(command) for _ in range(3)]

    assert [process.wait(timeout=30) for process in processes] == [0, 0, 0]
    assert (tmp_path / "calls").read_text() == "x"


DYING = """
import os, sys
from pathlib import Path
from pytest_agentgate.evaluation.shared import SharedEvaluation

SharedEvaluation(Path(sys.argv[1]), lambda: os._exit(7)).get()
"""


def test_a_process_that_died_leaves_a_problem_and_no_second_evaluation(tmp_path):
    died = subprocess.run([sys.executable, "-c", DYING, str(tmp_path)], timeout=30)
    assert died.returncode == 7

    expected = Evidence(
        problem="the process that ran the evaluation ended before it was done"
    )
    assert SharedEvaluation(tmp_path, never).get() == expected
    assert SharedEvaluation(tmp_path, never).get() == expected


def test_a_failed_evaluation_is_a_problem_for_everyone(tmp_path):
    def fails():
        raise EvaluationError("the model cannot be loaded")

    expected = Evidence(problem="the model cannot be loaded")
    assert SharedEvaluation(tmp_path, fails).get() == expected
    assert SharedEvaluation(tmp_path, never).get() == expected


@pytest.mark.parametrize("error", [KeyboardInterrupt, ZeroDivisionError])
def test_an_interrupted_evaluation_is_not_repeated(tmp_path, error):
    def interrupted():
        raise error

    with pytest.raises(error):
        SharedEvaluation(tmp_path, interrupted).get()

    assert SharedEvaluation(tmp_path, never).get().problem is not None
