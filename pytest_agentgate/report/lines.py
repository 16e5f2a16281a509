"""The words for people: gate lines, where the evidence is, and the last sentence."""

from __future__ import annotations

from collections.abc import Sequence

from pytest_agentgate.errors import one_line
from pytest_agentgate.judgement.decision import Outcome
from pytest_agentgate.judgement.evidence import Evidence
from pytest_agentgate.judgement.verdicts import GateResult
from pytest_agentgate.report.record import Record

_COLUMNS = ("verdict", "gate", "value", "bound", "rows", "errors")
_GATE_COLUMN = 1


def gate_lines(gates: Sequence[GateResult], *, width: int) -> list[str]:
    """Return a heading and one aligned line a gate, no wider than `width`."""
    table = [_COLUMNS, *(_cells(gate) for gate in gates)]
    widths = [max(len(row[i]) for row in table) for i in range(len(_COLUMNS))]
    overflow = sum(widths) + 2 * (len(widths) - 1) - width
    if overflow > 0:
        widths[_GATE_COLUMN] = max(12, widths[_GATE_COLUMN] - overflow)
    return [_cut(_line(row, widths), width) for row in table]


def evidence_lines(evidence: Evidence | None) -> list[str]:
    """Say which data and which run the verdicts rest on."""
    if evidence is None:
        return ["evaluation: none was run"]
    if evidence.run_id is None:
        return [f"evaluation: {evidence.problem}"]
    reused = ", stored evaluation judged again" if evidence.reused else ""
    failed = sum(row.model_error is not None for row in evidence.rows)
    calls = f", {failed} model calls failed" if failed else ""
    rows = f"{len(evidence.rows)} rows, digest {evidence.data_digest}{calls}"
    return [
        f"data: {evidence.data_source} ({rows})",
        f"run: {evidence.run_link} ({evidence.seconds:.1f} s{reused})",
    ]


def last_sentence(record: Record) -> str:
    """Return one sentence: what happened, and what to do next."""
    subject = str(record.candidate or record.model)
    sentence = _SENTENCES[record.outcome].format(
        subject=subject,
        alias=f"@{record.alias}",
        before=f"was version {record.previous_version}"
        if record.previous_version
        else "new",
        why=_why(record.failures),
        all="; ".join(record.failures),
    )
    return one_line(sentence, limit=2000)


_SENTENCES = {
    Outcome.PROMOTED: "promoted {subject} to {alias} ({before}).",
    Outcome.ALREADY_PROMOTED: (
        "already promoted: {alias} is {subject}; nothing was changed."
    ),
    Outcome.PASSED: (
        "passed: {subject} meets every gate; nothing was promoted, because no "
        "promotion was asked for (--agentgate-promote-to=ALIAS)."
    ),
    Outcome.PLANNED: (
        "planned: {subject} meets every gate; {all}; nothing was changed, "
        "run without --agentgate-plan to do it."
    ),
    Outcome.BLOCKED: (
        "blocked: {subject} was not promoted: {why}; mend the model, or change the "
        "bar in a reviewed commit."
    ),
    Outcome.PENDING_APPROVAL: "pending approval: {subject} meets every gate; {why}.",
    Outcome.INCOMPLETE: (
        "incomplete: {subject} was not promoted: {why}; run every declared gate in "
        "one session."
    ),
    Outcome.ROLLED_BACK: (
        "rolled back: {subject} was not promoted: {all}; run it again."
    ),
    Outcome.STOPPED: "stopped: {subject} was not promoted: {why}; nothing was changed.",
    Outcome.STUCK: "stuck: {subject} is half promoted: {all}",
    Outcome.ERROR: (
        "error: no verdict on {subject}: {why}; mend the evaluation and run it again."
    ),
}


def _why(failures: Sequence[str]) -> str:
    if not failures:
        return "no reason is recorded"
    more = f" (and {len(failures) - 1} more)" if len(failures) > 1 else ""
    return f"{failures[0]}{more}"


def _cells(gate: GateResult) -> tuple[str, ...]:
    verdict = f"{gate.verdict} (advisory)" if gate.advisory else str(gate.verdict)
    return (
        verdict,
        gate.id if gate.metric in (None, gate.id) else f"{gate.id} ({gate.metric})",
        "-" if gate.value is None else f"{gate.value:.4g}",
        gate.bound or "-",
        "-" if gate.rows is None else str(gate.rows),
        "-" if gate.errors is None else str(gate.errors),
    )


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    padded = [
        _cut(cell, width).ljust(width) if i <= _GATE_COLUMN else cell.rjust(width)
        for i, (cell, width) in enumerate(zip(cells, widths, strict=True))
    ]
    return "  ".join(padded).rstrip()


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"
