"""
Hooks add to what a gate file says, and none of them can promote a candidate.

What a hook raises is one line: a usage error before the evaluation, a veto
before a promotion, a warning after it.
"""

from __future__ import annotations

import json

import pytest
from mlflow import MlflowClient

from tests.pytester.project import GateProject

ROW = '{"inputs": {"question": "q"}, "outputs": {"a": 1, "b": 0, "c": 1}}'


# Scorers


def test_scorers_are_added(gates: GateProject, refused) -> None:
    gates.write(
        "conftest.py",
        """
        from mlflow.genai.scorers import scorer

        def pytest_agentgate_scorers(candidate):
            assert (candidate.name, candidate.version) == ("agent", "2")

            @scorer
            def d():
                return 0.25

            return [d]

        def pytest_agentgate_thresholds(gate_file):
            return {"d/mean": 0.5}
        """,
    )

    session = gates.run()

    refused(session)
    assert session.outcome == "blocked"
    assert session.gate("d/mean")["value"] == 0.25
    assert session.record["evaluation"]["scorers"] == ["a", "b", "c", "d"]


@pytest.mark.parametrize("answer", ["None", "[]", "()"])
def test_no_scorers_are_added(gates: GateProject, answer: str) -> None:
    source = f"def pytest_agentgate_scorers(candidate): return {answer}"
    gates.write("conftest.py", source)

    assert gates.run().outcome == "promoted"


# Data


@pytest.mark.parametrize(
    "answer", [f"[{ROW}]", f"pd.DataFrame([{ROW}])", f"iter([{ROW}])"]
)
def test_data_replaces_the_files(gates: GateProject, refused, answer: str) -> None:
    gates.write(
        "conftest.py",
        f"""
        import pandas as pd

        def pytest_agentgate_data(candidate):
            return {answer}
        """,
    )

    session = gates.run()

    refused(session)
    assert session.verdicts["b/mean"] == "FAILED"
    assert session.record["evaluation"]["data_source"] == "pytest_agentgate_data"
    assert session.gate("b/mean")["rows"] == 1


def test_data_is_left_to_the_gate_file(gates: GateProject) -> None:
    gates.write("conftest.py", "def pytest_agentgate_data(candidate): return None")

    session = gates.run()

    assert session.outcome == "promoted"
    assert session.record["evaluation"]["data_source"] == "rows.jsonl"


# Predict function


def test_predict_fn_asks_the_model(gates: GateProject) -> None:
    gates.rows(*({"inputs": {"question": f"question {i}", "k": i}} for i in range(3)))
    gates.write(
        "conftest.py",
        """
        from pytest_agentgate import response_text

        def pytest_agentgate_predict_fn(model):
            assert model.uri == "models:/agent/2"
            agent = model.load()

            def predict(question, k):
                asked = {"input": [{"role": "user", "content": question}]}
                right = response_text(agent.predict(asked)) == f"echo question {k}"
                return {"a": right, "b": right, "c": k}

            return predict
        """,
    )

    session = gates.run()

    assert session.outcome == "promoted"
    assert [session.gate(f"{name}/mean")["value"] for name in "abc"] == [1, 1, 1]


def test_predict_fn_that_fails_on_a_row(gates: GateProject, refused) -> None:
    gates.rows(*({"inputs": {"question": f"question {i}"}} for i in range(3)))
    gates.write(
        "conftest.py",
        """
        def pytest_agentgate_predict_fn(model):
            def predict(question):
                if question == "question 1":
                    raise TimeoutError("the endpoint is asleep")
                return {"a": 1, "b": 1, "c": 1}
            return predict
        """,
    )

    session = gates.run()

    refused(session)
    assert set(session.verdicts.values()) == {"ERROR"}
    message = session.gate("b/mean")["message"]
    assert "(row 1; first: the model call failed: TimeoutError: the endp" in message


# Thresholds


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        ("{'b/max': 0.5}", "promoted"),
        ("{'b/max': 1.5}", "blocked"),
        ("{'strict': {'metric': 'b/mean', 'min': 2, 'advisory': True}}", "promoted"),
        ("{'strict': {'metric': 'b/mean', 'max': 0}}", "blocked"),
        ("{}", "promoted"),
        ("None", "promoted"),
    ],
)
def test_thresholds_are_added(gates: GateProject, answer: str, outcome: str) -> None:
    gates.write(
        "conftest.py",
        f"""
        def pytest_agentgate_thresholds(gate_file):
            assert gate_file.name == "gates.toml"
            return {answer}
        """,
    )

    session = gates.run()

    assert session.outcome == outcome
    assert session.alias == ("2" if outcome == "promoted" else "1")


def test_thresholds_that_are_not_run_hold_back(gates: GateProject, refused) -> None:
    source = "def pytest_agentgate_thresholds(gate_file): return {'b/max': 0.5}"
    gates.write("conftest.py", source)

    session = gates.run("--deselect", "gates/test_thresholds.py::test_threshold[b/max]")

    refused(session)
    assert (session.status, session.outcome) == (11, "incomplete")
    assert session.verdicts["b/max"] == "NOT_RUN"


def test_thresholds_can_be_overridden(gates: GateProject) -> None:
    source = "def pytest_agentgate_thresholds(gate_file): return {'b/max': 0.5}"
    gates.write("conftest.py", source)

    session = gates.run("--agentgate-threshold=b/max>=2")

    assert session.verdicts["b/max"] == "FAILED"


def test_thresholds_of_two_plugins_with_one_id(gates: GateProject, refused) -> None:
    source = "def pytest_agentgate_thresholds(gate_file): return {'b/max': 0.5}"
    gates.write("conftest.py", source)
    gates.write("gates/conftest.py", source)

    session = gates.run()

    refused(session)
    assert session.status == 4
    assert "'b/max' is declared twice" in "".join(session.errors)


# Hooks that go wrong before the evaluation


@pytest.mark.parametrize(
    ("hook", "answer", "fragments"),
    [
        ("scorers(candidate)", "1 / 0", ["ZeroDivisionError", "mend the hook"]),
        ("scorers(candidate)", "[lambda: 1]", ["scorers", "function"]),
        ("scorers(candidate)", "7", ["scorers"]),
        ("data(candidate)", "1 / 0", ["ZeroDivisionError", "mend the hook"]),
        ("data(candidate)", "[]", ["has no rows"]),
        ("data(candidate)", "'rows.jsonl'", ["returned str", "DataFrame or a list"]),
        ("data(candidate)", "7", ["returned int", "DataFrame or a list"]),
        ("data(candidate)", "[1]", ["row 0 is not an object"]),
        ("data(candidate)", "[{'question': None}]", ["row 0"]),
        ("thresholds(gate_file)", "1 / 0", ["ZeroDivisionError", "mend the hook"]),
        ("thresholds(gate_file)", "{'a/mean': 0.1}", ["'a/mean' is declared twice"]),
        ("thresholds(gate_file)", "{'a/x': 0.1}", ["a/x", "SCORER/AGGREGATION"]),
        ("thresholds(gate_file)", "{'a/max': {}}", ["a/max", "needs a bound"]),
        ("thresholds(gate_file)", "{'z/max': 1}", ["'z/max'", "no scorer is named"]),
        ("thresholds(gate_file)", "7", ["thresholds"]),
        ("thresholds(gate_file)", "['a/max']", ["thresholds"]),
    ],
)
def test_a_hook_that_goes_wrong_is_a_usage_error(
    gates: GateProject, refused, hook: str, answer: str, fragments: list[str]
) -> None:
    gates.write("conftest.py", f"def pytest_agentgate_{hook}:\n    return {answer}\n")

    session = gates.run()

    refused(session)
    assert (session.status, session.outcome) == (4, "error")
    errors = [line for line in session.errors if line.strip()]
    assert len(errors) == 1
    assert errors[0].startswith("ERROR: ")
    for fragment in fragments:
        assert fragment in errors[0]
    assert "INTERNALERROR" not in session.text
    assert MlflowClient(gates.uri).get_experiment_by_name("gates") is None


@pytest.mark.parametrize("answer", ["1 / 0", "7", "lambda: 1"])
def test_a_predict_fn_that_goes_wrong_is_an_error(
    gates: GateProject, refused, answer: str
) -> None:
    gates.rows({"inputs": {"question": "q"}})
    source = f"def pytest_agentgate_predict_fn(model):\n    return {answer}\n"
    gates.write("conftest.py", source)

    session = gates.run()

    refused(session)
    assert (session.status, session.outcome) == (14, "error")
    assert set(session.verdicts.values()) == {"ERROR"}


def test_an_unknown_hook_is_refused_by_pytest(gates: GateProject, refused) -> None:
    gates.write("conftest.py", "def pytest_agentgate_aprove(candidate, alias): ...")

    session = gates.run()

    assert session.status not in (0, 1)
    assert session.alias == "1"
    assert "pytest_agentgate_aprove" in session.text


# Approval


@pytest.mark.parametrize(
    ("body", "outcome", "status", "reason"),
    [
        ("return None", "promoted", 0, ""),
        ("return True", "promoted", 0, ""),
        ("return False", "blocked", 1, "returned False, which is a veto"),
        ("return 1 / 0", "blocked", 1, "ZeroDivisionError"),
        ("raise RuntimeError('freeze')", "blocked", 1, "freeze"),
    ],
)
def test_approve(
    gates: GateProject, body: str, outcome: str, status: int, reason: str
) -> None:
    gates.write(
        "conftest.py",
        f"""
        def pytest_agentgate_approve(candidate, alias):
            assert (str(candidate), alias) == ("agent/2", "production")
            {body}
        """,
    )

    session = gates.run()

    assert (session.status, session.outcome) == (status, outcome)
    assert session.alias == ("2" if outcome == "promoted" else "1")
    assert reason in session.lines[-1]


@pytest.mark.parametrize(
    "body",
    [
        "raise SystemExit(0)",
        "import pytest; pytest.skip('no')",
        "import pytest; pytest.fail('no')",
        "import pytest; pytest.exit('no', 0)",
    ],
)
def test_approve_that_ends_the_process_is_a_veto(
    gates: GateProject, refused, body: str
) -> None:
    source = f"def pytest_agentgate_approve(candidate, alias):\n    {body}\n"
    gates.write("conftest.py", source)

    session = gates.run_subprocess()

    refused(session)
    assert (session.status, session.outcome) == (1, "blocked")
    assert session.lines[-1].startswith("agentgate: blocked: agent/2")
    assert "Traceback" not in session.text


def test_approve_that_is_interrupted_is_a_veto(gates: GateProject, refused) -> None:
    """As when a person presses Ctrl-C while the hook waits for a word."""
    body = "import signal; signal.raise_signal(signal.SIGINT)"
    source = f"def pytest_agentgate_approve(candidate, alias):\n    {body}\n"
    gates.write("conftest.py", source)

    session = gates.run_subprocess()

    refused(session)
    assert session.status > 0
    assert session.outcome in ("blocked", "incomplete", "stopped")


def test_one_veto_of_several_blocks(gates: GateProject, refused) -> None:
    source = "def pytest_agentgate_approve(candidate, alias): return {}"
    gates.write("conftest.py", source.format(True))
    gates.write("gates/conftest.py", source.format(False))

    session = gates.run()

    refused(session)
    assert session.outcome == "blocked"


@pytest.mark.parametrize(
    ("scores", "options"),
    [([0, 0, 0], []), ([1, 1, 1], ["--agentgate-plan"])],
    ids=["blocked", "planned"],
)
def test_approve_is_not_asked_where_nothing_would_change(
    gates: GateProject, scores: list[int], options: list[str]
) -> None:
    gates.scores(b=scores)
    gates.write(
        "conftest.py",
        """
        from pathlib import Path

        def pytest_agentgate_approve(candidate, alias):
            Path("asked").touch()
        """,
    )

    gates.run(*options)

    assert not (gates.path / "asked").exists()


# The observer


@pytest.mark.parametrize("scores", [[1, 1, 1], [0, 0, 0]], ids=["promoted", "blocked"])
def test_finished_is_told_the_record(gates: GateProject, scores: list[int]) -> None:
    gates.scores(b=scores)
    gates.write(
        "conftest.py",
        """
        import json
        from pathlib import Path

        def pytest_agentgate_finished(record):
            Path("told.json").write_text(json.dumps(record))
        """,
    )

    session = gates.run()

    told = json.loads((gates.path / "told.json").read_text())
    assert told == session.record
    assert told["outcome"] == ("promoted" if scores[0] else "blocked")


@pytest.mark.parametrize(
    "body",
    [
        "raise RuntimeError('chat is down')",
        "record.clear(); raise RuntimeError('chat is down')",
        "import pytest; pytest.fail('chat is down')",
        "raise SystemExit('chat is down')",
    ],
)
def test_finished_that_raises_is_a_warning(gates: GateProject, body: str) -> None:
    source = f"def pytest_agentgate_finished(record):\n    {body}\n"
    gates.write("conftest.py", source)

    session = gates.run() if "RuntimeError" in body else gates.run_subprocess()

    assert (session.status, session.outcome, session.alias) == (0, "promoted", "2")
    [warning] = [s for s in session.lines if s.startswith("agentgate: warn")]
    assert "pytest_agentgate_finished" in warning
    assert "chat is down" in warning
    assert session.lines[-1] == (
        "agentgate: promoted agent/2 to @production (was version 1)."
    )
