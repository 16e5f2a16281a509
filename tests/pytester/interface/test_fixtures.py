"""
Fixtures give tests the candidate, the rows and the one evaluation.

A test that is marked as a gate holds a promotion back like a threshold does,
unless it is advisory.
"""

from __future__ import annotations

import pytest
from mlflow import MlflowClient

from tests.pytester.project import GateProject


def test_the_candidate(gates: GateProject) -> None:
    gates.write(
        "gates/test_candidate.py",
        """
        def test_candidate(agentgate_model):
            assert agentgate_model.name == "agent"
            assert agentgate_model.version == "2"
            assert agentgate_model.uri == "models:/agent/2"
            agent = agentgate_model.load()
            assert agent is agentgate_model.load()
            asked = {"input": [{"role": "user", "content": "hello"}]}
            answer = agent.predict(asked)
            assert answer["output"][0]["content"][0]["text"] == "echo hello"
        """,
    )

    assert gates.run().outcome == "promoted"


def test_the_rows(gates: GateProject) -> None:
    gates.write(
        "gates/test_rows.py",
        """
        def test_rows(agentgate_data):
            assert list(agentgate_data.columns) == [
                "inputs", "expectations", "tags", "outputs"
            ]
            assert list(agentgate_data["inputs"]) == [
                {"question": f"question {i}"} for i in range(3)
            ]
            assert agentgate_data["outputs"][2] == {"a": 1, "b": 0, "c": 1}
        """,
    )
    gates.scores(b=[1, 1, 0])

    assert gates.run().outcome == "promoted"


def test_the_evaluation(gates: GateProject) -> None:
    gates.rows(
        *(
            {
                "inputs": {"question": f"question {i}"},
                "tags": {"domain": "cost" if i else "other", "hard": i == 1},
                "outputs": {"a": i, "b": 1, "c": None if i == 2 else 1},
            }
            for i in range(3)
        )
    )
    gates.write(
        "gates/test_evaluation.py",
        """
        import json
        import mlflow
        import pytest

        def test_measures(agentgate_evaluation):
            found = agentgate_evaluation.measure("a/mean")
            assert (found.value, found.rows, found.errors) == (1.0, 3, 0)
            cost = agentgate_evaluation.measure("a/min", where={"domain": "cost"})
            assert (cost.value, cost.rows) == (1.0, 2)
            hard = agentgate_evaluation.measure("a/max", where={"hard": True})
            assert (hard.value, hard.rows) == (1.0, 1)
            other = agentgate_evaluation.measure("c/mean", where={"domain": "other"})
            assert other.value == 1.0

        def test_rows_and_metrics(agentgate_evaluation):
            assert agentgate_evaluation.metrics["a/mean"] == 1.0
            assert [row.index for row in agentgate_evaluation.rows] == [0, 1, 2]
            row = agentgate_evaluation.rows[2]
            assert row.scores["a"].value == 2.0
            assert row.question == "question 2"
            assert row.tags["domain"] == "cost"
            assert mlflow.get_trace(row.trace_id) is not None
            run = mlflow.get_run(agentgate_evaluation.run_id)
            assert run.data.tags["agentgate.version"] == "2"

        @pytest.mark.parametrize("metric, where", [
            ("c/mean", None), ("a/mean", {"domain": "none"}), ("z/mean", None),
        ])
        def test_what_cannot_be_measured_fails(agentgate_evaluation, metric, where):
            with pytest.raises(pytest.fail.Exception, match="could not be measured"):
                agentgate_evaluation.measure(metric, where=where)

        def test_what_is_no_metric_fails(agentgate_evaluation):
            with pytest.raises(ValueError, match="SCORER/AGGREGATION"):
                agentgate_evaluation.measure("a")
        """,
    )
    path = gates.path / "gates" / "gates.toml"
    path.write_text(path.read_text().replace('"c/mean" = 0.5', ""), encoding="utf-8")

    session = gates.run()

    assert (session.status, session.outcome) == (0, "promoted"), session.text


@pytest.mark.parametrize("promote_to", [None, "staging"])
def test_no_champion(gates: GateProject, promote_to: str | None) -> None:
    gates.promote_to = promote_to
    gates.write(
        "gates/test_champion.py",
        "def test_champion(agentgate_champion): assert agentgate_champion is None",
    )

    session = gates.run()

    assert session.status == 0, session.text
    assert session.record["champion"] is None


def test_a_champion_is_not_compared_yet(gates: GateProject, refused) -> None:
    gates.write(
        "gates/test_champion.py",
        "def test_champion(agentgate_champion): assert agentgate_champion",
    )

    session = gates.run()

    refused(session)
    assert "comparing with a champion is not supported" in session.text


def test_an_evaluation_that_failed_fails_who_asks_for_it(
    gates: GateProject, refused
) -> None:
    gates.write("conftest.py", "def pytest_agentgate_predict_fn(model): 1 / 0")
    gates.rows({"inputs": {"question": "q"}})
    gates.write(
        "gates/test_evaluation.py",
        """
        import pytest

        @pytest.mark.agentgate
        def test_evaluation(agentgate_evaluation):
            pass
        """,
    )

    session = gates.run()

    refused(session)
    assert session.verdicts["gates/test_evaluation.py::test_evaluation"] == "ERROR"
    assert "the evaluation failed: pytest_agentgate_predict_fn" in session.text


CUSTOM = "gates/test_custom.py::test_custom"


@pytest.mark.parametrize(
    ("mark", "body", "outcome", "verdict"),
    [
        ("agentgate", "assert evaluation.measure('b/max').value == 1", 0, "PASSED"),
        ("agentgate", "assert evaluation.measure('b/max').value == 0", 1, "FAILED"),
        ("agentgate", "raise RuntimeError('broken')", 1, "FAILED"),
        ("agentgate", "evaluation.measure('nothing/max')", 1, "FAILED"),
        ("agentgate", "pytest.skip('not today')", 11, "NOT_RUN"),
        ("agentgate", "pytest.xfail('known')", 11, "NOT_RUN"),
        ("agentgate(advisory=True)", "assert evaluation is None", 0, "FAILED"),
        ("agentgate(advisory=True)", "assert evaluation", 0, "PASSED"),
        ("agentgate(advisory=True)", "pytest.skip('not today')", 0, "NOT_RUN"),
    ],
)
def test_a_gate_of_ones_own(
    gates: GateProject, mark: str, body: str, outcome: int, verdict: str
) -> None:
    gates.write(
        "gates/test_custom.py",
        f"""
        import pytest

        @pytest.mark.{mark}
        def test_custom(agentgate_evaluation):
            evaluation = agentgate_evaluation
            {body}
        """,
    )

    session = gates.run("--strict-markers")

    assert session.status == outcome, session.text
    assert session.alias == ("2" if outcome == 0 else "1")
    assert session.verdicts[CUSTOM] == verdict
    assert session.gate(CUSTOM)["advisory"] is ("advisory" in mark)
    assert session.gate(CUSTOM)["metric"] is None


def test_a_gate_of_ones_own_that_is_deselected(gates: GateProject, refused) -> None:
    gates.write(
        "gates/test_custom.py",
        """
        import pytest

        @pytest.mark.agentgate
        def test_custom():
            pass
        """,
    )

    session = gates.run("--deselect", CUSTOM)

    refused(session)
    assert (session.status, session.outcome) == (11, "incomplete")
    assert session.verdicts[CUSTOM] == "NOT_RUN"


def test_gates_of_ones_own_alone_can_promote(gates: GateProject) -> None:
    """A gate file without thresholds is enough where marked tests are gates."""
    path = gates.path / "gates" / "gates.toml"
    path.write_text(path.read_text().partition("[thresholds]")[0], encoding="utf-8")
    (gates.path / "gates" / "test_thresholds.py").unlink()
    gates.write(
        "gates/test_custom.py",
        """
        import pytest

        @pytest.mark.agentgate
        def test_custom(agentgate_evaluation):
            assert agentgate_evaluation.measure("b/mean").value == 1
        """,
    )

    session = gates.run()

    assert (session.status, session.outcome) == (0, "promoted"), session.text


def test_advisory_gates_alone_prove_nothing(gates: GateProject, refused) -> None:
    path = gates.path / "gates" / "gates.toml"
    text = path.read_text().replace("= 0.5", "= { min = 0.5, advisory = true }")
    path.write_text(text, encoding="utf-8")

    session = gates.run()

    refused(session)
    assert (session.status, session.outcome) == (11, "incomplete")
    assert "no required gate" in session.lines[-1]


@pytest.mark.parametrize(("score", "verdict"), [(0, "FAILED"), (None, "ERROR")])
def test_an_advisory_threshold_reports_and_does_not_block(
    gates: GateProject, score: int | None, verdict: str
) -> None:
    path = gates.path / "gates" / "gates.toml"
    advisory = '"b/mean" = { min = 0.5, advisory = true }'
    path.write_text(path.read_text().replace('"b/mean" = 0.5', advisory), "utf-8")
    gates.scores(b=[score, score, score])

    session = gates.run()

    assert (session.status, session.outcome, session.alias) == (0, "promoted", "2")
    assert session.verdicts["b/mean"] == verdict
    assert session.gate("b/mean")["advisory"] is True
    assert any(f"{verdict} (advisory)" in line for line in session.lines)


def test_the_evaluation_runs_once_whoever_asks(gates: GateProject) -> None:
    gates.write(
        "gates/test_again.py",
        """
        def test_one(agentgate_evaluation): pass
        def test_two(agentgate_evaluation, agentgate_data, agentgate_model): pass
        """,
    )

    gates.run()

    experiment = MlflowClient(gates.uri).get_experiment_by_name("gates")
    runs = MlflowClient(gates.uri).search_runs([experiment.experiment_id])
    assert len(runs) == 1
