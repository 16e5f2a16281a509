"""
An agent that answers questions by quoting the passage that fits best.

BM25 over the passages it was logged with, no language model behind it: its
answers can be reproduced, and its quality is the quality of its index.

MLflow copies this one file into the logged model, so it imports nothing of this
repository.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bm25s  # type: ignore[import-untyped]
import mlflow
import numpy as np
from mlflow.pyfunc.model import ResponsesAgent
from mlflow.types.responses import ResponsesAgentRequest, ResponsesAgentResponse
from mlflow.types.responses_helpers import OutputItem

#: The whole answer when no passage speaks of the question. Scorers look for it.
ABSTENTION = "I don't know: no passage answers this."

_QUOTED = 3
_WORD = re.compile(r"\w+")
_ENDING = re.compile(r"(?:ing|ed|es|s|ly)$")
_STOP_WORDS_TEXT = """
a an and are as at be by did do does for from had has have how in is it its of on or s
that the their to was were what when where which who whom whose why will with
"""
_STOP_WORDS = frozenset(_STOP_WORDS_TEXT.split())


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """A passage as it was indexed."""

    id: str
    title: str
    sentences: Sequence[str]

    @property
    def words(self) -> list[str]:
        return words(" ".join((self.title, *self.sentences)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """The best passage, and how much of the question it speaks of (0 to 1)."""

    passage: Passage
    coverage: float


def words(text: str) -> list[str]:
    """Return the words that say what a text is about, without their endings."""
    plain = [word for word in _WORD.findall(text.lower()) if word not in _STOP_WORDS]
    return [_ENDING.sub("", word) if len(word) > 4 else word for word in plain]


class Index:
    """Ranks passages by BM25."""

    def __init__(self, passages: Sequence[Passage]) -> None:
        self._passages = passages
        self._words = [frozenset(passage.words) for passage in passages]
        self._found_in = Counter(word for known in self._words for word in known)
        self._bm25 = bm25s.BM25()
        self._bm25.index([p.words for p in passages], show_progress=False)

    def find(self, question: str) -> Finding:
        """Return the passage that fits best, the first among equals."""
        asked = [word for word in words(question) if word in self._found_in]
        best = int(np.argmax(self._bm25.get_scores(asked))) if asked else 0
        return Finding(
            passage=self._passages[best],
            coverage=self._coverage(set(words(question)), self._words[best]),
        )

    def _coverage(self, asked: Iterable[str], known: frozenset[str]) -> float:
        """Weigh rare words more: an unknown one is the rarest."""
        weights = {word: self._rarity(word) for word in asked}
        found = sum(weight for word, weight in weights.items() if word in known)
        return found / (sum(weights.values()) or 1.0)

    def _rarity(self, word: str) -> float:
        having = self._found_in[word]
        return math.log(1 + (len(self._passages) - having + 0.5) / (having + 0.5))


def quote(passage: Passage, question: str) -> str:
    """Return the sentences that share most words with the question, in order."""
    asked = set(words(question))
    shared = [len(asked & set(words(s))) for s in passage.sentences]
    best = sorted(range(len(shared)), key=lambda i: -shared[i])[:_QUOTED]
    return " ".join(passage.sentences[i] for i in sorted(best))


def read_passages(path: Path) -> list[Passage]:
    lines = path.read_text(encoding="utf-8").splitlines()
    return [Passage(**json.loads(line)) for line in lines]


class QuotingAgent(ResponsesAgent):
    """Answers with three sentences and the id of their passage, or abstains."""

    def load_context(self, context: Any) -> None:
        """Build the index of the passages this version was logged with."""
        config: Mapping[str, Any] = context.model_config
        self._min_coverage = float(config["min_coverage"])
        self._index = Index(read_passages(Path(context.artifacts["passages"])))

    def predict(  # type: ignore[override]  # MLflow's own base class says so too
        self, request: ResponsesAgentRequest
    ) -> ResponsesAgentResponse:
        """Answer what the user said last."""
        question = str(request.input[-1].model_dump()["content"])
        item = self.create_text_output_item(text=self._answer(question), id="answer")
        return ResponsesAgentResponse(output=[OutputItem(**item)])

    def _answer(self, question: str) -> str:
        finding = self._index.find(question)
        if finding.coverage < self._min_coverage:
            return ABSTENTION
        return f"{quote(finding.passage, question)} [{finding.passage.id}]"


mlflow.models.set_model(QuotingAgent())
