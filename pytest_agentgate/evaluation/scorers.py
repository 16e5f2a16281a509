"""Finding scorers, and refusing what would be noticed only after paying."""

from __future__ import annotations

import importlib
import importlib.util
import re
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from pytest_agentgate.errors import InputError, foreign_code
from pytest_agentgate.judgement.thresholds import OPERATIONAL, Threshold

if TYPE_CHECKING:
    from mlflow.genai.scorers import Scorer

#: MLflow's metric log takes these; it refuses others only after the evaluation.
_LOGGABLE = re.compile(r"[/\w.\- :]+", re.ASCII)
_PLAIN_KINDS = ("decorator", "class")


def find_scorers(references: Sequence[str], *, folder: Path) -> list[Scorer]:
    """
    Return every scorer in the named modules, in the order of their names.

    Args:
        references: Modules beside the gate file, dotted names, or
            ``module:name``.
        folder: The gate file's folder.

    Raises:
        InputError: A module cannot be imported or holds no scorer.
    """
    found: dict[int, Scorer] = {}
    for reference in references:
        for scorer in _scorers_in(reference, folder):
            found.setdefault(id(scorer), scorer)
    return list(found.values())


def check_scorers(
    scorers: Sequence[Scorer],
    thresholds: Sequence[Threshold],
    feedback_names: Mapping[str, Sequence[str]],
) -> None:
    """
    Refuse names that could not be judged once the evaluation is paid for.

    Raises:
        InputError: Two scorers share a name, MLflow cannot log a name, or a
            threshold's metric has no scorer, or two.
    """
    for scorer in scorers:
        _check_name(scorer)
    names = Counter(_feedback(scorers, feedback_names))
    twice = [name for name, count in names.items() if count > 1]
    if twice:
        raise InputError(
            f"{names[twice[0]]} scorers have the name {twice[0]!r}, and MLflow would "
            "mix their scores; rename one of them"
        )
    for threshold in thresholds:
        _check_threshold(threshold, [*names, *OPERATIONAL])


def checked_scorer(value: object) -> Scorer:
    """
    Return what a hook gave, if it is a scorer.

    Raises:
        InputError: It is something else.
    """
    from mlflow.genai.scorers import Scorer

    if isinstance(value, Scorer):
        return value
    raise InputError(
        f"pytest_agentgate_scorers: {value!r} is not an MLflow scorer; decorate the "
        "function with mlflow.genai.scorers.scorer"
    )


def judge_names(scorers: Sequence[Scorer]) -> list[str]:
    """Return the names of the scorers that ask a judge model."""
    return [scorer.name for scorer in scorers if _kind(scorer) not in _PLAIN_KINDS]


def _feedback(
    scorers: Sequence[Scorer], feedback_names: Mapping[str, Sequence[str]]
) -> Iterator[str]:
    known = {scorer.name for scorer in scorers}
    for name in feedback_names:
        if name not in known:
            raise InputError(
                f"feedback_names.{name}: no scorer has this name; "
                f"known: {', '.join(sorted(known)) or 'none'}"
            )
    for scorer in scorers:
        yield from feedback_names.get(scorer.name, [scorer.name])


def _kind(scorer: Scorer) -> str:
    kind = getattr(scorer, "kind", "class")
    return str(getattr(kind, "value", kind))


def _check_name(scorer: Scorer) -> None:
    aggregations = scorer.aggregations or ()
    named = [getattr(each, "__name__", str(each)) for each in aggregations]
    for name in (scorer.name, *named):
        if not _LOGGABLE.fullmatch(name):
            raise InputError(
                f"scorer {scorer.name!r}: MLflow cannot log a metric named {name!r}; "
                "use letters, digits, spaces and _ - . : / only"
            )


def _check_threshold(threshold: Threshold, names: Sequence[str]) -> None:
    spellings = dict.fromkeys((threshold.metric, *threshold.aliases))
    arriving = [metric for metric in spellings if metric.scorer in names]
    if not arriving:
        raise InputError(
            f"threshold {threshold.id!r}: no scorer is named "
            f"{threshold.metric.scorer!r}; known are {', '.join(sorted(names))} "
            "(add a scorer, a metric alias, or feedback_names for what a scorer "
            "returns under other names)"
        )
    if len(arriving) > 1:
        both = " and ".join(str(metric) for metric in arriving)
        raise InputError(
            f"threshold {threshold.id!r} is ambiguous: both {both} would arrive; "
            "remove one scorer or one alias"
        )


def _scorers_in(reference: str, folder: Path) -> list[Scorer]:
    from mlflow.genai.scorers import Scorer  # slow to import

    module_name, _, attribute = reference.partition(":")
    module = _module(module_name, folder)
    if attribute:
        scorer = getattr(module, attribute, None)
        if not isinstance(scorer, Scorer):
            raise InputError(
                f"scorers: {reference!r} is not an MLflow scorer; decorate the "
                "function with mlflow.genai.scorers.scorer"
            )
        return [scorer]
    found = [value for value in vars(module).values() if isinstance(value, Scorer)]
    if not found:
        raise InputError(
            f"scorers: module {module_name!r} holds no MLflow scorer; decorate its "
            "functions with mlflow.genai.scorers.scorer"
        )
    return found


def _module(name: str, folder: Path) -> ModuleType:
    path = folder.joinpath(*name.split(".")).with_suffix(".py")
    remedy = f"scorer modules stand beside the gate file ({folder}) or are importable"
    with (
        foreign_code(InputError, f"scorers: {name!r} cannot be imported", remedy),
        _importable(folder),
    ):
        return _from_file(path) if path.is_file() else importlib.import_module(name)


def _from_file(path: Path) -> ModuleType:
    # A name of its own, so that two gate folders may both have a scorers.py.
    name = f"agentgate_{path.stem}_{abs(hash(str(path.resolve()))):x}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is not a Python module")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


@contextmanager
def _importable(folder: Path) -> Iterator[None]:
    """Let a scorer module import its neighbours while it is imported."""
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))
