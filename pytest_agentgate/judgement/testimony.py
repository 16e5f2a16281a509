"""
From test reports to gate results, for a controller that trusts no green dot.

A gate is PASSED only when its test ran exactly once on each worker, with a
passed set-up, call and teardown and nothing else under its node id, and when
the evidence its report carries meets the declared bound a second time.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace

from pytest_agentgate.judgement.measure import Measurement, WorstRow
from pytest_agentgate.judgement.thresholds import Threshold
from pytest_agentgate.judgement.verdicts import (
    GateResult,
    Verdict,
    judge,
    not_run,
    worst,
)

GATE_PROPERTY = "agentgate_gate"
EVIDENCE_PROPERTY = "agentgate_evidence"
ADVISORY_PROPERTY = "agentgate_advisory"
UNASSERTED_PROPERTY = "agentgate_unasserted"
HIDDEN_PROPERTY = "agentgate_hidden"

#: The phase under which a subtest's report is kept.
SUBTEST = "subtest"

_PHASES = ["call", "setup", "teardown"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """
    One test report, as far as a decision needs it.

    `text` is a single line that says what went wrong, if anything did.
    """

    nodeid: str
    when: str
    outcome: str
    worker: str = ""
    expected_failure: bool = False
    text: str = ""
    properties: Sequence[tuple[str, object]] = ()

    @property
    def is_clean(self) -> bool:
        """Whether it is a plain pass: not skipped, expected or retried."""
        return self.outcome == "passed" and not self.expected_failure

    def values(self, name: str) -> list[str]:
        """Return every value the report carries under a property name."""
        return [str(value) for key, value in self.properties if key == name]


def testimony(measurement: Measurement, run_id: str | None) -> str:
    """Return the evidence a gate's report carries, as JSON."""
    return json.dumps({"run_id": run_id, "measurement": asdict(measurement)})


def gate_results(
    declared: Sequence[Threshold],
    reports: Iterable[Report],
    *,
    collected: Mapping[str, str],
    marked: Mapping[str, bool],
    run_id: str | None,
    run_link: str | None = None,
) -> tuple[GateResult, ...]:
    """
    Judge every declared gate and every marked test.

    Args:
        declared: The thresholds of the gate file and the hooks.
        reports: Every report of the session.
        collected: Node ids of collected gates, with the gate of each.
        marked: Those among them that are marked tests, not thresholds, with
            whether each is advisory.
        run_id: The one evaluation that evidence may come from.
        run_link: Where people find it.
    """
    by_node: dict[str, list[Report]] = defaultdict(list)
    nodes: dict[str, set[str]] = defaultdict(set)
    for report in reports:
        by_node[report.nodeid].append(report)
        for gate in report.values(GATE_PROPERTY):
            nodes[gate].add(report.nodeid)
    for node, gate in collected.items():
        if node in by_node:
            nodes[gate].add(node)
    results = [
        _threshold_result(
            threshold,
            [by_node[node] for node in sorted(nodes.pop(threshold.id, ()))],
            run_id=run_id,
            run_link=run_link,
        )
        for threshold in declared
    ]
    return (
        *results,
        *(
            _custom(gate, marked.get(gate), nodes, by_node)
            for gate in dict.fromkeys([*nodes, *marked])
        ),
    )


def gate_nodes(reports: Iterable[Report]) -> frozenset[str]:
    """Return the node ids that belong to gates."""
    return frozenset(
        report.nodeid for report in reports if report.values(GATE_PROPERTY)
    )


def _threshold_result(
    threshold: Threshold,
    runs: Sequence[Sequence[Report]],
    *,
    run_id: str | None,
    run_link: str | None,
) -> GateResult:
    if not runs:
        return not_run(threshold, "its test did not run (not selected or collected)")
    results = [
        result
        for reports in runs
        for result in _node_results(threshold, reports, run_id, run_link)
    ]
    verdict = worst(result.verdict for result in results)
    return next(result for result in results if result.verdict is verdict)


def _node_results(
    threshold: Threshold,
    reports: Sequence[Report],
    run_id: str | None,
    run_link: str | None,
) -> list[GateResult]:
    results = [
        _judged(threshold, evidence, run_id, run_link)
        for evidence in _evidence_of(reports)
    ]
    verdict, why = conduct(reports, advisory=threshold.advisory)
    if verdict is Verdict.PASSED and not results:
        verdict, why = Verdict.ERROR, "its test passed without leaving evidence"
    if verdict is Verdict.PASSED:
        return results
    # A red test with its own evidence is explained by that evidence.
    explained = any(result.verdict is not Verdict.PASSED for result in results)
    if explained and verdict is Verdict.ERROR:
        return results
    measured = results[-1] if results else not_run(threshold, why)
    return [*results, replace(measured, verdict=verdict, message=why)]


def _evidence_of(reports: Sequence[Report]) -> list[str]:
    """Every distinct piece of evidence; phases of one test repeat theirs."""
    found = [text for report in reports for text in report.values(EVIDENCE_PROPERTY)]
    return list(dict.fromkeys(found))


def _judged(
    threshold: Threshold, evidence: str, run_id: str | None, run_link: str | None
) -> GateResult:
    try:
        content = json.loads(evidence)
        plain = dict(content["measurement"])
        rows = tuple(WorstRow(**row) for row in plain.pop("worst_rows"))
        measurement = Measurement(**plain, worst_rows=rows)
        origin = content["run_id"]
        result = judge(threshold, measurement, run_link=run_link)
    except (ValueError, TypeError, KeyError, OverflowError):
        why = "the evidence its test carries cannot be read"
        return replace(not_run(threshold, why), verdict=Verdict.ERROR)
    # Where nothing was evaluated, evidence can only tell of a problem.
    if origin != run_id or (run_id is None and measurement.problem is None):
        why = f"its evidence is from run {origin}, not from this session's"
        return replace(not_run(threshold, why), verdict=Verdict.ERROR)
    if measurement.metric not in map(str, (threshold.metric, *threshold.aliases)):
        why = f"its evidence is of {measurement.metric}, not of {threshold.metric}"
        return replace(not_run(threshold, why), verdict=Verdict.ERROR)
    return result


def conduct(
    reports: Sequence[Report], *, advisory: bool = False
) -> tuple[Verdict, str]:
    """Say whether a test ran as a gate must, and if not, what it did instead."""
    by_worker: dict[str, list[Report]] = defaultdict(list)
    for report in reports:
        by_worker[report.worker].append(report)
    found = [_conduct_on_worker(group, advisory) for group in by_worker.values()]
    verdict = worst(verdict for verdict, _ in found)
    return next(pair for pair in found if pair[0] is verdict)


def _conduct_on_worker(  # noqa: PLR0911  one line a kind of misconduct
    reports: Sequence[Report], advisory: bool
) -> tuple[Verdict, str]:
    reports = [r for r in reports if not (r.when == SUBTEST and r.is_clean)]
    known = (*_PHASES, SUBTEST)
    lost = [r for r in reports if r.when not in known and r.outcome != "passed"]
    failed = [r for r in reports if r.outcome == "failed" and r not in lost]
    unclean = [r for r in reports if not r.is_clean]
    phases = sorted(r.when for r in reports)
    if failed:
        where = failed[0].when
        return Verdict.ERROR, f"its test failed in {where}: {failed[0].text}"
    if lost:
        return Verdict.NOT_RUN, f"its test was lost with a worker: {lost[0].text}"
    if any(r.outcome == "rerun" for r in reports) or _repeats(phases):
        return Verdict.ERROR, "its test ran more than once; a retry proves nothing"
    if advisory and phases == _PHASES and all(_was_advisory(r) for r in unclean):
        return Verdict.PASSED, ""
    if unclean:
        return Verdict.NOT_RUN, f"its test was {_how(unclean[0])}"
    if phases != _PHASES:
        return Verdict.NOT_RUN, "its test did not run to its end"
    return Verdict.PASSED, ""


def _repeats(phases: Sequence[str]) -> bool:
    return any(phases.count(phase) > 1 for phase in _PHASES)


def _was_advisory(report: Report) -> bool:
    return bool(report.values(ADVISORY_PROPERTY))


def _how(report: Report) -> str:
    if report.expected_failure:
        return "xpassed" if report.outcome == "passed" else "xfailed"
    reason = f": {report.text}" if report.text else ""
    return f"{report.outcome} in {report.when}{reason}"


def _custom(
    id: str,
    advisory: bool | None,
    nodes: Mapping[str, set[str]],
    by_node: Mapping[str, Sequence[Report]],
) -> GateResult:
    """Judge a marked test, or an undeclared gate, by its conduct alone."""
    reports = [
        report for node in (nodes.get(id) or {id}) for report in by_node.get(node, ())
    ]
    if not reports:
        verdict, why = Verdict.NOT_RUN, "it was collected but did not run"
    else:
        verdict, why = conduct(reports)
        failed_call = any(
            r.outcome == "failed" and r.when in ("call", SUBTEST) for r in reports
        )
        softened = any(r.expected_failure and _was_advisory(r) for r in reports)
        verdict = Verdict.FAILED if failed_call or (advisory and softened) else verdict
        doubt = _doubt(reports, is_declared=advisory is not None)
        if verdict is Verdict.PASSED and doubt is not None:
            verdict, why = Verdict.ERROR, doubt
    return GateResult(
        id=id,
        metric=None,
        verdict=verdict,
        advisory=bool(advisory),
        message=why or "it passed",
    )


def _doubt(reports: Sequence[Report], *, is_declared: bool) -> str | None:
    """Say why a marked test that looks passed proves nothing, if it does not."""
    if not is_declared:
        return "no threshold and no mark declares this gate"
    if any(report.values(UNASSERTED_PROPERTY) for report in reports):
        return "python -O removes assertions, so that a marked test proves nothing"
    if any(report.values(HIDDEN_PROPERTY) for report in reports):
        return "it raised, and a plugin reported it as passed"
    return None
