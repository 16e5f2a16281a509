"""How far the evaluation is: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import NoReturn

    import pytest
    from tqdm import tqdm

_LINE_EVERY = 15.0


class Progress:
    """
    Counts answered rows and shows them.

    pytest captures what models and MLflow print, so this writes through the
    terminal reporter, which is not captured.
    """

    def __init__(self, reporter: pytest.TerminalReporter, total: int) -> None:
        self._reporter = reporter
        self._total = total
        self._answered = 0
        self._last_line = time.monotonic()
        self._lock = threading.Lock()
        self._bar = self._new_bar() if reporter.isatty and total else None

    def advance(self) -> None:
        """Count one answered row; safe from any thread."""
        with self._lock:
            self._answered += 1
            if self._bar is not None:
                self._bar.update(1)
                if self._answered >= self._total:
                    self._bar.close()
            elif time.monotonic() - self._last_line >= _LINE_EVERY:
                self._last_line = time.monotonic()
                self._write_line()

    def _write_line(self) -> None:
        self._reporter.ensure_newline()
        self._reporter.write_line(
            f"agentgate: {self._answered} of {self._total} rows answered", flush=True
        )

    def _new_bar(self) -> tqdm[NoReturn]:
        from tqdm import tqdm  # only needed once an evaluation runs on a terminal

        self._reporter.ensure_newline()
        return tqdm(
            total=self._total,
            desc="agentgate",
            unit="row",
            leave=False,
            file=_Stream(self._reporter),
        )


class _Stream:
    """The little of a text file that a progress bar writes to."""

    def __init__(self, reporter: pytest.TerminalReporter) -> None:
        self._reporter = reporter

    def write(self, text: str) -> None:
        self._reporter.write(text)

    def flush(self) -> None:
        self._reporter.flush()
