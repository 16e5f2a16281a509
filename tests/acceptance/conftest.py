"""What the acceptance tests need: the data, and the package of the benchmarks."""

from __future__ import annotations

import sys
from pathlib import Path

_ROOT = str(Path(__file__).resolve().parents[2])
if _ROOT not in sys.path:  # `benchmarks` is not installed with the plugin
    sys.path.append(_ROOT)
