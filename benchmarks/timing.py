"""Timing whole processes side by side on a machine that others use too."""

from __future__ import annotations

import compileall
import os
import statistics
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.clapnq import ROOT


@dataclass(frozen=True, slots=True, kw_only=True)
class Duration:
    """One process: seconds on the clock, and seconds of processor time."""

    wall: float
    cpu: float


Measure = Callable[[], Duration]
Durations = Mapping[str, Sequence[Duration]]


#: Plugins of this project's own tests, which its users need not have.
NOT_THE_USERS = ("hypothesispytest", "xdist", "xdist.looponfail", "rerunfailures")


def compile_bytecode() -> None:
    """Compile what is about to be imported: the first run must not pay for all."""
    for folder in (sysconfig.get_paths()["purelib"], ROOT / "pytest_agentgate"):
        compileall.compile_dir(str(folder), quiet=2, workers=os.cpu_count() or 1)


def run(
    command: Sequence[str], *, cwd: Path, env: Mapping[str, str] | None = None
) -> Duration:
    """
    Run one process to its end.

    Raises
    ------
        RuntimeError: It did not end with 0; a failed run is quick and no result.
    """
    settings = {**(os.environ if env is None else env)}
    # With it, pytest would rewrite the assertions of every plugin in every process.
    settings.pop("PYTHONDONTWRITEBYTECODE", None)
    started, before = time.perf_counter(), os.times()
    ended = subprocess.run(
        command, cwd=cwd, env=settings, capture_output=True, text=True, check=False
    )
    wall, after = time.perf_counter() - started, os.times()
    if ended.returncode != 0:
        raise RuntimeError(f"{command}: {ended.stdout[-3000:]}{ended.stderr[-3000:]}")
    cpu = after.children_user - before.children_user
    cpu += after.children_system - before.children_system
    return Duration(wall=wall, cpu=cpu)


def without(*plugins: str) -> list[str]:
    """Return pytest's options that leave plugins out."""
    return [f"-pno:{plugin}" for plugin in plugins]


def interleaved(
    measures: Mapping[str, Measure], *, rounds: int, warm_ups: int = 1
) -> Durations:
    """Measure A B C A B C ..., so that a slow minute of the machine hits them all."""
    found: dict[str, list[Duration]] = {name: [] for name in measures}
    for number in range(warm_ups + rounds):
        for name, measure in measures.items():
            duration = measure()
            if number >= warm_ups:
                found[name].append(duration)
        print(f"\rround {number + 1} of {warm_ups + rounds}", end="", file=sys.stderr)
    print(file=sys.stderr)
    return found


def report(durations: Durations, *, against: str) -> None:
    """Print medians, spread, and the median ratio of neighbouring runs."""
    base = durations[against]
    print(f"| | median s | quartiles | CPU s | ratio to {against} | CPU ratio |")
    print("| --- | --- | --- | --- | --- | --- |")
    for name, own in durations.items():
        walls = [duration.wall for duration in own]
        low, _, high = statistics.quantiles(walls, n=4)
        print(
            f"| {name} | {statistics.median(walls):.3f} | {low:.3f} to {high:.3f} | "
            f"{statistics.median(d.cpu for d in own):.3f} | "
            f"{ratio([d.wall for d in own], [d.wall for d in base]):.3f} | "
            f"{ratio([d.cpu for d in own], [d.cpu for d in base]):.3f} |"
        )
    print(flush=True)


def ratio(own: Sequence[float], base: Sequence[float]) -> float:
    """Return the median of the ratios of runs that followed each other."""
    return statistics.median(a / b for a, b in zip(own, base, strict=True))
