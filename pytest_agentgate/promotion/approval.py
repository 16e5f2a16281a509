"""A human's word: a tag of the model version, as Databricks deployment jobs set it."""

from __future__ import annotations

from pytest_agentgate.candidate.reference import ModelVersion
from pytest_agentgate.candidate.registry import Registry

_APPROVED = "approved"


def approval_missing(
    registry: Registry, candidate: ModelVersion, tag: str | None
) -> str | None:
    """
    Return what to do where the candidate lacks an approval that is required.

    Raises:
        RegistryError: The tags could not be read.
    """
    if tag is None:
        return None
    value = registry.version_tags(candidate.version).get(tag)
    if value is not None and value.strip().lower() == _APPROVED:
        return None
    found = "is not set" if value is None else f"is {value!r}"
    return (
        f"the tag {tag!r} of {candidate} {found}; set it to 'approved' and run again "
        "(--agentgate-from-run judges this evaluation without new calls)"
    )
