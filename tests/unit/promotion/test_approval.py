from __future__ import annotations

import pytest

from pytest_agentgate.candidate.reference import ModelVersion
from pytest_agentgate.promotion.approval import approval_missing

CANDIDATE = ModelVersion(name="agent", version="2")


class Tagged:
    """As much of a registry as an approval needs."""

    def __init__(self, **tags):
        self._tags = tags

    def version_tags(self, version):
        assert version == "2"
        return self._tags


@pytest.mark.parametrize("value", ["approved", "Approved", "APPROVED", " approved "])
def test_the_tag_approves_in_any_case(value):
    assert approval_missing(Tagged(approval=value), CANDIDATE, "approval") is None


def test_without_a_tag_asked_for_no_approval_is_needed():
    assert approval_missing(Tagged(), CANDIDATE, None) is None


@pytest.mark.parametrize(
    ("tags", "found"),
    [
        pytest.param({}, "is not set", id="not-set"),
        pytest.param({"approval": ""}, "is ''", id="empty"),
        pytest.param({"approval": "rejected"}, "is 'rejected'", id="rejected"),
        pytest.param({"approval": "not approved"}, "is 'not approved'", id="negated"),
        pytest.param({"other": "approved"}, "is not set", id="another-tag"),
    ],
)
def test_anything_else_says_what_to_do(tags, found):
    assert approval_missing(Tagged(**tags), CANDIDATE, "approval") == (
        f"the tag 'approval' of agent/2 {found}; set it to 'approved' and run again "
        "(--agentgate-from-run judges this evaluation without new calls)"
    )
