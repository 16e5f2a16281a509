"""What tests hold in their hands: a threshold to check, an evaluation to measure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pytest

from pytest_agentgate.judgement.evidence import Evidence, EvidenceRow
from pytest_agentgate.judgement.measure import Measurement, measure
from pytest_agentgate.judgement.testimony import EVIDENCE_PROPERTY, testimony
from pytest_agentgate.judgement.thresholds import Metric, Threshold, tag_text
from pytest_agentgate.judgement.verdicts import GateResult, Verdict, judge
from pytest_agentgate.session import GateSession


@dataclass(frozen=True)
class ThresholdGate:
    """One threshold over the session's evaluation; ``agentgate_threshold``."""

    threshold: Threshold
    evidence: Evidence
    item: pytest.Item

    def check(self) -> GateResult:
        """
        Measure, leave the evidence on the test's report, and fail if not passed.

        Returns:
            The result, where the verdict is PASSED.
        """
        __tracebackhide__ = True
        measurement = measure(self.evidence, self.threshold)
        result = judge(self.threshold, measurement, run_link=self.evidence.run_link)
        self._record(measurement, result)
        if result.verdict is not Verdict.PASSED:
            pytest.fail(f"{result.verdict} {result.message}", pytrace=False)
        return result

    def _record(self, measurement: Measurement, result: GateResult) -> None:
        value = "" if result.value is None else f"{result.value:.6g}"
        self.item.user_properties += [
            ("agentgate_verdict", str(result.verdict)),
            ("agentgate_metric", str(self.threshold.metric)),
            ("agentgate_value", value),
            ("agentgate_bound", self.threshold.bound),
            (EVIDENCE_PROPERTY, testimony(measurement, self.evidence.run_id)),
        ]


@dataclass(frozen=True)
class AgentGateEvaluation:
    """The session's one evaluation; the fixture ``agentgate_evaluation``."""

    evidence: Evidence

    @property
    def run_id(self) -> str | None:
        """The MLflow run that holds the evaluation."""
        return self.evidence.run_id

    @property
    def rows(self) -> tuple[EvidenceRow, ...]:
        """Every row with its scores and errors."""
        return self.evidence.rows

    @property
    def metrics(self) -> Mapping[str, float]:
        """MLflow's own aggregates, for information: they leave errors out."""
        return self.evidence.reported

    def measure(
        self, metric: str, where: Mapping[str, object] | None = None
    ) -> Measurement:
        """
        Measure a metric over the rows with the tags `where`.

        A row that could not be scored fails the calling test: use a threshold
        with `max_error_rate` where some errors are acceptable.

        Raises:
            ValueError: `metric` is not ``SCORER/AGGREGATION``.
        """
        __tracebackhide__ = True
        threshold = Threshold(
            id=metric,
            metric=Metric.parse(metric),
            where={key: tag_text(value) for key, value in (where or {}).items()},
        )
        measurement = measure(self.evidence, threshold)
        if measurement.problem is not None:
            pytest.fail(
                f"{metric} could not be measured: {measurement.problem}", pytrace=False
            )
        return measurement


def threshold_gate(
    session: GateSession, threshold: Threshold, item: pytest.Item
) -> ThresholdGate:
    """Return the gate of one threshold; the first one asked for evaluates."""
    return ThresholdGate(threshold, session.shared.get(), item)
