"""
The real case behind the acceptance tests and the benchmarks.

Questions that people asked a search engine, half of them without an answer in
the passages; an agent that quotes passages, in three versions; gates over both.
A `Workspace` is a folder with a registry of its own, in which ``pytest`` is run
as a user runs it.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from tests.acceptance.data import DATA_VARIABLE, Row, rows_file

if TYPE_CHECKING:
    from mlflow import MlflowClient

ROOT = Path(__file__).resolve().parents[1]
MODEL = "quoting_agent"

#: The question coverage below which the agent says that it does not know.
MIN_COVERAGE = 0.55

#: The tests' choice of rows: as many with an answer as without.
BALANCED_ROWS = 60

_ACCEPTANCE = ROOT / "tests" / "acceptance"
_AGENT = _ACCEPTANCE / "clapnq_agent.py"
_GATE = _ACCEPTANCE / "gate"
_THRESHOLD_TEST = ROOT / "gates" / "test_thresholds.py"
_SEED = 0

# Data


def read_rows(path: Path) -> list[Row]:
    """Read every question with its human answers and its passage."""
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def balanced(rows: Sequence[Row], count: int = BALANCED_ROWS) -> list[Row]:
    """
    Choose `count` rows, half of them answerable, the same ones every time.

    The order of digests is a random one that needs no seed and does not depend on
    the order of the file.
    """
    shuffled = sorted(rows, key=lambda row: hashlib.sha256(row["id"].encode()).digest())
    return [
        row
        for answerable in (True, False)
        for row in [r for r in shuffled if r["answerable"] is answerable][: count // 2]
    ]


def gate_rows(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Return questions in the shape of the gate file's data."""
    return [
        {
            "inputs": {"question": row["question"]},
            "expectations": {
                "answers": row["answers"],
                "passage_id": row["passage_id"],
            },
            "tags": {"answerable": row["answerable"]},
        }
        for row in rows
    ]


def passages(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Return every passage once: the corpus the agent retrieves from."""
    return list(
        {
            row["passage_id"]: {
                "id": row["passage_id"],
                "title": row["title"],
                "sentences": row["sentences"],
            }
            for row in rows
        }.values()
    )


# Versions


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """What one version is made of, apart from the code they all share."""

    label: str
    min_coverage: float
    loses_half: bool = False

    def index(self, corpus: Sequence[Row]) -> list[Row]:
        """Return what this version can find."""
        if not self.loses_half:
            return list(corpus)
        chance = random.Random(_SEED)
        return chance.sample(list(corpus), len(corpus) // 2)


#: In the order in which they are registered: versions 1, 2 and 3.
VARIANTS = (
    Variant(label="answers everything", min_coverage=0.0),
    Variant(label="abstains", min_coverage=MIN_COVERAGE),
    Variant(label="abstains, half index", min_coverage=MIN_COVERAGE, loses_half=True),
)


def log_versions(rows: Sequence[Row], variants: Sequence[Variant] = VARIANTS) -> None:
    """Log and register the variants where MLflow's own settings point to."""
    import mlflow  # takes seconds; whoever only needs the data does without

    mlflow.set_experiment("versions")
    corpus = passages(rows)
    for variant in variants:
        with TemporaryDirectory() as folder, mlflow.start_run(run_name=variant.label):
            path = Path(folder, "passages.jsonl")
            path.write_text(_json_lines(variant.index(corpus)), encoding="utf-8")
            mlflow.pyfunc.log_model(
                name="agent",
                python_model=str(_AGENT),
                artifacts={"passages": str(path)},
                model_config={"min_coverage": variant.min_coverage},
                pip_requirements=["mlflow", "bm25s", "numpy"],
                registered_model_name=MODEL,
            )


# Gating


@dataclass(frozen=True, slots=True, kw_only=True)
class GateRun:
    """What a user sees of one run: exit status, output, record."""

    status: int
    output: str
    record: Mapping[str, Any]

    def gate(self, id: str) -> Mapping[str, Any]:
        """Return the record's entry of one gate."""
        gates: list[Mapping[str, Any]] = self.record["gates"]
        (found,) = [gate for gate in gates if gate["id"] == id]
        return found


@dataclass(frozen=True)
class Workspace:
    """
    A folder with gates, data and an SQLite registry.

    `create` writes the gates and the data, `log_versions` fills the registry.
    """

    folder: Path

    @classmethod
    def create(cls, folder: Path, rows: Sequence[Row]) -> Workspace:
        """Set a new folder up as a user's project."""
        shutil.copytree(_GATE, folder / "gates")
        shutil.copy(_THRESHOLD_TEST, folder / "gates")
        data = _json_lines(gate_rows(rows))
        folder.joinpath("gates", "rows.jsonl").write_text(data, encoding="utf-8")
        folder.joinpath("pytest.ini").write_text("[pytest]\n", encoding="utf-8")
        return cls(folder)

    @property
    def tracking_uri(self) -> str:
        """The tracking server and the registry."""
        return f"sqlite:///{self.folder / 'mlflow.db'}"

    def environment(self) -> dict[str, str]:
        """Return an environment without MLflow settings of whoever runs this."""
        own = {k: v for k, v in os.environ.items() if not k.startswith("MLFLOW_")}
        own.pop("PYTEST_ADDOPTS", None)
        return {
            **own,
            "MLFLOW_TRACKING_URI": self.tracking_uri,
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "PYTHONPATH": str(ROOT),
        }

    def log_versions(self) -> None:
        """Log the versions, in a process whose MLflow knows this folder alone."""
        self._run("-m", "benchmarks.clapnq").check_returncode()

    def gate(self, version: str, *options: str) -> GateRun:
        """Run ``pytest gates`` for one version."""
        candidate = f"--agentgate-model={MODEL}/{version}"
        ended = self._run("-m", "pytest", "gates", candidate, *options)
        record = self.folder / ".agentgate" / "record.json"
        return GateRun(
            status=ended.returncode,
            output=ended.stdout + ended.stderr,
            record=json.loads(record.read_text(encoding="utf-8")),
        )

    def client(self) -> MlflowClient:
        """Return a client of this registry, whatever MLflow's settings are."""
        from mlflow import MlflowClient

        return MlflowClient(self.tracking_uri, self.tracking_uri)

    def aliases(self) -> dict[str, str]:
        """Read every alias with its version."""
        aliases = self.client().get_registered_model(MODEL).aliases
        return {alias: str(version) for alias, version in aliases.items()}

    def _run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=self.folder,
            env=self.environment(),
            capture_output=True,
            text=True,
            check=False,
        )


def _json_lines(records: Sequence[Mapping[str, Any]]) -> str:
    return "".join(f"{json.dumps(record)}\n" for record in records)


def main() -> None:
    """Log the three versions."""
    path = rows_file()
    if path is None:
        sys.exit(f"no clapnq data; name its folder in {DATA_VARIABLE}")
    log_versions(read_rows(path))


if __name__ == "__main__":
    main()
