from __future__ import annotations

from xml.etree import ElementTree

import pytest

from pytest_agentgate.candidate.reference import ModelVersion
from pytest_agentgate.judgement.decision import Outcome
from pytest_agentgate.judgement.evidence import Evidence
from pytest_agentgate.report.junit import complete
from pytest_agentgate.report.record import Record

SUITE = '<testsuites><testsuite name="pytest">{}<testcase /></testsuite></testsuites>'
OWN = '<properties><property name="own" value="1" /></properties>'


def record_of(**more):
    return Record(
        outcome=Outcome.PROMOTED, model="agent", started_at="2026-01-01", **more
    )


def properties_of(path):
    found = ElementTree.parse(path).getroot().findall("testsuite/properties/property")
    return {each.get("name"): each.get("value") for each in found}


@pytest.mark.parametrize(
    ("before", "own"), [("", {}), (OWN, {"own": "1"})], ids=["none", "some"]
)
def test_the_outcome_becomes_properties_of_the_suite(tmp_path, before, own):
    path = tmp_path / "junit.xml"
    path.write_text(SUITE.format(before))
    record = record_of(
        candidate=ModelVersion(name="agent", version="2"),
        alias="production",
        evidence=Evidence(run_id="r1"),
    )

    complete(path, record)

    assert properties_of(path) == {
        **own,
        "agentgate.outcome": "promoted",
        "agentgate.model": "agent",
        "agentgate.version": "2",
        "agentgate.alias": "production",
        "agentgate.run_id": "r1",
    }
    assert ElementTree.parse(path).getroot().find("testsuite/testcase") is not None


def test_what_is_not_known_is_left_out(tmp_path):
    path = tmp_path / "junit.xml"
    path.write_text(SUITE.format(""))

    complete(path, record_of())

    assert properties_of(path) == {
        "agentgate.outcome": "promoted",
        "agentgate.model": "agent",
    }


def test_a_file_without_a_suite_is_left_alone(tmp_path):
    path = tmp_path / "junit.xml"
    path.write_text("<testsuites />")

    complete(path, record_of())

    assert path.read_text() == "<testsuites />"
