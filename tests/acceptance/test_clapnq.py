"""
Three versions of one real agent, gated as a user gates them.

The version that lost half of its index answers fewer questions and abstains more
often, so that it is right more often on the half of the rows that have no answer:
the mean over all rows rises over the version that never abstains. A gate on that
mean promotes it. Floors for each slice must not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from benchmarks.clapnq import (
    BALANCED_ROWS,
    MODEL,
    GateRun,
    Workspace,
    balanced,
    read_rows,
)
from tests.acceptance.data import DATA_VARIABLE, rows_file

pytestmark = pytest.mark.acceptance

ANSWERS_EVERYTHING, ABSTAINS, HALF_INDEX = "1", "2", "3"
SLICES = ("answerable", "unanswerable", "overlap", "passage", "answers")
SCORERS = {
    "right",
    "token_f1",
    "right_passage",
    "abstains_rightly",
    "names_its_source",
}


@dataclass(frozen=True)
class Story:
    """Every gate run in its order, and the aliases after each."""

    workspace: Workspace
    runs: Mapping[str, GateRun]
    aliases: Mapping[str, Mapping[str, str]]


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Story:
    path = rows_file()
    if path is None:
        pytest.skip(f"no clapnq data: name its folder in {DATA_VARIABLE}")
    rows = read_rows(path)
    folder = tmp_path_factory.mktemp("clapnq")
    workspace = Workspace.create(folder, balanced(rows))
    workspace.log_versions()
    runs, aliases = {}, {}
    for version in (ANSWERS_EVERYTHING, ABSTAINS, HALF_INDEX):
        runs[version] = workspace.gate(version)
        aliases[version] = workspace.aliases()
    # The same answers and scores, judged by the mean over all rows alone.
    stored = f"--agentgate-from-run={runs[HALF_INDEX].record['evaluation']['run_id']}"
    blended = "--agentgate-gates=gates/blended.toml"
    runs["blended"] = workspace.gate(HALF_INDEX, blended, stored)
    aliases["blended"] = workspace.aliases()
    return Story(workspace, runs, aliases)


def values(run: GateRun) -> dict[str, float]:
    return {gate["id"]: gate["value"] for gate in run.record["gates"]}


def verdicts(run: GateRun) -> dict[str, str]:
    return {gate["id"]: gate["verdict"] for gate in run.record["gates"]}


def test_a_version_that_never_abstains_gets_no_alias(story):
    run = story.runs[ANSWERS_EVERYTHING]

    assert (run.status, run.record["outcome"]) == (1, "blocked"), run.output
    assert {g for g, verdict in verdicts(run).items() if verdict == "FAILED"} == {
        "blended",
        "unanswerable",
    }
    assert story.aliases[ANSWERS_EVERYTHING] == {}


def test_the_abstaining_version_passes_and_is_promoted(story):
    run = story.runs[ABSTAINS]

    assert (run.status, run.record["outcome"]) == (0, "promoted"), run.output
    assert set(verdicts(run).values()) == {"PASSED"}
    assert run.record["passed"] is True
    assert run.record["promoted"] is True
    assert run.record["previous_version"] is None
    assert story.aliases[ABSTAINS] == {"production": ABSTAINS}


def test_its_version_is_tagged_with_the_evidence(story):
    run = story.runs[ABSTAINS]

    tags = story.workspace.client().get_model_version(MODEL, ABSTAINS).tags
    assert tags["agentgate.outcome"] == "promoted"
    assert tags["agentgate.run_id"] == run.record["evaluation"]["run_id"]
    assert tags["agentgate.data_digest"] == run.record["evaluation"]["data_digest"]


def test_a_version_that_lost_half_its_index_is_refused(story):
    run = story.runs[HALF_INDEX]

    assert (run.status, run.record["outcome"]) == (1, "blocked"), run.output
    assert run.record["passed"] is False
    assert run.record["promoted"] is False
    assert run.record["previous_version"] == ABSTAINS
    assert story.aliases[HALF_INDEX] == {"production": ABSTAINS}


def test_it_fails_on_what_can_be_answered_and_nowhere_else(story):
    found = verdicts(story.runs[HALF_INDEX])

    assert {gate for gate, verdict in found.items() if verdict == "FAILED"} == {
        "answerable",
        "overlap",
        "passage",
        "answers",
    }
    assert found["blended"] == found["unanswerable"] == "PASSED"


def test_its_mean_over_all_rows_rises_although_it_knows_less(story):
    whole = values(story.runs[ANSWERS_EVERYTHING])
    half = values(story.runs[HALF_INDEX])

    assert half["blended"] > whole["blended"]
    assert half["answerable"] < whole["answerable"]
    assert half["passage"] < whole["passage"]


def test_a_gate_on_the_mean_alone_would_have_promoted_it(story):
    run = story.runs["blended"]

    assert (run.status, run.record["outcome"]) == (0, "promoted"), run.output
    assert run.gate("blended")["value"] == values(story.runs[HALF_INDEX])["blended"]
    assert run.record["evaluation"]["reused"] is True
    assert story.aliases["blended"] == {
        "production": ABSTAINS,
        "blended": HALF_INDEX,
    }


@pytest.mark.parametrize("version", [ANSWERS_EVERYTHING, ABSTAINS, HALF_INDEX])
def test_every_record_counts_every_row_and_no_error(story, version):
    record = story.runs[version].record

    assert record["version"] == version
    assert record["evaluation"]["rows"] == BALANCED_ROWS
    assert set(record["evaluation"]["scorers"]) == SCORERS
    assert [gate["errors"] for gate in record["gates"]] == [0] * len(record["gates"])
    rows = {gate["id"]: gate["rows"] for gate in record["gates"]}
    assert rows.pop("blended") == BALANCED_ROWS
    assert {rows[name] for name in SLICES} == {BALANCED_ROWS // 2}


@pytest.mark.parametrize("version", [ANSWERS_EVERYTHING, ABSTAINS, HALF_INDEX])
def test_everything_that_was_scored_is_stored(story, version):
    """Counted on the tracking server itself, not in what the plugin says of it."""
    evaluation = story.runs[version].record["evaluation"]

    traces = story.workspace.client().search_traces(
        locations=[evaluation["experiment_id"]],
        run_id=evaluation["run_id"],
        max_results=10 * BALANCED_ROWS,
        include_spans=False,
    )
    assert len(traces) == BALANCED_ROWS
    for trace in traces:
        scores = {a.name for a in trace.info.assessments if a.expectation is None}
        assert scores == SCORERS


def test_the_choice_of_rows_does_not_depend_on_their_order(tmp_path: Path):
    path = rows_file()
    if path is None:
        pytest.skip(f"no clapnq data: name its folder in {DATA_VARIABLE}")
    rows = read_rows(path)

    chosen = balanced(rows)
    assert chosen == balanced(rows[::-1])
    assert sum(row["answerable"] for row in chosen) == BALANCED_ROWS // 2
    assert len(chosen) == BALANCED_ROWS
