"""A session whose gates all pass moves the alias, and says so everywhere."""

from __future__ import annotations

from tests.pytester.project import GateProject


def test_promotes_the_newest_version_and_tags_it(gates: GateProject) -> None:
    session = gates.run()

    assert session.status == 0
    assert session.outcome == "promoted"
    assert session.alias == "2"
    assert session.record["previous_version"] == "1"
    assert session.verdicts == dict.fromkeys(("a/mean", "b/mean", "c/mean"), "PASSED")
    tags = gates.tags("2")
    assert tags["agentgate.outcome"] == "promoted"
    assert tags["agentgate.run_id"] == session.record["evaluation"]["run_id"]
    assert session.lines[-1] == (
        "agentgate: promoted agent/2 to @production (was version 1)."
    )


def test_promotes_in_a_process_of_its_own_and_over_two_workers(
    gates: GateProject,
) -> None:
    session = gates.run_subprocess("-n", "2")

    assert (session.status, session.outcome) == (0, "promoted")
    assert session.alias == "2"


def test_a_failed_gate_changes_nothing(gates: GateProject, refused) -> None:
    gates.scores(b=[0, 0, 1])

    session = gates.run()

    refused(session)
    assert (session.status, session.outcome) == (1, "blocked")
    assert session.verdicts["b/mean"] == "FAILED"


def test_a_second_run_finds_it_promoted_already(gates: GateProject) -> None:
    gates.run()
    tags = gates.tags("2")

    session = gates.run()

    assert (session.status, session.outcome) == (0, "already-promoted")
    assert gates.tags("2") == tags
