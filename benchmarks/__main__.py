"""Run every benchmark: ``python -m benchmarks`` from the repository's root."""

from __future__ import annotations

from benchmarks import clapnq_gate, idle, session

idle.main()
session.main()
clapnq_gate.main()
