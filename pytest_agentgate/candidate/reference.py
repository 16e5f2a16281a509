"""How a user names a model version on the command line."""

from __future__ import annotations

import re
from dataclasses import dataclass

from pytest_agentgate.errors import InputError

_OPTION = "--agentgate-model"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelReference:
    """``NAME``, ``NAME/VERSION`` or ``NAME@ALIAS``; at most one of the two is set."""

    name: str
    version: str | None = None
    alias: str | None = None

    @classmethod
    def parse(cls, text: str) -> ModelReference:
        """
        Read a model reference; a leading ``models:/`` is accepted.

        Raises:
            InputError: It does not name a registered model.
        """
        plain = text.strip().removeprefix("models:/").lstrip("/")
        match = re.fullmatch(r"([^/@'\"\s:]+)(?:/([^/@]+)|@([\w-]+))?", plain)
        if match is None:
            raise InputError(
                f"{_OPTION}={text}: write NAME, NAME/VERSION or NAME@ALIAS, where "
                "NAME is a registered model, in Unity Catalog catalog.schema.model"
            )
        name, version, alias = match.groups()
        if version is not None and not re.fullmatch(r"[1-9]\d*", version):
            raise InputError(
                f"{_OPTION}={text}: {version!r} is not a version number; write "
                f"{name}/3, {name}@{version} for an alias, or {name} for the newest"
            )
        return cls(name=name, version=version, alias=alias)

    def __str__(self) -> str:
        if self.version is not None:
            return f"{self.name}/{self.version}"
        return f"{self.name}@{self.alias}" if self.alias else self.name


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelVersion:
    """
    One version of a registered model, as the registry described it.

    `source` and `model_id` identify what the version holds; they tell whether
    the version was replaced meanwhile. `tags` are as read, not kept up to date.
    """

    name: str
    version: str
    status: str = "READY"
    source: str = ""
    model_id: str | None = None
    run_id: str | None = None

    @property
    def uri(self) -> str:
        """The URI under which MLflow loads exactly this version."""
        return f"models:/{self.name}/{self.version}"

    def __str__(self) -> str:
        return f"{self.name}/{self.version}"
