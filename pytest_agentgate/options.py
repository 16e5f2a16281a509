"""The command line."""

from __future__ import annotations

import argparse
import os
from contextlib import suppress
from pathlib import Path

import pytest

_LATER = "is not supported by this version of pytest-agentgate"

#: Options of the public interface that this version refuses rather than ignores.
_NOT_YET = {
    "agentgate_endpoint": ("--agentgate-endpoint", f"serving {_LATER}"),
    "agentgate_serving": ("--agentgate-serving", f"serving {_LATER}"),
    "agentgate_allow_weaker": (
        "--agentgate-allow-weaker",
        f"comparing gate files with the champion's {_LATER}",
    ),
}


def add_options(parser: pytest.Parser) -> None:
    """Add the group ``agentgate`` to pytest's command line."""
    group = parser.getgroup("agentgate", "quality gates for models")
    for name, metavar, text in (
        ("model", "MODEL", "The candidate: NAME, NAME/VERSION or NAME@ALIAS"),
        ("gates", "FILE", "The gate file; default gates/gates.toml below the rootdir"),
        ("data", "SOURCE", "Replaces data of the gate file"),
        ("promote-to", "ALIAS", "Replaces promote_to of the gate file"),
        ("endpoint", "NAME", "Replaces endpoint.name of the gate file"),
        ("from-run", "RUN_ID", "Judge a stored evaluation again, without any call"),
        ("approval", "TAG", "Promote only if this model-version tag is approved"),
        (
            "allow-weaker",
            "REASON",
            "Let a gate file weaker than the champion's promote",
        ),
        ("record", "FILE", "The record; default .agentgate/record.json"),
    ):
        group.addoption(f"--agentgate-{name}", metavar=metavar, help=text)
    group.addoption(
        "--agentgate-serving",
        choices=("databricks", "local"),
        help="Replaces endpoint.target of the gate file",
    )
    group.addoption(
        "--agentgate-threshold",
        metavar="ID>=N",
        action="append",
        default=[],
        help="Replaces one threshold's bound: ID>=N or ID<=N (repeatable)",
    )
    for name, text in (
        ("plan", "Evaluate and judge, print what would change, change nothing"),
        ("refresh", "Do not reuse a stored evaluation"),
    ):
        group.addoption(f"--agentgate-{name}", action="store_true", help=text)
    for name, text in (
        ("trials", "Replaces trials of the gate file"),
        ("workers", "Rows in flight at once"),
    ):
        group.addoption(f"--agentgate-{name}", type=_count, metavar="N", help=text)


def is_requested(config: pytest.Config) -> bool:
    """Whether the command line names a candidate."""
    return config.getoption("agentgate_model") is not None


def refuse_unsupported(config: pytest.Config) -> None:
    """
    Refuse options that this version cannot honour.

    Raises:
        pytest.UsageError: One of them is given.
    """
    for name, (option, why) in _NOT_YET.items():
        if config.getoption(name) is not None:
            raise pytest.UsageError(f"{option}={config.getoption(name)}: {why}")
    trials = config.getoption("agentgate_trials")
    if trials not in (None, 1):
        why = f"more than one trial {_LATER}"
        raise pytest.UsageError(f"--agentgate-trials={trials}: {why}")


def gate_file_path(config: pytest.Config) -> Path:
    """Return the gate file, absolute."""
    given = config.getoption("agentgate_gates")
    if given is None:
        return config.rootpath / "gates" / "gates.toml"
    return Path(config.invocation_params.dir, given)


def record_path(config: pytest.Config) -> Path:
    """Return where the record goes, absolute."""
    given = config.getoption("agentgate_record")
    if given is None:
        return config.rootpath / ".agentgate" / "record.json"
    return Path(config.invocation_params.dir, given)


def forget_record(rootpath: Path, given: argparse.Namespace) -> None:
    """Remove an earlier run's record; xdist workers leave the controller's alone."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        return
    path = Path(given.agentgate_record or rootpath / ".agentgate" / "record.json")
    with suppress(OSError):  # what cannot be removed cannot be written: told later
        path.unlink(missing_ok=True)


def _count(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of at least 1")
    return int(text)
