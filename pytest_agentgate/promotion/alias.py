"""The registry's part of a promotion: the alias, and the tags that prove it."""

from __future__ import annotations

import hashlib
import os
import shlex
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from filelock import FileLock, Timeout

from pytest_agentgate.candidate.reference import ModelReference, ModelVersion
from pytest_agentgate.candidate.registry import Registry
from pytest_agentgate.errors import AgentGateError, RegistryError, one_line
from pytest_agentgate.judgement.decision import Outcome
from pytest_agentgate.promotion.transaction import (
    Journal,
    Promotion,
    Step,
    StepOutcome,
    run_steps,
)

_LOCK_PATIENCE = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PromotionPlan:
    """
    What is to be promoted, and what was true when it was judged.

    `previous` is the version behind `alias` at the start, None where there was
    none; `champion` the version behind `champion_alias`, likewise.
    """

    reference: ModelReference
    candidate: ModelVersion
    alias: str
    previous: str | None
    champion_alias: str
    champion: str | None
    tags: Mapping[str, str] = field(default_factory=dict)

    def sentences(self) -> tuple[str, ...]:
        """Say what carrying it out would change."""
        if self.previous == self.candidate.version:
            same = f"already points to version {self.candidate.version}"
            return (f"alias {self.alias!r} {same}; nothing would change",)
        before = f"from version {self.previous}" if self.previous else "(new)"
        version, tags = self.candidate.version, ", ".join(sorted(self.tags))
        return (
            f"alias {self.alias!r} would move {before} to version {version}",
            f"version {version} would be tagged {tags}",
        )


def promote(plan: PromotionPlan, registry: Registry, journal: Journal) -> Promotion:
    """Carry the plan out, unless the registry is not what it was."""
    try:
        with _alone(registry):
            if moved := _moved(plan, registry):
                return Promotion(outcome=Outcome.STOPPED, reasons=(moved,))
            steps: list[Step] = [AliasStep(plan, registry), TagStep(plan, registry)]
            done = run_steps(steps, journal)
            was_there = plan.previous == plan.candidate.version
            if was_there and done.outcome is Outcome.PROMOTED:
                # Only tags were missing, after a killed promotion, say.
                return replace(done, outcome=Outcome.ALREADY_PROMOTED)
            return done
    except Timeout:
        reason = f"another promotion of {plan.candidate.name} is under way"
        return Promotion(outcome=Outcome.STOPPED, reasons=(reason,))
    except (AgentGateError, OSError) as error:
        reason = one_line(error)
        return Promotion(outcome=Outcome.STOPPED, reasons=(reason,))


class AliasStep:
    """Points the alias to the candidate and reads it back."""

    name = "set alias"

    def __init__(self, plan: PromotionPlan, registry: Registry) -> None:
        self._plan = plan
        self._registry = registry

    def prepare(self) -> None:
        """The plan knows what was there, and it was read again just before."""

    def run(self) -> tuple[StepOutcome, str]:
        """Set the alias unless it is right already."""
        alias, version = self._plan.alias, self._plan.candidate.version
        if self._plan.previous == version:
            return StepOutcome.ALREADY, f"{alias} = version {version}"
        try:
            self._registry.set_alias(alias, version)
        except AgentGateError:
            # The server may have acted before the answer was lost.
            if self._registry.aliases().get(alias) != version:
                raise
        found = self._registry.aliases().get(alias)
        if found != version:
            raise RegistryError(
                f"alias {alias!r} reads back as version {found}, not {version}"
            )
        return StepOutcome.DONE, f"{alias} = version {version}, was {self._before}"

    def undo(self) -> str:
        """Put the alias back, unless somebody else has moved it on."""
        plan = self._plan
        found = self._registry.aliases().get(plan.alias)
        if plan.previous == plan.candidate.version:
            return f"{plan.alias} = version {found}"
        if found == plan.candidate.version:
            if plan.previous is None:
                self._registry.delete_alias(plan.alias)
            else:
                self._registry.set_alias(plan.alias, plan.previous)
            found = self._registry.aliases().get(plan.alias)
        if found == plan.candidate.version:
            raise RegistryError(f"alias {plan.alias!r} is still version {found}")
        return f"{plan.alias} = {f'version {found}' if found else 'unset'}"

    def undo_command(self) -> str:
        """Return a Python one-liner over MlflowClient."""
        plan, name = self._plan, self._plan.candidate.name
        if plan.previous is None:
            call = f"delete_registered_model_alias({name!r}, {plan.alias!r})"
        else:
            call = (
                f"set_registered_model_alias({name!r}, {plan.alias!r}, "
                f"{plan.previous!r})"
            )
        return _python(call)

    @property
    def _before(self) -> str:
        return f"version {self._plan.previous}" if self._plan.previous else "unset"


class TagStep:
    """Tags the version with what it was promoted on."""

    name = "tag version"

    def __init__(self, plan: PromotionPlan, registry: Registry) -> None:
        self._plan = plan
        self._registry = registry
        self._before: dict[str, str] = {}

    def prepare(self) -> None:
        """Remember the tags that would be overwritten."""
        found = self._registry.version_tags(self._plan.candidate.version)
        self._before = {key: found[key] for key in self._plan.tags if key in found}

    def run(self) -> tuple[StepOutcome, str]:
        """Set the tags; a version promoted before keeps those it has."""
        version = self._plan.candidate.version
        if self._plan.previous == version and len(self._before) == len(self._plan.tags):
            return StepOutcome.ALREADY, "tags are set"
        for key, value in self._plan.tags.items():
            self._registry.set_version_tag(version, key, value)
        return StepOutcome.DONE, ", ".join(self._plan.tags)

    def undo(self) -> str:
        """Put the tags back."""
        version = self._plan.candidate.version
        present = self._registry.version_tags(version)
        for key in self._plan.tags:
            if key in self._before:
                self._registry.set_version_tag(version, key, self._before[key])
            elif key in present:
                self._registry.delete_version_tag(version, key)
        return "tags put back"

    def undo_command(self) -> str:
        """Return Python one-liners over MlflowClient."""
        name, version = self._plan.candidate.name, self._plan.candidate.version
        calls = [
            f"set_model_version_tag({name!r}, {version!r}, {key!r}, "
            f"{self._before[key]!r})"
            if key in self._before
            else f"delete_model_version_tag({name!r}, {version!r}, {key!r})"
            for key in self._plan.tags
        ]
        return " && ".join(_python(call) for call in calls)


def _python(call: str) -> str:
    code = f"import mlflow; mlflow.MlflowClient().{call}"
    return f"python -c {shlex.quote(code)}"


def _moved(plan: PromotionPlan, registry: Registry) -> str | None:
    """Say what changed since the candidate was judged, if anything did."""
    candidate = registry.version(plan.candidate.version)
    if candidate != plan.candidate:
        return f"{plan.candidate} changed while it was judged; judge it again"
    aliases = registry.aliases()
    expected = {plan.champion_alias: plan.champion, plan.alias: plan.previous}
    if plan.reference.alias is not None:
        expected.setdefault(plan.reference.alias, plan.candidate.version)
    for alias, version in expected.items():
        if aliases.get(alias) != version:
            return (
                f"alias {alias!r} moved from version {version} to "
                f"{aliases.get(alias)} while the candidate was judged; run again"
            )
    return None


@contextmanager
def _alone(registry: Registry) -> Iterator[None]:
    """
    Keep other promotions of this model on this machine out.

    Raises:
        Timeout: Another one is under way.
    """
    key = hashlib.sha256(f"{registry.location()}\n{registry.name}".encode())
    folder = Path(tempfile.gettempdir()) / f"agentgate-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    with FileLock(folder / f"{key.hexdigest()[:24]}.lock", timeout=_LOCK_PATIENCE):
        yield
