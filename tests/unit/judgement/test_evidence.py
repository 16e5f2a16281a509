from __future__ import annotations

from pytest_agentgate.judgement.evidence import (
    Evidence,
    EvidenceRow,
    Score,
    dumps,
    loads,
)


def test_names_are_those_that_arrived_and_those_that_were_to_arrive():
    row = EvidenceRow(index=0, scores={"other_name": Score(value=1.0)})

    names = Evidence(scorers=("safety",), rows=(row,)).names()

    assert names == {"safety", "other_name"}


def test_evidence_survives_json():
    evidence = Evidence(
        run_id="r1",
        experiment_id="7",
        run_link="r1 (in sqlite:///x)",
        data_source="questions.jsonl",
        data_digest="0123456789abcdef",
        scorers=("safety", "tone"),
        rows=(
            EvidenceRow(
                index=3,
                question="what <costs> ✓?",
                answer="nothing",
                tags={"domain": "cost"},
                scores={
                    "safety": Score(value=1.0, counted=1.0),
                    "tone": Score(error="no answer"),
                },
                seconds=0.25,
                tokens={"input_tokens": 12.0},
                model_error="ValueError: x",
                trace_id="tr-1",
            ),
        ),
        reported={"safety/mean": 1.0},
        problem="a trace is missing",
        trials=1,
        reused=True,
        seconds=3.5,
    )

    assert loads(dumps(evidence)) == evidence
