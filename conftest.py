"""What every test of this repository may use: pytest's own test bench."""

from __future__ import annotations

pytest_plugins = ["pytester"]
