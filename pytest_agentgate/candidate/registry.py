"""The model registry, through MlflowClient alone."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from pytest_agentgate.candidate.reference import ModelReference, ModelVersion
from pytest_agentgate.errors import AgentGateError, InputError, RegistryError, one_line

if TYPE_CHECKING:
    from mlflow import MlflowClient

#: Seconds and attempts that bound how long a dead server keeps a user waiting.
_PATIENCE = {
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
}
_READY = "READY"


@contextmanager
def impatient() -> Iterator[None]:
    """Let MLflow give up on a server within half a minute, not after minutes."""
    before = {name: os.environ.get(name) for name in _PATIENCE}
    os.environ.update(
        {name: value for name, value in _PATIENCE.items() if before[name] is None}
    )
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)


class Registry:
    """
    Reads and writes versions, aliases and tags of one registered model.

    Every failure becomes a `RegistryError`; "does not exist" is told apart from
    all others, because only that may mean that there is no champion.
    """

    def __init__(self, name: str) -> None:
        self.name = name

    def resolve(self, reference: ModelReference) -> ModelVersion:
        """
        Return the one version that `reference` means now.

        Raises:
            InputError: There is no such model, version or alias, or it is not
                READY.
            RegistryError: The registry could not be read.
        """
        try:
            return self._resolved(reference)
        except AgentGateError as error:
            message = f"--agentgate-model={reference}: {error}"
            raise type(error)(message) from error

    def version(self, version: str) -> ModelVersion:
        """Read one version again."""
        with _translated(f"model version {self.name}/{version}"):
            return _value(_client().get_model_version(self.name, version))

    def aliases(self) -> dict[str, str]:
        """Return every alias of the model with the version behind it."""
        with _translated(f"registered model {self.name!r}"):
            model = _client().get_registered_model(self.name)
        return {alias: str(version) for alias, version in model.aliases.items()}

    def version_tags(self, version: str) -> dict[str, str]:
        """Return the tags of a version."""
        with _translated(f"model version {self.name}/{version}"):
            tags: Mapping[str, str] = (
                _client().get_model_version(self.name, version).tags
            )
        return dict(tags)

    def set_alias(self, alias: str, version: str) -> None:
        """Point `alias` to `version`."""
        with _translated(f"alias {alias!r} of {self.name!r}"):
            _client().set_registered_model_alias(self.name, alias, version)

    def delete_alias(self, alias: str) -> None:
        """Remove `alias` from the model."""
        with _translated(f"alias {alias!r} of {self.name!r}"):
            _client().delete_registered_model_alias(self.name, alias)

    def set_version_tag(self, version: str, key: str, value: str) -> None:
        """Set one tag of a version."""
        with _translated(f"tag {key!r} of {self.name}/{version}"):
            _client().set_model_version_tag(self.name, version, key, value)

    def delete_version_tag(self, version: str, key: str) -> None:
        """Remove one tag of a version."""
        with _translated(f"tag {key!r} of {self.name}/{version}"):
            _client().delete_model_version_tag(self.name, version, key)

    def location(self) -> str:
        """Return the registry's URI, without credentials."""
        import mlflow  # slow to import; only a requested session comes here

        return one_line(mlflow.get_registry_uri())

    def _resolved(self, reference: ModelReference) -> ModelVersion:
        if reference.alias is not None:
            version = self.aliases().get(reference.alias)
            if version is None:
                raise InputError(
                    f"the model {self.name!r} has no alias {reference.alias!r}; "
                    f"{self._known_aliases()}"
                )
            return _ready(self.version(version))
        if reference.version is not None:
            return _ready(self.version(reference.version))
        return self._newest()

    def _newest(self) -> ModelVersion:
        self.aliases()  # tells a model that does not exist from one without versions
        with _translated(f"versions of {self.name!r}"):
            found = list(_client().search_model_versions(f"name='{self.name}'"))
        ready = [version for version in found if version.status == _READY]
        if not ready:
            states = ", ".join(sorted({str(version.status) for version in found}))
            raise InputError(
                f"the model has no READY version "
                f"({len(found)} versions{': ' + states if states else ''}); "
                "log and register one first"
            )
        return _value(max(ready, key=lambda version: int(version.version)))

    def _known_aliases(self) -> str:
        known = sorted(self.aliases())
        return f"it has {', '.join(known)}" if known else "it has none"


def _client() -> MlflowClient:
    from mlflow import MlflowClient

    return MlflowClient()


def _ready(version: ModelVersion) -> ModelVersion:
    if version.status == _READY:
        return version
    raise InputError(
        f"version {version.version} is {version.status}, not READY; wait for it, or "
        "name another version"
    )


def _value(entity: Any) -> ModelVersion:
    return ModelVersion(
        name=entity.name,
        version=str(entity.version),
        status=str(entity.status),
        source=entity.source or "",
        model_id=_model_id(entity),
        run_id=entity.run_id or None,
    )


def _model_id(entity: Any) -> str | None:
    # Some stores leave model_id empty and keep it in the source alone.
    match = re.fullmatch(r"models:/(m-[^/]+)", entity.source or "")
    return getattr(entity, "model_id", None) or (match[1] if match else None)


@contextmanager
def _translated(what: str) -> Iterator[None]:
    """Turn what the registry's clients raise into errors with a remedy."""
    from mlflow.exceptions import MlflowException
    from requests.exceptions import RequestException
    from sqlalchemy.exc import SQLAlchemyError  # what a store's database raises

    try:
        yield
    except MlflowException as error:
        raise _error(what, str(error.error_code), str(error)) from error
    except (RequestException, OSError) as error:
        raise _error(what, "", str(error)) from error
    except SQLAlchemyError as error:
        raise _error(what, "", f"{type(error).__name__}: {error}") from error


def _error(what: str, code: str, message: str) -> InputError | RegistryError:
    if code in ("RESOURCE_DOES_NOT_EXIST", "NOT_FOUND"):
        return InputError(
            f"{what} does not exist in the registry; check the name and "
            "MLFLOW_REGISTRY_URI, and log the model first"
        )
    if code in ("PERMISSION_DENIED", "UNAUTHENTICATED", "CUSTOMER_UNAUTHORIZED"):
        return InputError(
            f"{what}: permission denied; check the credentials and the grants of the "
            f"user that runs pytest ({message})"
        )
    return RegistryError(
        f"{what}: the registry did not answer as it should; check MLFLOW_TRACKING_URI "
        f"and MLFLOW_REGISTRY_URI, and that the server is up ({message})"
    )
