"""
Without ``--agentgate-model`` the plugin does nothing and costs next to nothing.

Tests that need a candidate are skipped with one reason, and nothing is imported,
written or printed.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.pytester.project import TEST

HEAVY = ("mlflow", "databricks", "pandas", "scipy", "matplotlib")

SPY = f"""
import json, sys
from pathlib import Path

def pytest_unconfigure():
    heavy = [name for name in {HEAVY} if name in sys.modules]
    Path("imported.json").write_text(json.dumps(heavy))
"""

FIXTURES = """
import pytest

@pytest.mark.parametrize("name", ["model", "data", "evaluation", "champion"])
def test_needs(request, name):
    request.getfixturevalue("agentgate_" + name)

@pytest.mark.agentgate
def test_marked():
    pass

@pytest.mark.agentgate(advisory=True)
def test_advisory():
    assert False
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A gate folder without a gate file, and a test that has nothing to do with it."""
    (tmp_path / "conftest.py").write_text(SPY, encoding="utf-8")
    (tmp_path / "gates").mkdir()
    (tmp_path / "gates" / "test_thresholds.py").write_text(TEST, encoding="utf-8")
    (tmp_path / "test_plain.py").write_text("def test_plain(): pass\n", "utf-8")
    return tmp_path


def run(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    plain = {name: v for name, v in os.environ.items() if not name.startswith("MLFLOW")}
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *options],
        cwd=folder,
        env={**plain, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


def imported(folder: Path) -> list[str]:
    return json.loads((folder / "imported.json").read_text())


def test_threshold_tests_are_skipped_with_one_reason(folder: Path) -> None:
    before = set(folder.rglob("*"))

    done = run(folder, "-rs")

    assert done.returncode == 0
    lines = done.stdout.splitlines()
    [skip] = [line for line in lines if line.startswith("SKIPPED")]
    assert skip.endswith(": needs --agentgate-model")
    assert "1 passed, 1 skipped" in lines[-1]
    assert "agentgate:" not in done.stdout
    assert done.stderr == ""
    assert set(folder.rglob("*")) - before == {folder / "imported.json"}
    assert imported(folder) == []


def test_fixtures_skip_and_marks_do_nothing(folder: Path) -> None:
    (folder / "test_fixtures.py").write_text(FIXTURES, encoding="utf-8")

    done = run(folder, "-rs", "--strict-markers", "test_fixtures.py")

    assert done.returncode == 1  # a mark alone does not soften a failing test
    assert "4 skipped" in done.stdout
    assert "1 failed, 1 passed" in done.stdout
    skips = [line for line in done.stdout.splitlines() if line.startswith("SKIPPED")]
    assert all(line.endswith("needs --agentgate-model") for line in skips)
    assert imported(folder) == []


@pytest.mark.parametrize(
    "options",
    [
        ["--collect-only", "-q"],
        ["--agentgate-plan", "--agentgate-promote-to=production"],
        ["--agentgate-endpoint=e", "--agentgate-gates=none.toml"],
        ["-n", "2"],
        ["--html=report.html", "--self-contained-html"],
    ],
    ids=lambda options: options[0],
)
def test_no_other_option_turns_it_on(folder: Path, options: list[str]) -> None:
    done = run(folder, *options)

    assert done.returncode == 0, done.stdout
    assert "agentgate:" not in done.stdout
    assert not (folder / ".agentgate").exists()
    assert imported(folder) == []
    if (report := folder / "report.html").exists():
        assert "<!--agentgate-->" not in report.read_text(encoding="utf-8")


def test_hooks_and_options_are_known_all_the_same(folder: Path) -> None:
    """A conftest with hooks must not break a run without a candidate."""
    hooks = "".join(
        f"\ndef pytest_agentgate_{hook}: raise AssertionError('called')\n"
        for hook in (
            "scorers(candidate)",
            "data(candidate)",
            "predict_fn(model)",
            "thresholds(gate_file)",
            "approve(candidate, alias)",
            "finished(record)",
        )
    )
    (folder / "conftest.py").write_text(SPY + hooks, encoding="utf-8")

    done = run(folder)

    assert done.returncode == 0, done.stdout


def test_help_and_markers_describe_it(folder: Path) -> None:
    text = run(folder, "--help").stdout
    assert "--agentgate-model=MODEL" in text
    assert "agentgate(advisory=False)" in run(folder, "--markers").stdout
    assert imported(folder) == []
