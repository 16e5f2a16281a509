"""How far the evaluation is: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from typing import NoReturn

    import pytest
    from tqdm import tqdm

_LINE_EVERY = 10.0


class Capture(Protocol):
    """What is used of pytest's capture plugin."""

    def global_and_fixture_disabled(self) -> AbstractContextManager[None]:
        """Let what is written inside reach the terminal."""


class Progress:
    """
    Counts answered rows and shows them.

    The evaluation runs inside a test's set-up, where pytest captures all output:
    each line here steps out of the capture for as long as it is written.
    """

    def __init__(
        self,
        reporter: pytest.TerminalReporter,
        capture: Capture | None,
        *,
        total: int,
    ) -> None:
        self._reporter = reporter
        self._capture = capture
        self._total = total
        self._answered = 0
        self._last_line = time.monotonic()
        self._lock = threading.Lock()
        self._bar: tqdm[NoReturn] | None = None

    def advance(self) -> None:
        """Count one answered row; safe from any thread."""
        with self._lock:
            self._answered += 1
            if self._reporter.isatty:
                self._advance_bar()
            elif time.monotonic() - self._last_line >= _LINE_EVERY:
                self._last_line = time.monotonic()
                self._write_line()

    def _advance_bar(self) -> None:
        if self._bar is None:
            self._bar = self._new_bar()
        self._bar.update(1)
        if self._answered >= self._total:
            self._bar.close()

    def _write_line(self) -> None:
        with self.uncaptured():
            self._reporter.ensure_newline()
            self._reporter.write_line(
                f"agentgate: {self._answered} of {self._total} rows answered",
                flush=True,
            )

    def _new_bar(self) -> tqdm[NoReturn]:
        from tqdm import tqdm  # only needed once an evaluation runs on a terminal

        with self.uncaptured():
            self._reporter.ensure_newline()
        return tqdm(
            total=self._total,
            desc="agentgate",
            unit="row",
            leave=False,
            ascii=True,
            position=0,  # MLflow has a bar of its own, which pytest captures
            file=_Stream(self, self._reporter),
        )

    @contextmanager
    def uncaptured(self) -> Iterator[None]:
        """Step out of pytest's capture."""
        if self._capture is None:
            yield
            return
        with self._capture.global_and_fixture_disabled():
            yield


class _Stream:
    """The little of a text file that a progress bar writes to."""

    def __init__(self, progress: Progress, reporter: pytest.TerminalReporter) -> None:
        self._progress = progress
        self._reporter = reporter

    def write(self, text: str) -> None:
        with self._progress.uncaptured():
            self._reporter.write(text, flush=True)

    def flush(self) -> None:
        """Every write is flushed already."""
