"""Where the acceptance tests find their data, which this repository does not hold."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

DATA_VARIABLE = "AGENTGATE_ACCEPTANCE_DATA"

Row = Mapping[str, Any]

_BESIDE_THE_REPOSITORY = Path(__file__).resolve().parents[3] / "shared" / "data"


def rows_file() -> Path | None:
    """Return the file of questions, or None where this machine has none."""
    given = os.environ.get(DATA_VARIABLE)
    folder = Path(given) if given else _BESIDE_THE_REPOSITORY
    path = folder / "clapnq" / "rows.jsonl"
    return path if path.is_file() else None
