"""The reference names everything that users can name."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from pytest_agentgate import fixtures, hookspecs, options
from pytest_agentgate.gatefile.schema import GateFile, ThresholdEntry
from pytest_agentgate.judgement.decision import Outcome, exit_status
from pytest_agentgate.judgement.verdicts import Verdict

ROOT = Path(__file__).parents[2]
REFERENCE = (ROOT / "docs" / "reference.md").read_text(encoding="utf-8")
README = (ROOT / "README.md").read_text(encoding="utf-8")
REFUSALS = (ROOT / "docs" / "how-to-read-a-refusal.md").read_text(encoding="utf-8")


def option_names() -> list[str]:
    source = Path(options.__file__).read_text(encoding="utf-8")
    plain = re.findall(r'^\s+\("([a-z-]+)", ', source, re.MULTILINE)
    spelled = re.findall(r'"--agentgate-([a-z]+)"', source)
    return sorted({*plain, *spelled})


def test_the_options_are_all_found() -> None:
    assert {"model", "threshold", "plan", "workers", "approval"} <= set(option_names())


@pytest.mark.parametrize("name", option_names())
def test_an_option_is_in_the_reference(name: str) -> None:
    assert f"--agentgate-{name}" in REFERENCE


@pytest.mark.parametrize("name", [n for n in dir(hookspecs) if n.startswith("pytest_")])
def test_a_hook_is_in_the_reference_and_shows_an_example(name: str) -> None:
    assert f"`{name}(" in REFERENCE
    assert "Example::" in (getattr(hookspecs, name).__doc__ or "")


@pytest.mark.parametrize(
    "name", [n for n in dir(fixtures) if n.startswith("agentgate")]
)
def test_a_fixture_is_in_the_reference(name: str) -> None:
    assert f"`{name}`" in REFERENCE


@pytest.mark.parametrize("model", [GateFile, ThresholdEntry])
def test_a_key_of_the_gate_file_is_in_the_reference(model: type) -> None:
    later = {"trials", "first_version", "model_env"}
    missing = [
        name
        for name in set(model.model_fields) - later
        if f"`{name}`" not in REFERENCE and f"`[{name}]`" not in REFERENCE
    ]

    assert missing == []


def test_outcomes_and_verdicts_are_explained() -> None:
    assert [o for o in Outcome if f"`{o}`" not in README] == []
    shown = [v for v in Verdict if v is not Verdict.PASSED]
    assert [v for v in shown if f"| {v} |" not in REFUSALS] == []


@pytest.mark.parametrize("outcome", Outcome)
def test_the_exit_statuses_of_the_readme_are_the_real_ones(outcome: Outcome) -> None:
    row = next(line for line in README.splitlines() if f"`{outcome}`" in line)

    assert row.startswith(f"| {exit_status(outcome, 0, asked=True)} |")


def test_a_leg_of_ci_tests_the_declared_lower_bounds() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))

    assert "--resolution lowest-direct" in makefile
    unbounded = [d for d in project["project"]["dependencies"] if ">=" not in d]
    assert unbounded == []
