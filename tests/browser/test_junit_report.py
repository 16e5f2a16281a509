"""pytest's JUnit XML tells the outcome, and is XML whatever text it holds."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from tests.pytester.project import GateProject, Session

NASTY = "]]> <&'\" \x00\x08\x1b[31m \u202e \ufffe \ud83d\ude00 é"


def properties(gates: GateProject) -> dict[str, str]:
    suite = parsed(gates).find("testsuite")
    return {p.get("name"): p.get("value") for p in suite.findall("properties/property")}


def parsed(gates: GateProject) -> ElementTree.Element:
    return ElementTree.parse(gates.path / "junit.xml").getroot()


@pytest.mark.parametrize(
    ("score", "options", "outcome"),
    [
        (1, [], "promoted"),
        (1, ["--agentgate-plan"], "planned"),
        (0, [], "blocked"),
        (None, [], "error"),
    ],
)
def test_the_suite_tells_the_final_outcome(
    gates: GateProject, score: int | None, options: list[str], outcome: str
) -> None:
    gates.scores(b=[score, score, score])

    session = gates.run("--junitxml=junit.xml", *options)

    assert session.outcome == outcome
    assert properties(gates) == {
        "agentgate.outcome": outcome,
        "agentgate.model": "agent",
        "agentgate.version": "2",
        "agentgate.alias": "production",
        "agentgate.run_id": session.record["evaluation"]["run_id"],
    }


def test_every_gate_carries_its_numbers(gates: GateProject) -> None:
    gates.scores(b=[1, 0, 0])

    gates.run("--junitxml=junit.xml")

    cases = {case.get("name"): case for case in parsed(gates).iter("testcase")}
    case = cases["test_threshold[b/mean]"]
    found = {p.get("name"): p.get("value") for p in case.iter("property")}
    assert found["agentgate_verdict"] == "FAILED"
    assert found["agentgate_metric"] == "b/mean"
    assert found["agentgate_value"] == "0.333333"
    assert found["agentgate_bound"] == ">= 0.5"
    assert "b/mean = 0.3333, must be >= 0.5" in case.find("failure").get("message")


def test_properties_of_the_users_are_kept(gates: GateProject) -> None:
    gates.write(
        "conftest.py",
        """
        import pytest

        @pytest.fixture(scope="session", autouse=True)
        def mine(record_testsuite_property):
            record_testsuite_property("mine", "<kept>")
        """,
    )

    gates.run("--junitxml=junit.xml")

    assert properties(gates)["mine"] == "<kept>"
    assert properties(gates)["agentgate.outcome"] == "promoted"


def in_a_row(gates: GateProject) -> Session:
    gates.rows({"inputs": {"question": NASTY}, "outputs": {"a": 1, "b": NASTY, "c": 1}})
    return gates.run("--junitxml=junit.xml")


def in_an_error(gates: GateProject) -> Session:
    path = gates.path / "gates" / "scorers.py"
    text = path.read_text().replace(
        'return outputs["b"]', f"raise ValueError({NASTY!r})"
    )
    path.write_text(text, encoding="utf-8")
    return gates.run("--junitxml=junit.xml")


def in_a_veto(gates: GateProject) -> Session:
    hook = "def pytest_agentgate_approve(candidate, alias):\n"
    gates.write("conftest.py", f"{hook}    raise ValueError({NASTY!r})\n")
    return gates.run("--junitxml=junit.xml")


@pytest.mark.parametrize(
    "put", [in_a_row, in_an_error, in_a_veto], ids=lambda put: put.__name__
)
def test_it_is_xml_whatever_text_arrives(gates: GateProject, put) -> None:
    session = put(gates)

    assert session.outcome in ("blocked", "error"), session.text
    assert properties(gates)["agentgate.outcome"] == session.outcome
    assert len(list(parsed(gates).iter("testcase"))) == 3


def test_a_report_that_cannot_be_completed_is_a_warning(gates: GateProject) -> None:
    """The promotion stands, and is told."""
    gates.write(
        "conftest.py",
        """
        from pathlib import Path

        def pytest_agentgate_approve(candidate, alias):
            Path("junit.xml").write_text("<testsuites>")
        """,
    )

    session = gates.run("--junitxml=junit.xml")

    assert (session.status, session.outcome, session.alias) == (0, "promoted", "2")
    assert any("a report could not be completed" in line for line in session.lines)
