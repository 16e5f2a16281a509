"""What the gates measure: deterministic scorers, no judge model, no network."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from typing import Any

from mlflow.genai.scorers import scorer

from pytest_agentgate import response_text

#: Token F1 from which three quoted sentences count as the human's answer.
RIGHT_FROM = 0.4

_CITATION = re.compile(r"\[(p[0-9a-f]+)\]")
_ABSTENTION = re.compile(r"\bI don't know\b", re.IGNORECASE)
_WORD = re.compile(r"\w+")
_ARTICLES = frozenset(("a", "an", "the"))


@scorer
def right(*, outputs: Any, expectations: Mapping[str, Any]) -> bool:
    """Whether it is near a human's answer, or an abstention where there is none."""
    text = response_text(outputs)
    if not expectations["answers"]:
        return abstains(text)
    return best_f1(text, expectations) >= RIGHT_FROM


@scorer
def token_f1(*, outputs: Any, expectations: Mapping[str, Any]) -> float:
    """Overlap with the nearest human answer; gates select the answerable rows."""
    return best_f1(response_text(outputs), expectations)


@scorer
def right_passage(*, outputs: Any, expectations: Mapping[str, Any]) -> bool:
    """Whether the cited passage is the one the human was given."""
    return expectations["passage_id"] in _CITATION.findall(response_text(outputs))


@scorer
def abstains_rightly(*, outputs: Any, expectations: Mapping[str, Any]) -> bool:
    """Whether it answers what can be answered, and nothing else."""
    return abstains(response_text(outputs)) != bool(expectations["answers"])


@scorer
def names_its_source(*, outputs: Any) -> bool:
    """Whether whoever reads the answer can look it up."""
    text = response_text(outputs)
    return abstains(text) or len(_CITATION.findall(text)) == 1


def abstains(text: str) -> bool:
    """An answer that cites something is no abstention, whatever else it says."""
    return bool(_ABSTENTION.search(text)) and not _CITATION.search(text)


def best_f1(text: str, expectations: Mapping[str, Any]) -> float:
    """Return the F1 with the nearest human answer, 0 where there is none."""
    if abstains(text):
        return 0.0
    said = _tokens(_CITATION.sub(" ", text))
    return max((f1(said, _tokens(a)) for a in expectations["answers"]), default=0.0)


def f1(said: Counter[str], expected: Counter[str]) -> float:
    """Return the harmonic mean of precision and recall over tokens."""
    shared = (said & expected).total()
    return 2 * shared / (said.total() + expected.total()) if shared else 0.0


def _tokens(text: str) -> Counter[str]:
    return Counter(w for w in _WORD.findall(text.lower()) if w not in _ARTICLES)
