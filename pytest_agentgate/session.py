"""What one session gates: settings, candidate, data, and the one evaluation."""

from __future__ import annotations

import gc
import hashlib
import json
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_agentgate.candidate.model import AgentGateModel
from pytest_agentgate.candidate.reference import ModelReference, ModelVersion
from pytest_agentgate.candidate.registry import Registry, impatient
from pytest_agentgate.dataset.rows import Dataset
from pytest_agentgate.dataset.sources import dataset_from, load_dataset
from pytest_agentgate.errors import InputError, foreign_code
from pytest_agentgate.evaluation.run import (
    COMPLETE,
    Evaluation,
    evaluate,
    prepare_mlflow,
    quiet_warnings,
    read_evaluation,
    run_tags,
)
from pytest_agentgate.evaluation.scorers import (
    check_scorers,
    checked_scorer,
    find_scorers,
    judge_names,
)
from pytest_agentgate.evaluation.shared import SharedEvaluation
from pytest_agentgate.gatefile.load import (
    load_gate_file,
    parse_thresholds,
    thresholds_of,
)
from pytest_agentgate.gatefile.overrides import BoundOverride, override
from pytest_agentgate.gatefile.schema import AliasText, GateFile
from pytest_agentgate.judgement.evidence import Evidence
from pytest_agentgate.judgement.thresholds import Threshold
from pytest_agentgate.options import gate_file_path, refuse_unsupported

if TYPE_CHECKING:
    from mlflow.genai.scorers import Scorer

_WORKERINPUT = "agentgate"


@dataclass(frozen=True, slots=True, kw_only=True)
class Calls:
    """How many calls an evaluation will make."""

    model: int
    judge: int

    def __str__(self) -> str:
        return f"{self.model} model calls and {self.judge} judge calls"


class GateSession:
    """
    Holds what the command line and the gate file ask for.

    Life cycle: made in `pytest_configure` of every process; `prepare` in
    `pytest_sessionstart`, on the controller with the registry and the data, on
    an xdist worker with what the controller found; the evaluation runs when a
    test first asks for it.
    """

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.reference: ModelReference
        self.gates: GateFile
        self.thresholds: tuple[Threshold, ...] = ()
        self.candidate: ModelVersion | None = None
        self.aliases: Mapping[str, str] = {}
        self.dataset: Dataset | None = None
        self.folder: Path | None = None
        self.on_answer: Callable[[], None] = lambda: None
        self._threshold_hooks: set[str] = set()

    # What was asked for

    @property
    def promote_to(self) -> str | None:
        """The alias to promote to, or None where nothing is to be promoted."""
        given: str | None = self.config.getoption("agentgate_promote_to")
        return given or self.gates.promote_to

    @property
    def champion_alias(self) -> str | None:
        """The alias of the version in production."""
        return self.gates.champion or self.promote_to

    @property
    def from_run(self) -> str | None:
        """The stored run to judge again, if any."""
        run_id: str | None = self.config.getoption("agentgate_from_run")
        return run_id

    @property
    def is_worker(self) -> bool:
        """Whether this process is an xdist worker."""
        return hasattr(self.config, "workerinput")

    def gates_digest(self) -> str:
        """Return a digest of every bound that was in force."""
        bounds = [
            {**asdict(threshold), "metric": str(threshold.metric)}
            for threshold in self.thresholds
        ]
        text = json.dumps(bounds, sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    # Start

    def read_gates(self) -> None:
        """
        Read the gate file, the hooks' thresholds and the command line.

        Raises:
            pytest.UsageError: An option is not supported.
            InputError: Something in them is wrong.
        """
        refuse_unsupported(self.config)
        self.reference = ModelReference.parse(self.config.getoption("agentgate_model"))
        self.gates = load_gate_file(gate_file_path(self.config))
        _check_alias(self.config.getoption("agentgate_promote_to"))
        overrides = self.config.getoption("agentgate_threshold")
        self.thresholds = override(
            (*thresholds_of(self.gates), *self._hook_thresholds()),
            [BoundOverride.parse(text) for text in overrides],
        )

    def prepare(self) -> None:
        """
        Find the candidate and the rows, and refuse what cannot be evaluated.

        Raises:
            InputError: With what to do; no model or judge was called.
        """
        prepare_mlflow(self.config.getoption("agentgate_workers"))
        registry = Registry(self.reference.name)
        with impatient(), quiet_warnings():
            self.candidate = registry.resolve(self.reference)
            self.aliases = registry.aliases()
            self.dataset = self._load_dataset()
            if self.from_run is not None:
                self._check_stored_run(self.from_run)
        check_scorers(self.scorers, self.thresholds, self.gates.feedback_names)
        self._check_budget()
        self.folder = Path(tempfile.mkdtemp(prefix="agentgate-"))
        # What was imported stays. Unless told so, pytest's last act is to walk
        # through all of it five times, most of a second where MLflow is loaded.
        gc.freeze()

    def calls(self) -> Calls:
        """Return how many calls the evaluation will make at most."""
        if self.from_run is not None or self.dataset is None:
            return Calls(model=0, judge=0)
        rows = len(self.dataset.rows)
        model = 0 if self.dataset.is_recorded else rows
        return Calls(model=model, judge=rows * len(judge_names(self.scorers)))

    @cached_property
    def scorers(self) -> Sequence[Scorer]:
        """Every scorer of the gate file and of the hooks."""
        found = find_scorers(self.gates.scorers, folder=self._gates_folder)
        what = "pytest_agentgate_scorers failed"
        with foreign_code(InputError, what, "mend the hook"):
            answers = self.config.hook.pytest_agentgate_scorers(
                candidate=self.candidate
            )
            added = [scorer for scorers in answers for scorer in scorers or ()]
        return [*found, *map(checked_scorer, added)]

    # Sharing with xdist workers

    def for_worker(self) -> dict[str, Any]:
        """Return what a worker needs to know, as plain values."""
        if self.candidate is None or self.dataset is None:
            return {}
        return {
            "candidate": asdict(self.candidate),
            "data_digest": self.dataset.digest,
            "folder": str(self.folder),
        }

    def prepare_worker(self) -> None:
        """Take over what the controller found, instead of finding it again."""
        given = self.config.workerinput[_WORKERINPUT]  # type: ignore[attr-defined]
        if given:
            self.candidate = ModelVersion(**given["candidate"])
            self.folder = Path(given["folder"])

    def configure_worker(self, workerinput: dict[str, Any]) -> None:
        """Put what a worker needs into its input."""
        workerinput[_WORKERINPUT] = self.for_worker()

    # For tests

    @property
    def model(self) -> AgentGateModel:
        """The candidate, loadable."""
        if self.candidate is None:
            raise InputError("the candidate is not known under --collect-only")
        return self._model

    @cached_property
    def data(self) -> Dataset:
        """The rows; a worker loads them itself and compares the digest."""
        if self.dataset is not None:
            return self.dataset
        dataset = self._load_dataset()
        given = self.config.workerinput[_WORKERINPUT]  # type: ignore[attr-defined]
        if dataset.digest != given["data_digest"]:
            raise InputError(
                f"data {dataset.source} changed while the session ran; run it again"
            )
        return dataset

    @cached_property
    def shared(self) -> SharedEvaluation:
        """The session's one evaluation."""
        if self.folder is None:
            raise InputError("nothing is evaluated under --collect-only")
        return SharedEvaluation(self.folder, self._evaluate)

    def close(self) -> None:
        """Remove the session's folder; only the controller owns it."""
        if self.folder is not None and not self.is_worker:
            gc.unfreeze()
            shutil.rmtree(self.folder, ignore_errors=True)

    @cached_property
    def _model(self) -> AgentGateModel:
        assert self.candidate is not None
        return AgentGateModel(self.candidate)

    @property
    def _gates_folder(self) -> Path:
        return gate_file_path(self.config).parent

    def _evaluate(self) -> Evidence:
        if self.from_run is not None:
            return read_evaluation(self.from_run, self.data)
        remedy = "mend the hook"
        with foreign_code(InputError, "pytest_agentgate_predict_fn failed", remedy):
            predict = self.config.hook.pytest_agentgate_predict_fn(model=self.model)
        return evaluate(
            Evaluation(
                model=self.model,
                dataset=self.data,
                scorers=self.scorers,
                experiment=self.gates.experiment,
                predict=predict,
                workers=self.config.getoption("agentgate_workers"),
                tags=self._run_tags(),
                on_answer=self.on_answer,
            )
        )

    def _run_tags(self) -> dict[str, str]:
        return {
            "agentgate.model": self.model.name,
            "agentgate.version": self.model.version,
            "agentgate.gates_digest": self.gates_digest(),
            "agentgate.data_digest": self.data.digest,
        }

    def _load_dataset(self) -> Dataset:
        what = "pytest_agentgate_data failed"
        with foreign_code(InputError, what, "mend the hook"):
            given = self.config.hook.pytest_agentgate_data(candidate=self.candidate)
        if given is not None:
            return dataset_from(given, source="pytest_agentgate_data")
        option: str | None = self.config.getoption("agentgate_data")
        if option is not None:
            return load_dataset(option, folder=self.config.invocation_params.dir)
        if self.gates.data is None:
            raise InputError(
                f"gate file {gate_file_path(self.config)} names no data; add data = "
                '"questions.jsonl", or give --agentgate-data=SOURCE'
            )
        return load_dataset(self.gates.data, folder=self._gates_folder)

    def _hook_thresholds(self) -> list[Threshold]:
        path = gate_file_path(self.config)
        what = "pytest_agentgate_thresholds failed"
        with foreign_code(InputError, what, "mend the hook"):
            answers = self.config.hook.pytest_agentgate_thresholds(gate_file=path)
        added: dict[str, Threshold] = {}
        for answer in answers:
            if not isinstance(answer or {}, Mapping):
                raise InputError(
                    f"pytest_agentgate_thresholds returned {answer!r}; return a dict "
                    "of id to a number or a table"
                )
            for threshold in parse_thresholds(
                answer or {},
                self.gates.metric_aliases,
                source="pytest_agentgate_thresholds",
            ):
                if threshold.id in added or threshold.id in self.gates.thresholds:
                    raise InputError(
                        f"pytest_agentgate_thresholds: {threshold.id!r} is declared "
                        "twice; give one of them another id and metric = ..."
                    )
                added[threshold.id] = threshold
        self._threshold_hooks = self._known_threshold_hooks()
        return list(added.values())

    def late_hooks(self) -> tuple[str, ...]:
        """
        Say which thresholds were declared too late to become tests.

        A ``conftest.py`` below the gate folder is loaded during collection, after
        the thresholds were read: what it declares must not be lost silently.
        """
        late = self._known_threshold_hooks() - self._threshold_hooks
        return tuple(
            f"{name} declares thresholds but was loaded after the session started; "
            "move pytest_agentgate_thresholds to the gate folder's conftest.py"
            for name in sorted(late)
        )

    def _known_threshold_hooks(self) -> set[str]:
        found = self.config.hook.pytest_agentgate_thresholds.get_hookimpls()
        return {hook.plugin_name for hook in found}

    def _check_budget(self) -> None:
        calls, limit = self.calls(), self.gates.max_calls
        if limit is not None and calls.model + calls.judge > limit:
            raise InputError(
                f"the evaluation would make {calls}, more than max_calls = {limit}; "
                "raise max_calls or use fewer rows"
            )

    def _check_stored_run(self, run_id: str) -> None:
        assert self.candidate is not None
        assert self.dataset is not None
        tags = run_tags(run_id)
        expected = {
            "agentgate.model": self.candidate.name,
            "agentgate.version": self.candidate.version,
            "agentgate.data_digest": self.dataset.digest,
            COMPLETE[0]: COMPLETE[1],
        }
        for key, value in expected.items():
            if tags.get(key) != value:
                raise InputError(
                    f"--agentgate-from-run={run_id}: the run's {key} is "
                    f"{tags.get(key)!r}, this session's is {value!r}; judge it with "
                    "the same model version and data, or evaluate anew"
                )


def _check_alias(given: str | None) -> None:
    from pydantic import TypeAdapter, ValidationError

    if given is None:
        return
    try:
        TypeAdapter(AliasText).validate_python(given)
    except ValidationError as error:
        why = error.errors()[0]["msg"].removeprefix("Value error, ")
        raise InputError(f"--agentgate-promote-to={given}: {why}") from None


gate_session_key = pytest.StashKey[GateSession]()
