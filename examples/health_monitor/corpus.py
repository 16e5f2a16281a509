"""
The documents the health monitor answers from: the API reference of databricks-sdk.

A document is one public method of a service class, named as it is called:
``clusters.start`` on a ``WorkspaceClient``, ``account.budgets.create`` on an
``AccountClient``, ``settings.automatic_cluster_update.get`` where a service sits
inside another. Services with the same name on both clients (``credentials``,
``metastores``) stay apart this way.
"""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass

from databricks.sdk import AccountClient, WorkspaceClient


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """One method of the SDK and what its docstring says."""

    id: str
    service: str
    class_name: str
    text: str


def build() -> list[Document]:
    """Return every documented method, sorted by id."""
    found = {
        document.id: document
        for client, prefix in ((WorkspaceClient, ""), (AccountClient, "account."))
        for document in _documents(client, prefix)
    }
    return [found[key] for key in sorted(found)]


def lose_half(documents: Iterable[Document]) -> list[Document]:
    """
    Return about half of the documents, always the same ones.

    Which documents are lost depends on their ids alone, as when one of two
    index shards is missing.
    """
    return [document for document in documents if _shard(document.id) == 0]


def to_jsonl(documents: Iterable[Document]) -> str:
    """Return one JSON object a line, the form in which a model carries its corpus."""
    return "".join(json.dumps(asdict(document)) + "\n" for document in documents)


def _shard(document_id: str) -> int:
    return hashlib.sha256(document_id.encode()).digest()[0] % 2


def _documents(owner: type, prefix: str) -> Iterator[Document]:
    for name, service in _services(owner):
        path = f"{prefix}{name}"
        yield from _methods(service, path)
        yield from _documents(service, f"{path}.")


def _services(owner: type) -> Iterator[tuple[str, type]]:
    """The services a client (or a service) offers as properties."""
    for name, member in inspect.getmembers(owner, inspect.isdatadescriptor):
        getter = getattr(member, "fget", None)
        if getter is None:
            continue
        service = _service_class(inspect.get_annotations(getter).get("return"), owner)
        if service is not None:
            yield name, service


def _service_class(annotation: object, owner: type) -> type | None:
    """The API class behind an annotation, below the SDK's own additions to it."""
    found = _resolved(annotation, owner)
    if not isinstance(found, type):
        return None
    return next((base for base in found.__mro__ if _is_api(base)), None)


def _resolved(annotation: object, owner: type) -> object:
    """What a written annotation (``"pkg_iam.UsersAPI"``) stands for."""
    if not isinstance(annotation, str):
        return annotation
    found: object = inspect.getmodule(owner)
    for part in annotation.split("."):
        found = getattr(found, part, None)
    return found


def _is_api(candidate: type) -> bool:
    return candidate.__name__.endswith("API") and candidate.__module__.startswith(
        "databricks.sdk.service."
    )


def _methods(service: type, path: str) -> Iterator[Document]:
    for name, member in inspect.getmembers(service, inspect.isfunction):
        text = inspect.getdoc(member)
        if text and not name.startswith("_"):
            yield Document(
                id=f"{path}.{name}",
                service=service.__module__.rpartition(".")[2],
                class_name=service.__name__,
                text=text,
            )
