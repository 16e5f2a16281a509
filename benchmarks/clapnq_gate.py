"""
The three versions of the quoting agent on every row, gated and tabulated.

``python -m benchmarks.clapnq_gate`` runs ``pytest gates`` for each version with the
gate file of the acceptance tests, on all rows instead of their balanced sixty.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.clapnq import VARIANTS, GateRun, Workspace, read_rows
from tests.acceptance.data import DATA_VARIABLE, rows_file

_GATES = ("blended", "answerable", "unanswerable", "overlap", "passage", "answers")


def main() -> None:
    """Run the gates and print a table."""
    path = rows_file()
    if path is None:
        sys.exit(f"no clapnq data; name its folder in {DATA_VARIABLE}")
    rows = read_rows(path)
    with TemporaryDirectory() as folder:
        workspace = Workspace.create(Path(folder), rows)
        workspace.log_versions()
        runs = {
            variant.label: workspace.gate(str(number))
            for number, variant in enumerate(VARIANTS, start=1)
        }
        aliases = workspace.aliases()
    _print(len(rows), runs, aliases)


def _print(rows: int, runs: Mapping[str, GateRun], aliases: Mapping[str, str]) -> None:
    print(f"## Three versions on {rows} rows\n")
    print(f"| version | {' | '.join(_GATES)} | outcome | exit | seconds |")
    print(f"| --- {'| --- ' * (len(_GATES) + 3)}|")
    for label, run in runs.items():
        cells = " | ".join(_cell(run.gate(name)) for name in _GATES)
        seconds = run.record["evaluation"]["seconds"]
        outcome = run.record["outcome"]
        print(f"| {label} | {cells} | {outcome} | {run.status} | {seconds:.0f} |")
    for label, run in runs.items():
        for failure in run.record["failures"]:
            print(f"\n{label}: {failure}")
    print(f"\nAliases afterwards: {dict(aliases)}\n", flush=True)


def _cell(gate: Mapping[str, object]) -> str:
    if gate["value"] is None:
        return str(gate["verdict"])
    mark = "" if gate["verdict"] == "PASSED" else f" {gate['verdict']}"
    return f"{gate['value']:.3f}{mark}"


if __name__ == "__main__":
    main()
