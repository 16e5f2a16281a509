"""
One test for every threshold of the gate file.

The plugin generates the tests from ``gates.toml``; this is where they are run::

    pytest gates --agentgate-model=health_monitor_agent
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_agentgate import ThresholdGate


def test_threshold(agentgate_threshold: ThresholdGate) -> None:
    agentgate_threshold.check()
