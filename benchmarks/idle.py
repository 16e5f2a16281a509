"""
What the plugin costs where it is installed and not asked for.

``python -m benchmarks.idle`` times ``pytest --collect-only -q`` on one trivial
test: with the plugin, with ``-p no:agentgate``, and in a new environment that has
pytest alone.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import venv
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from benchmarks import timing

_ROUNDS = 20
_COLLECT = ("-m", "pytest", "--collect-only", "-q")


def main(rounds: int = _ROUNDS, *, fresh: bool = True) -> None:
    """Measure and print."""
    timing.compile_bytecode()
    with TemporaryDirectory() as name:
        folder = Path(name)
        project = _project(folder / "project")
        collect = [sys.executable, *_COLLECT, *timing.without(*timing.NOT_THE_USERS)]
        commands = {
            "-p no:agentgate": [*collect, *timing.without("agentgate")],
            "with the plugin": collect,
        }
        if fresh:
            python = _pytest_alone(folder / "venv")
            commands["pytest alone"] = [str(python), *_COLLECT]
        durations = timing.interleaved(
            {
                name: partial(timing.run, command, cwd=project)
                for name, command in commands.items()
            },
            rounds=rounds,
            warm_ups=3,
        )
    print(f"## Idle: pytest --collect-only, {rounds} rounds\n")
    timing.report(durations, against="-p no:agentgate")


def _project(folder: Path) -> Path:
    folder.mkdir()
    folder.joinpath("pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    test = "def test_trivial():\n    assert True\n"
    folder.joinpath("test_trivial.py").write_text(test, encoding="utf-8")
    return folder


def _pytest_alone(folder: Path) -> Path:
    """Make an environment with the same pytest and nothing else; pip compiles it."""
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    install = [
        str(python),
        "-m",
        "pip",
        "install",
        "-q",
        f"pytest=={pytest.__version__}",
    ]
    subprocess.run(install, check=True, capture_output=True)
    return python


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=_ROUNDS)
    parser.add_argument("--no-fresh", action="store_true", help="no new environment")
    given = parser.parse_args()
    main(given.rounds, fresh=not given.no_fresh)
