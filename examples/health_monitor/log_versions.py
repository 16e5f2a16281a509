"""
Log three versions of the health monitor whose quality really differs.

They go to whatever tracking server and registry MLflow is configured for::

    python -m examples.health_monitor.log_versions --name health_monitor_agent
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click
import mlflow
from mlflow import MlflowClient

from examples.health_monitor import corpus

MODEL_NAME = "health_monitor_agent"

_AGENT = Path(__file__).with_name("agent.py")
_REQUIREMENTS = ("mlflow", "bm25s", "numpy", "snowballstemmer")
_LABEL_TAG = "health_monitor.label"
_DIGEST_TAG = "health_monitor.content_digest"


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """What one version is made of, apart from the code they all share."""

    label: str
    description: str
    retriever: str
    min_confidence: float
    documents: Sequence[corpus.Document]

    @property
    def model_config(self) -> dict[str, Any]:
        """What the agent reads when it is loaded."""
        return {"retriever": self.retriever, "min_confidence": self.min_confidence}

    def digest(self) -> str:
        """Identify the content, so that the same version is never logged twice."""
        parts = (
            _AGENT.read_text(encoding="utf-8"),
            corpus.to_jsonl(self.documents),
            json.dumps(self.model_config, sort_keys=True),
            " ".join(_REQUIREMENTS),
        )
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def variants() -> list[Variant]:
    """Return the three versions in the order in which they are logged."""
    documents = corpus.build()
    return [
        Variant(
            label="overlap",
            description="Counts shared words and always answers.",
            retriever="overlap",
            min_confidence=0.0,
            documents=documents,
        ),
        Variant(
            label="bm25",
            description="BM25 with stems and synonyms; says so when it does not know.",
            retriever="bm25",
            min_confidence=3.5,
            documents=documents,
        ),
        Variant(
            label="bm25-half-index",
            description="As bm25, but half of the documents are missing.",
            retriever="bm25",
            min_confidence=3.5,
            documents=corpus.lose_half(documents),
        ),
    ]


def log_versions(name: str = MODEL_NAME) -> list[tuple[str, str]]:
    """Log what is not in the registry yet; return every (version, label)."""
    known = _known_versions(name)
    return [
        (known.get(variant.digest()) or _log(variant, name), variant.label)
        for variant in variants()
    ]


def _known_versions(name: str) -> dict[str, str]:
    found = MlflowClient().search_model_versions(f"name = '{name}'")
    return {v.tags[_DIGEST_TAG]: str(v.version) for v in found if _DIGEST_TAG in v.tags}


def _log(variant: Variant, name: str) -> str:
    with TemporaryDirectory() as folder, mlflow.start_run(run_name=variant.label):
        path = Path(folder, "corpus.jsonl")
        path.write_text(corpus.to_jsonl(variant.documents), encoding="utf-8")
        logged = mlflow.pyfunc.log_model(
            name=variant.label,
            python_model=str(_AGENT),
            artifacts={"corpus": str(path)},
            model_config=variant.model_config,
            pip_requirements=list(_REQUIREMENTS),
            registered_model_name=name,
        )
    version = str(logged.registered_model_version)
    _describe(name, version, variant)
    return version


def _describe(name: str, version: str, variant: Variant) -> None:
    client = MlflowClient()
    client.update_model_version(name, version, description=variant.description)
    client.set_model_version_tag(name, version, _LABEL_TAG, variant.label)
    # Last: a version without the digest is one whose logging did not finish.
    client.set_model_version_tag(name, version, _DIGEST_TAG, variant.digest())


@click.command(help="Log the three versions of the health monitor.")
@click.option("--name", default=MODEL_NAME, show_default=True, help="Registered model")
@click.option("--tracking-uri", help="Tracking server, instead of MLflow's setting")
@click.option("--experiment", help="Experiment of the logging runs")
def main(name: str, tracking_uri: str | None, experiment: str | None) -> None:
    """Print one line per version, newly logged or not."""
    if tracking_uri:
        mlflow.set_tracking_uri(tracking_uri)
    if experiment:
        mlflow.set_experiment(experiment)
    for version, label in log_versions(name):
        click.echo(f"models:/{name}/{version}  {label}")


if __name__ == "__main__":
    main()
