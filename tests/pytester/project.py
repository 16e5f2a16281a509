"""
A small gate project, run by real pytest against a real SQLite registry.

The registry holds the model ``agent``: version 1 is in production, version 2 is
the candidate. Its rows are recorded answers unless a test wants the model.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

AGENT = """
import mlflow
from mlflow.pyfunc import ResponsesAgent
from mlflow.types.responses import ResponsesAgentResponse

class Echo(ResponsesAgent):
    def predict(self, request):
        text = f"echo {request.input[-1].content}"
        item = self.create_text_output_item(text=text, id="1")
        return ResponsesAgentResponse(output=[item])

mlflow.models.set_model(Echo())
"""

GATES = """
data = "rows.jsonl"
scorers = ["scorers"]
experiment = "gates"

[thresholds]
"a/mean" = 0.5
"b/mean" = 0.5
"c/mean" = 0.5
"""

SCORERS = """
from mlflow.genai.scorers import scorer

@scorer
def a(outputs):
    return outputs["a"]

@scorer
def b(outputs):
    return outputs["b"]

@scorer
def c(outputs):
    return outputs["c"]
"""

TEST = """
def test_threshold(agentgate_threshold):
    agentgate_threshold.check()
"""


@dataclass(frozen=True)
class Session:
    """What a gated pytest run left behind."""

    status: int
    lines: list[str]
    errors: list[str]
    record: Mapping[str, Any] | None
    alias: str | None

    @property
    def outcome(self) -> str | None:
        return self.record and self.record["outcome"]

    @property
    def verdicts(self) -> dict[str, str]:
        assert self.record is not None
        return {gate["id"]: gate["verdict"] for gate in self.record["gates"]}

    @property
    def text(self) -> str:
        return "\n".join([*self.lines, *self.errors])

    def gate(self, name: str) -> Mapping[str, Any]:
        assert self.record is not None
        return next(gate for gate in self.record["gates"] if gate["id"] == name)


@dataclass
class GateProject:
    """Writes gate files and runs pytest on them."""

    pytester: pytest.Pytester
    uri: str
    model: str = "agent"
    promote_to: str | None = "production"
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def path(self) -> Path:
        return self.pytester.path

    @property
    def record_path(self) -> Path:
        return self.path / ".agentgate" / "record.json"

    def write(self, name: str, text: str) -> Path:
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text), encoding="utf-8")
        return path

    def rows(self, *rows: Mapping[str, Any]) -> None:
        self.write("gates/rows.jsonl", "\n".join(json.dumps(row) for row in rows))

    def scores(self, **values: Sequence[Any]) -> None:
        """Write recorded rows whose outputs hold these scores, row by row."""
        columns = {"a": [1, 1, 1], "b": [1, 1, 1], "c": [1, 1, 1], **values}
        count = max(len(column) for column in columns.values())
        self.rows(
            *(
                {
                    "inputs": {"question": f"question {i}"},
                    "outputs": {name: col[i] for name, col in columns.items()},
                }
                for i in range(count)
            )
        )

    def arguments(self, *extra: str) -> list[str]:
        given = ["-p", "no:cacheprovider"]
        if not any(str(arg).startswith("gates") for arg in extra):
            given.append("gates")
        given.append(f"--agentgate-model={self.model}")
        if self.promote_to is not None:
            given.append(f"--agentgate-promote-to={self.promote_to}")
        return [*given, *extra]

    def run(self, *extra: str) -> Session:
        """Run pytest in this process, which already has MLflow imported."""
        result = self.pytester.runpytest_inprocess(*self.arguments(*extra))
        return self._session(int(result.ret), result.outlines, result.errlines)

    def run_cached(self, *extra: str) -> Session:
        """Run with pytest's cache, which `--lf` and `--sw` need."""
        arguments = self.arguments(*extra)[2:]
        result = self.pytester.runpytest_inprocess(*arguments)
        return self._session(int(result.ret), result.outlines, result.errlines)

    def run_subprocess(
        self, *extra: str, python: Sequence[str] = (), timeout: float = 120
    ) -> Session:
        """Run pytest as a user does, in a process of its own."""
        command = [sys.executable, *python, "-m", "pytest", *self.arguments(*extra)]
        done = subprocess.run(
            command,
            cwd=self.path,
            env={**os.environ, **self.environment},
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        return self._session(
            done.returncode, done.stdout.splitlines(), done.stderr.splitlines()
        )

    def alias(self, name: str = "production") -> str | None:
        version = MlflowClient(self.uri).get_registered_model("agent").aliases.get(name)
        return None if version is None else str(version)

    def tags(self, version: str) -> dict[str, str]:
        return dict(MlflowClient(self.uri).get_model_version("agent", version).tags)

    def _session(self, status: int, lines: list[str], errors: list[str]) -> Session:
        record = None
        if self.record_path.exists():
            record = json.loads(self.record_path.read_text(encoding="utf-8"))
        return Session(
            status=status,
            lines=lines,
            errors=errors,
            record=record,
            alias=self.alias(),
        )
