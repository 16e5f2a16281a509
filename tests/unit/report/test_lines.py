from __future__ import annotations

import pytest

from pytest_agentgate.candidate.reference import ModelVersion
from pytest_agentgate.judgement.decision import Outcome
from pytest_agentgate.judgement.evidence import Evidence, EvidenceRow
from pytest_agentgate.judgement.verdicts import GateResult, Verdict
from pytest_agentgate.report.lines import evidence_lines, gate_lines, last_sentence
from pytest_agentgate.report.record import Record


def gate(id="safety/mean", verdict="PASSED", value=0.91234, **more):
    plain = {"metric": id, "bound": ">= 0.7", "rows": 120, "errors": 0, **more}
    return GateResult(id=id, verdict=Verdict(verdict), value=value, **plain)


GATES = (
    gate(),
    gate("latency_seconds/p95", "FAILED", 12.5, bound="<= 8", rows=9),
    gate("tone", "FAILED", 0.25, metric="tone/mean", advisory=True, errors=3),
    GateResult(id="test_x.py::test_y", metric=None, verdict=Verdict.NOT_RUN),
)


def test_gates_are_shown_in_a_table():
    assert gate_lines(GATES, width=80) == [
        "verdict            gate                  value   bound  rows  errors",
        "PASSED             safety/mean          0.9123  >= 0.7   120       0",
        "FAILED             latency_seconds/p95    12.5    <= 8     9       0",
        "FAILED (advisory)  tone (tone/mean)       0.25  >= 0.7   120       3",
        "NOT_RUN            test_x.py::test_y         -       -     -       -",
    ]


def test_a_long_name_is_cut_so_that_the_table_fits():
    (_, line) = gate_lines([gate("a" * 100)], width=60)

    assert len(line) == 60
    assert line == f"PASSED   {'a' * 20}…  0.9123  >= 0.7   120       0"


LONG = gate(
    "security_compliance_of_all_answers/mean",
    "INCONCLUSIVE",
    -1234567.0,
    advisory=True,
    bound=">= -123456 and <= 0.123456",
    rows=123456,
    errors=123456,
)


@pytest.mark.parametrize("width", [40, 60, 80, 120])
@pytest.mark.parametrize(
    "gates",
    [
        pytest.param((), id="none"),
        pytest.param(GATES, id="usual"),
        pytest.param((gate("a" * 200),), id="long-name"),
        pytest.param((LONG,), id="long-everything"),
    ],
)
def test_no_line_is_wider_than_the_terminal(gates, width):
    assert max(len(line) for line in gate_lines(gates, width=width)) <= width


DIGEST = "0123456789abcdef"
EVIDENCE = Evidence(
    run_id="r1",
    run_link="http://mlflow/#/runs/r1",
    data_source="x.jsonl",
    data_digest=DIGEST,
    rows=(EvidenceRow(index=0), EvidenceRow(index=1, model_error="ValueError")),
    seconds=3.456,
)


@pytest.mark.parametrize(
    ("evidence", "lines"),
    [
        pytest.param(None, ["evaluation: none was run"], id="none"),
        pytest.param(
            Evidence(problem="no connection"),
            ["evaluation: no connection"],
            id="failed",
        ),
        pytest.param(
            EVIDENCE,
            [
                f"data: x.jsonl (2 rows, digest {DIGEST}, 1 model calls failed)",
                "run: http://mlflow/#/runs/r1 (3.5 s)",
            ],
            id="evaluated",
        ),
        pytest.param(
            Evidence(run_id="r1", run_link="r1", data_source="x", reused=True),
            [
                "data: x (0 rows, digest )",
                "run: r1 (0.0 s, stored evaluation judged again)",
            ],
            id="judged-again",
        ),
    ],
)
def test_what_the_verdicts_rest_on(evidence, lines):
    assert evidence_lines(evidence) == lines


SENTENCES = {
    "promoted": "promoted agent/2 to @production (was version 1).",
    "already-promoted": (
        "already promoted: @production is agent/2; nothing was changed."
    ),
    "passed": (
        "passed: agent/2 meets every gate; nothing was promoted, because no promotion "
        "was asked for (--agentgate-promote-to=ALIAS)."
    ),
    "planned": (
        "planned: agent/2 meets every gate; first why; second why; nothing was "
        "changed, run without --agentgate-plan to do it."
    ),
    "blocked": (
        "blocked: agent/2 was not promoted: first why (and 1 more); mend the model, "
        "or change the bar in a reviewed commit."
    ),
    "pending-approval": (
        "pending approval: agent/2 meets every gate; first why (and 1 more)."
    ),
    "incomplete": (
        "incomplete: agent/2 was not promoted: first why (and 1 more); run every "
        "declared gate in one session."
    ),
    "rolled-back": (
        "rolled back: agent/2 was not promoted: first why; second why; run it again."
    ),
    "stopped": (
        "stopped: agent/2 was not promoted: first why (and 1 more); nothing was "
        "changed."
    ),
    "stuck": "stuck: agent/2 is half promoted: first why; second why",
    "error": (
        "error: no verdict on agent/2: first why (and 1 more); mend the evaluation "
        "and run it again."
    ),
}


def record_of(outcome, **more):
    plain = {
        "model": "agent",
        "started_at": "2026-01-01T10:00:00+00:00",
        "candidate": ModelVersion(name="agent", version="2"),
        "alias": "production",
        "previous_version": "1",
        "failures": ("first why", "second why"),
        **more,
    }
    return Record(outcome=Outcome(outcome), **plain)


@pytest.mark.parametrize("outcome", list(Outcome))
def test_the_last_sentence_of_every_outcome(outcome):
    assert last_sentence(record_of(outcome)) == SENTENCES[outcome]


@pytest.mark.parametrize(
    ("record", "sentence"),
    [
        pytest.param(
            record_of("promoted", previous_version=None, failures=()),
            "promoted agent/2 to @production (new).",
            id="new-alias",
        ),
        pytest.param(
            record_of("error", candidate=None, failures=("one why",)),
            "error: no verdict on agent: one why; "
            "mend the evaluation and run it again.",
            id="unknown-version",
        ),
        pytest.param(
            record_of("stopped", failures=()),
            "stopped: agent/2 was not promoted: no reason is recorded; "
            "nothing was changed.",
            id="no-reason",
        ),
        pytest.param(
            record_of("stopped", failures=("{alias} of {0}\nBearer 0123456789",)),
            "stopped: agent/2 was not promoted: {alias} of {0} Bearer ***; "
            "nothing was changed.",
            id="odd-reason",
        ),
    ],
)
def test_the_last_sentence_names_what_is_known(record, sentence):
    assert last_sentence(record) == sentence
