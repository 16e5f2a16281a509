"""
Gate the three versions one after the other, on one machine, from nothing.

The good version is promoted between two that are refused: the first, which was
never good enough, and the third, which regressed. Everything stays below
``.demo/``; run again, it finds what is there and promotes nothing twice::

    python -m examples.health_monitor.demo
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from examples.health_monitor.log_versions import MODEL_NAME

_ROOT = Path(__file__).parents[2]
_FOLDER = _ROOT / ".demo"
_ALIAS = "production"
_EXPECTED = {
    "1": ("blocked",),
    "2": ("promoted", "already-promoted"),
    "3": ("blocked",),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Gated:
    """One gated version: how pytest ended, and the record it left."""

    version: str
    status: int
    record: dict[str, Any]

    @property
    def is_as_expected(self) -> bool:
        """Whether the gates said what the example's README says."""
        return self.record["outcome"] in _EXPECTED[self.version]


@click.command()
def main() -> None:
    """Log the three versions and gate each of them."""
    _FOLDER.mkdir(exist_ok=True)
    environment = {
        **os.environ,
        "MLFLOW_TRACKING_URI": f"sqlite:///{_FOLDER}/mlflow.db",
    }
    environment["PYTHONPATH"] = str(_ROOT)
    environment.pop("MLFLOW_REGISTRY_URI", None)
    _title("Logging three versions of the health monitor")
    _run([sys.executable, "-m", "examples.health_monitor.log_versions"], environment)
    gated = [_gate(version, environment) for version in _EXPECTED]
    _title("What happened")
    for each in gated:
        click.echo(_summary(each))
    if not all(each.is_as_expected for each in gated):
        raise click.ClickException("the gates did not say what the README says")


def _gate(version: str, environment: dict[str, str]) -> Gated:
    _title(f"Gating version {version}")
    record = _FOLDER / f"record-{version}.json"
    status = _run(
        [
            *(sys.executable, "-m", "pytest", str(_ROOT / "gates")),
            *("--tb=no", "-p", "no:cacheprovider"),
            f"--agentgate-model={MODEL_NAME}/{version}",
            f"--agentgate-promote-to={_ALIAS}",
            f"--agentgate-record={record}",
            f"--html={_report(version)}",
            "--self-contained-html",
        ],
        environment,
    )
    return Gated(
        version=version, status=status, record=json.loads(record.read_text("utf-8"))
    )


def _run(command: list[str], environment: dict[str, str]) -> int:
    # Artifacts of a SQLite store go below the current folder.
    done = subprocess.run(command, cwd=_FOLDER, env=environment, check=False)
    return done.returncode


def _report(version: str) -> Path:
    return _FOLDER / f"report-{version}.html"


def _summary(gated: Gated) -> str:
    failed = sum(gate["verdict"] != "PASSED" for gate in gated.record["gates"])
    gates = f"{len(gated.record['gates'])} gates, {failed} not passed"
    return (
        f"version {gated.version}: {gated.record['outcome']} "
        f"(exit status {gated.status}; {gates})\n"
        f"  report {_report(gated.version)}\n"
        f"  record {_FOLDER / f'record-{gated.version}.json'}"
    )


def _title(text: str) -> None:
    click.secho(f"\n== {text}", bold=True)


if __name__ == "__main__":
    main()
