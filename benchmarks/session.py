"""
What a gated session costs beside the evaluation that it runs.

``python -m benchmarks.session`` times whole processes: ``pytest gates`` with 10 and
with 200 thresholds, against a script that calls `mlflow.genai.evaluate` on the same
rows with the same scorers, model and settings. Every process gets its own copy of
one SQLite registry, so that none works on what another left behind.
"""

from __future__ import annotations

import argparse
import shutil
import sqlite3
import sys
from collections.abc import Mapping, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks import timing
from benchmarks.clapnq import MODEL, Workspace, balanced, read_rows
from pytest_agentgate.evaluation.run import DEFAULT_WORKERS
from tests.acceptance.data import DATA_VARIABLE, Row, rows_file

_PAIRS = 5
_ROWS = (100, 200)
_THRESHOLDS = (10, 200)
_SCORERS = 5
_BARE = Path(__file__).with_name("bare_evaluation.py")

#: What a session sets for MLflow; without it the script below loses rows.
_SAFE = {
    "MLFLOW_GENAI_EVAL_MAX_WORKERS": str(DEFAULT_WORKERS),
    "MLFLOW_GENAI_EVAL_PREDICT_RATE_LIMIT": "0",
    "MLFLOW_GENAI_EVAL_SKIP_TRACE_VALIDATION": "true",
    "MLFLOW_SQLALCHEMYSTORE_POOL_SIZE": "60",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
}


class Sandbox:
    """A workspace whose registry is restored before every process."""

    def __init__(self, folder: Path, rows: Sequence[Row]) -> None:
        folder.mkdir()
        self._workspace = Workspace.create(folder, rows)
        self._workspace.log_versions()
        self._database = folder / "mlflow.db"
        self._template = folder / "template.db"
        shutil.copy(self._database, self._template)
        for number in _THRESHOLDS:
            path = folder / "gates" / f"gates-{number}.toml"
            path.write_text(_gate_file(number), encoding="utf-8")

    def bare(self, settings: Mapping[str, str]) -> timing.Duration:
        """Time the script."""
        uri, gates = f"models:/{MODEL}/2", str(self._workspace.folder / "gates")
        return self._run([sys.executable, str(_BARE), uri, gates], settings)

    def gated(self, thresholds: int) -> timing.Duration:
        """Time the session."""
        command = [sys.executable, "-m", "pytest", "gates", "-q"]
        command += [f"--agentgate-model={MODEL}/2"]
        command += [f"--agentgate-gates=gates/gates-{thresholds}.toml"]
        command += timing.without(*timing.NOT_THE_USERS)
        return self._run(command, {})

    def stored(self) -> tuple[int, int]:
        """Count the traces and the scores that the last process left behind."""
        scores = "select count(*) from assessments where assessment_type = 'feedback'"
        with closing(sqlite3.connect(self._database)) as connection:
            (traces,) = connection.execute("select count(*) from trace_info").fetchone()
            (assessments,) = connection.execute(scores).fetchone()
        return traces, assessments

    def _run(
        self, command: Sequence[str], settings: Mapping[str, str]
    ) -> timing.Duration:
        shutil.copy(self._template, self._database)
        env = {**self._workspace.environment(), **settings}
        return timing.run(command, cwd=self._workspace.folder, env=env)


def main(pairs: int = _PAIRS, *, defaults: bool = False) -> None:
    """Measure and print."""
    path = rows_file()
    if path is None:
        sys.exit(f"no clapnq data; name its folder in {DATA_VARIABLE}")
    timing.compile_bytecode()
    with TemporaryDirectory() as name:
        for number in _ROWS:
            sandbox = Sandbox(Path(name, str(number)), _rows(path, number))
            _measure(sandbox, number, pairs)
            if defaults:
                _show_defaults(sandbox, number)


def _measure(sandbox: Sandbox, rows: int, pairs: int) -> None:
    bare = "bare"
    gated = {
        f"gated, {number} thresholds": partial(sandbox.gated, number)
        for number in _THRESHOLDS
    }
    durations = timing.interleaved(
        {bare: partial(sandbox.bare, _SAFE), **gated}, rounds=pairs
    )
    print(f"## Session: {rows} rows, {_SCORERS} scorers, {pairs} rounds\n")
    timing.report(durations, against=bare)


def _rows(path: Path, number: int) -> Sequence[Row]:
    return balanced(read_rows(path), number)


def _show_defaults(sandbox: Sandbox, rows: int) -> None:
    """Show what the script stores where nobody sets MLflow up."""
    duration = sandbox.bare({})
    traces, scores = sandbox.stored()
    print(
        f"MLflow's defaults: {duration.wall:.1f} s, {traces} of {rows} traces and "
        f"{scores} of {rows * _SCORERS} scores stored, exit status 0\n"
    )


def _gate_file(number: int) -> str:
    """Write thresholds that all pass: every one is measured, none ends early."""
    scorers = ("right", "token_f1", "right_passage", "abstains_rightly")
    aggregations = ("mean", "median", "min", "max", "p90", "p95")
    lines = ['data = "rows.jsonl"', 'scorers = ["scorers"]', "[thresholds]"]
    for index in range(number):
        metric = f"{scorers[index % 4]}/{aggregations[index // 4 % 6]}"
        where = f'where = {{ answerable = "{("true", "false")[index % 2]}" }}, '
        chosen = where if index % 3 else ""
        lines.append(f'gate-{index} = {{ metric = "{metric}", {chosen}min = 0 }}')
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=_PAIRS)
    parser.add_argument("--defaults", action="store_true", help="slow: see README.md")
    given = parser.parse_args()
    main(given.pairs, defaults=given.defaults)
