"""The one place that calls `mlflow.genai.evaluate`."""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from pytest_agentgate.candidate.model import AgentGateModel
from pytest_agentgate.dataset.rows import Dataset, Row
from pytest_agentgate.errors import (
    AgentGateError,
    EvaluationError,
    foreign_code,
    redacted,
)
from pytest_agentgate.evaluation.predict import (
    ROW_KEY,
    Asking,
    Predict,
    RowFinder,
    model_asking,
    traced,
)
from pytest_agentgate.evaluation.readback import rows_of, stored_traces
from pytest_agentgate.judgement.evidence import Evidence

if TYPE_CHECKING:
    from mlflow.entities import Run
    from mlflow.genai.scorers import Scorer

DEFAULT_EXPERIMENT = "agentgate"

#: The tag of a run whose evaluation went to its end and was read back whole.
COMPLETE = ("agentgate.evaluation", "complete")
DEFAULT_WORKERS = 10
_WORKERS = "MLFLOW_GENAI_EVAL_MAX_WORKERS"


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """
    Everything one evaluation needs.

    `workers` is the number of rows in flight, None for MLflow's setting or ours.
    `tags` go on the MLflow run.
    """

    model: AgentGateModel
    dataset: Dataset
    scorers: Sequence[Scorer]
    experiment: str | None = None
    predict: Predict | None = None
    workers: int | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    on_answer: Callable[[], None] = lambda: None


def prepare_mlflow(workers: int | None) -> None:
    """
    Set up what MLflow reads once: before it is imported and opens a store.

    Its notes about database engines are left out. The SQL connection pool gets
    room for the evaluation's threads.

    A thread that writes a trace holds one connection and waits for a second;
    with the default pool of 15 they end up waiting for each other, and MLflow
    drops their rows. Each of the threads below may need two.
    """
    threads = (
        2 * (workers or _configured_workers()) + 10
    )  # predicting, scoring, and MLflow's exporters
    os.environ.setdefault("MLFLOW_SQLALCHEMYSTORE_POOL_SIZE", str(2 * threads))
    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")


def evaluate(evaluation: Evaluation) -> Evidence:
    """
    Run the evaluation in one MLflow run and read it back.

    Raises:
        EvaluationError: No run could be started, or the model cannot be loaded.
            What goes wrong later is in the evidence's `problem`.
    """
    started = time.monotonic()
    what, remedy = "the evaluation could not be stored", "see MLflow's own log"
    with (
        quiet_warnings(),
        _settings(evaluation.workers),
        foreign_code(EvaluationError, what, remedy),
    ):
        evidence = _evaluate_in_run(evaluation, _predict(evaluation))
    return replace(evidence, seconds=round(time.monotonic() - started, 3))


def read_evaluation(run_id: str, dataset: Dataset) -> Evidence:
    """
    Read a stored evaluation again, without a model or scorer call.

    Raises:
        EvaluationError: The run does not exist or cannot be read.
    """
    import mlflow  # slow to import; only a requested session comes here

    with foreign_code(
        EvaluationError,
        f"--agentgate-from-run={run_id}: the run cannot be read",
        "name a run of an earlier agentgate evaluation on this tracking server",
    ):
        evidence = _read_back(mlflow.get_run(run_id), dataset, ())
    return replace(evidence, reused=True)


def run_tags(run_id: str) -> dict[str, str]:
    """
    Return the tags of a run.

    Raises:
        EvaluationError: The run does not exist or cannot be read.
    """
    import mlflow

    with foreign_code(
        EvaluationError,
        f"--agentgate-from-run={run_id}: the run cannot be read",
        "name a run of an earlier agentgate evaluation on this tracking server",
    ):
        return dict(mlflow.get_run(run_id).data.tags)


def log_record(run_id: str, record: str, tags: Mapping[str, str]) -> None:
    """
    Log the session's record to the evaluation's run.

    Raises:
        EvaluationError: The tracking server refused it.
    """
    import mlflow

    with foreign_code(EvaluationError, "the record could not be logged", "see MLflow"):
        client = mlflow.MlflowClient()
        client.log_text(run_id, record, "agentgate/record.json")
        for key, value in tags.items():
            client.set_tag(run_id, key, value)


def run_link(run_id: str, experiment_id: str) -> str:
    """Return a URL of the run where the tracking server has a page, else its id."""
    import mlflow

    uri = redacted(mlflow.get_tracking_uri())
    parts = urlsplit(uri)
    if parts.scheme not in ("http", "https"):
        return f"{run_id} (in {uri})"
    host = parts.netloc.rpartition("@")[2]
    return (
        f"{parts.scheme}://{host}{parts.path.rstrip('/')}/#/experiments/{experiment_id}"
        f"/evaluation-runs?selectedRunUuid={run_id}"
    )


def _predict(evaluation: Evaluation) -> Predict | None:
    if evaluation.dataset.is_recorded:
        return None
    rows = evaluation.dataset.rows
    if evaluation.predict is None:
        asking = model_asking(evaluation.model, rows)
    else:
        asking = Asking(predict=evaluation.predict)
    return traced(asking, RowFinder.over(rows), on_answer=evaluation.on_answer)


def _evaluate_in_run(evaluation: Evaluation, predict: Predict | None) -> Evidence:
    import mlflow

    _choose_experiment(evaluation.experiment)
    nested = mlflow.active_run() is not None
    name = f"agentgate {evaluation.model.registered}"
    tags = dict(evaluation.tags)
    with mlflow.start_run(run_name=name, nested=nested, tags=tags) as run:
        problem = _call_mlflow(evaluation, predict)
    names = [scorer.name for scorer in evaluation.scorers]
    evidence = _read_back(mlflow.get_run(run.info.run_id), evaluation.dataset, names)
    if problem is None and evidence.problem is None:
        mlflow.MlflowClient().set_tag(run.info.run_id, *COMPLETE)
    return replace(evidence, problem=problem or evidence.problem)


def _call_mlflow(evaluation: Evaluation, predict: Predict | None) -> str | None:
    import mlflow

    try:
        with foreign_code(
            EvaluationError, "mlflow.genai.evaluate failed", "see the run for its log"
        ):
            mlflow.genai.evaluate(
                data=_records(evaluation.dataset, predict is None),
                scorers=list(evaluation.scorers),
                predict_fn=predict,
                model_id=evaluation.model.registered.model_id,
            )
    except AgentGateError as error:
        return str(error)
    return None


def _read_back(run: Run, dataset: Dataset, names: Sequence[str]) -> Evidence:
    run_id, experiment_id = run.info.run_id, run.info.experiment_id
    rows, problem = rows_of(stored_traces(run_id, experiment_id), dataset)
    arrived = sorted({name for row in rows for name in row.scores})
    return Evidence(
        run_id=run_id,
        experiment_id=experiment_id,
        run_link=run_link(run_id, experiment_id),
        data_source=dataset.source,
        data_digest=dataset.digest,
        scorers=tuple(names or arrived),
        rows=rows,
        reported=dict(run.data.metrics),
        problem=problem,
    )


def _records(dataset: Dataset, is_recorded: bool) -> list[dict[str, Any]]:
    finder = RowFinder.over(dataset.rows)
    return [_record(row, finder, is_recorded) for row in dataset.rows]


def _record(row: Row, finder: RowFinder, is_recorded: bool) -> dict[str, Any]:
    record: dict[str, Any] = {
        "inputs": dict(row.inputs),
        "expectations": dict(row.expectations),
    }
    if is_recorded:
        record["outputs"] = row.outputs
    if is_recorded or not finder.is_found(row):
        record["tags"] = {**row.tags, ROW_KEY: row.key}
    return record


def _choose_experiment(name: str | None) -> None:
    import mlflow

    chosen = os.environ.get("MLFLOW_EXPERIMENT_ID") or os.environ.get(
        "MLFLOW_EXPERIMENT_NAME"
    )
    if name is not None or not chosen:
        # Predictions run in threads, which see the global experiment alone.
        mlflow.set_experiment(name or DEFAULT_EXPERIMENT)


@contextmanager
def _settings(workers: int | None) -> Iterator[None]:
    """
    Set MLflow's evaluation up for a gate, as far as the user has not.

    One call a row instead of an extra one for row 0, no throttle beyond the
    number of workers, and that number.
    """
    ours = {
        _WORKERS: str(workers or _configured_workers()),
        "MLFLOW_GENAI_EVAL_PREDICT_RATE_LIMIT": "0",
        "MLFLOW_GENAI_EVAL_SKIP_TRACE_VALIDATION": "true",
    }
    before = {name: os.environ.get(name) for name in ours}
    asked = {name for name in ours if before[name] is None or name == _WORKERS}
    os.environ.update({name: ours[name] for name in asked})
    try:
        yield
    finally:
        for name in asked:
            _restore(name, before[name])


def _configured_workers() -> int:
    configured = os.environ.get(_WORKERS, "")
    return int(configured) if configured.isdigit() else DEFAULT_WORKERS


def _restore(name: str, value: str | None) -> None:
    if value is None:
        os.environ.pop(name, None)
    else:
        os.environ[name] = value


@contextmanager
def quiet_warnings() -> Iterator[None]:
    """Keep the session's -W error out of what a model or MLflow may warn about."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
