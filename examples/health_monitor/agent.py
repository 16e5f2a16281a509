"""
The health monitor: an agent that answers questions about running a workspace.

It finds the methods of databricks-sdk that do what was asked, names them, and
quotes their documentation. There is no language model behind it and it needs no
network, so its answers can be reproduced, and it is as good as its retrieval is.

MLflow copies this one file into the logged model. It must not import anything of
this repository: the model is loaded where the repository does not exist.
"""

from __future__ import annotations

import functools
import itertools
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import bm25s  # type: ignore[import-untyped]
import mlflow
import numpy as np
import numpy.typing as npt
import snowballstemmer  # type: ignore[import-untyped]
from mlflow.pyfunc.model import ResponsesAgent
from mlflow.types.responses import ResponsesAgentRequest, ResponsesAgentResponse
from mlflow.types.responses_helpers import OutputItem

Scores = npt.NDArray[np.float32]

#: The whole answer when the corpus has none. Scorers look for its beginning.
ABSTENTION = "I don't know. The Databricks SDK reference has no answer to this."

_INTRODUCTION = "These calls do that (`w` is a WorkspaceClient):"
_CITED = 3
_EXTRACT_LENGTH = 320

#: Weights of the three places where a question's words can be found.
_NAME_WEIGHT = 1.0
_DESCRIPTION_WEIGHT = 1.0
_PARAMETER_WEIGHT = 1.2
#: What a word is worth that the asker did not use but probably meant.
_SYNONYM_WEIGHT = 0.7
#: Deprecated methods still answer, but behind their successors.
_DEPRECATED_FACTOR = 0.75


# Words


_WORD = re.compile(r"[a-z]+")
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_MARKUP = re.compile(r":(?:class|method|attr):|`__|<https?://[^>]*>|https?://\S+")

#: Words that say nothing about what is being asked: grammar, courtesy, times, counts.
_STOP_WORDS_TEXT = """
a able about actually after again ago all almost already also alone although always
am an and any anybody anyone anything are around as ask asks asked at away back be
because been before being below big bit both but by call came can cannot come comes
could course d did didn different do does doesn doing don done down during each easy
eight either else enough even ever every everybody everyone everything exactly far
few first five fix fixed for four from further get gets getting give gives gave go
goes going gone good got great had happens hard has have having he hear her here
hers hi him his how however i idea if in instead into is isn it its itself just kind
know knows last later leave left less let lets like little ll longer look looking
looks lot m many matter may maybe me mean means might mine moment more most much
must my myself near nearly need needed needs neither never next nice nine no nobody
none nor not nothing now of off often oh ok okay on once one only onto oops or other
others our ours out over own per perhaps place please possible possibly probably
problem properly question quite rather re really reason right s said same say
says second see seem seems seven several shall she should shouldn simple simply
since single six so some somebody somehow someone something sometimes soon sort
still stuff such suddenly sure t take takes tell ten than thank thanks that the
their theirs them themselves then there these they thing things think this those
though three through to together too tried tries try trying two under unless until
up upon us use used useful uses using usually ve very via want wanted wants was
wasn way we well went were weren what whatever when where whether which while who
whole whom whose why will wish with within without won wonder would wouldn wrong x
yes yet you your yours yourself
afternoon daily day days evening hour hours hourly midnight minute minutes month
monthly months morning night nightly noon oclock quarter today tomorrow tonight week
weekend weekly weeks year yearly years yesterday
"""
_STOP_WORDS = frozenset(_STOP_WORDS_TEXT.split())

#: What people say, and what the reference may call it. Stemmed when read, so that one
#: form of a word is enough.
_EVERYDAY_WORDS: Mapping[str, str] = {
    # doing things
    "add": "create install",
    "adjust": "update edit",
    "allow": "permission grant allowlist",
    "archive": "transition stage",
    "ban": "restrict disable",
    "bin": "delete trash",
    "block": "restrict disable deny",
    "boot": "start",
    "bounce": "restart",
    "bring": "restore",
    "build": "create",
    "cap": "maximum limit",
    "change": "update edit",
    "check": "validate get",
    "clean": "delete",
    "configure": "update create",
    "copy": "snapshot clone",
    "declare": "create",
    "deny": "restrict disable",
    "drop": "delete",
    "erase": "delete",
    "fail": "failure",
    "fetch": "get download",
    "find": "search list",
    "forbid": "restrict disable",
    "generate": "create",
    "grow": "autoscale resize",
    "halt": "stop cancel",
    "hide": "mask",
    "kill": "cancel terminate delete revoke",
    "launch": "create start",
    "limit": "maximum restrict rate",
    "lock": "restrict",
    "mark": "tag set",
    "mint": "create generate",
    "modify": "update edit",
    "move": "transition update",
    "permit": "permission allow allowlist",
    "prevent": "restrict disable",
    "promote": "transition stage alias",
    "pull": "fetch download",
    "put": "create set",
    "reboot": "restart",
    "recompute": "refresh",
    "recover": "restore undelete",
    "register": "create",
    "remove": "delete",
    "reprocess": "refresh",
    "rerun": "repair",
    "retry": "repair",
    "rid": "delete",
    "revoke": "delete",
    "roll": "revert",
    "scale": "resize autoscale",
    "send": "delivery",
    "set": "update create",
    "show": "list get",
    "shrink": "resize autoscale",
    "shut": "stop terminate",
    "spin": "create start",
    "suspend": "stop",
    "switch": "enable disable update",
    "test": "validate",
    "trigger": "run start",
    "turn": "enable disable stop start",
    "undo": "restore revert",
    "verify": "validate",
    "watch": "monitor",
    "wipe": "delete",
    "write": "create",
    # jobs and pipelines
    "batch": "job",
    "cron": "schedule",
    "dag": "job",
    "dlt": "pipeline",
    "etl": "pipeline",
    "ingestion": "pipeline",
    "scheduler": "job",
    "scratch": "full",
    "step": "task",
    "stuck": "cancel",
    "workflow": "job",
    # compute
    "box": "instance node",
    "disk": "storage",
    "executor": "worker",
    "hardware": "node",
    "hang": "restart",
    "machine": "instance node",
    "runtime": "spark version",
    "server": "instance serving",
    "smaller": "resize",
    "bigger": "size resize",
    "spare": "idle extra",
    "type": "node",
    "vm": "instance",
    "warm": "idle pool",
    # money
    "bill": "billable usage budget",
    "centre": "tag",
    "center": "tag",
    "charge": "tag billable",
    "cheap": "cost",
    "cheaper": "cost",
    "consume": "usage",
    "cost": "usage budget billable",
    "excel": "csv",
    "expensive": "cost",
    "invoice": "billable usage",
    "money": "cost usage budget",
    "pay": "billable usage cost",
    "spend": "usage budget cost",
    "spreadsheet": "csv",
    # people and access
    "access": "permission privilege grant",
    "attach": "permission",
    "audit": "log delivery",
    "colleague": "user principal",
    "department": "group",
    "egress": "network destination",
    "employee": "user",
    "encrypt": "encryption key",
    "engineer": "user",
    "firewall": "ip network",
    "github": "federation",
    "grant": "permission",
    "intern": "user group",
    "internet": "network destination",
    "joiner": "user member",
    "kms": "customer managed key",
    "leak": "revoke",
    "login": "authentication",
    "office": "ip",
    "oidc": "federation",
    "partner": "recipient",
    "password": "secret credential",
    "pat": "token",
    "person": "user principal",
    "people": "user principal",
    "personal": "classification",
    "pii": "classification",
    "select": "permission privilege",
    "sensitive": "classification",
    "sso": "federation",
    "starter": "user member",
    "team": "group",
    "teammate": "user",
    "vpn": "ip network",
    "whitelist": "allow allowlist ip",
    # alerts and logs
    "alarm": "alert",
    "email": "notification",
    "error": "event output",
    "mail": "email notification",
    "notify": "notification alert",
    "pagerduty": "notification destination",
    "print": "log",
    "slack": "notification destination",
    "warn": "alert",
    # reliability
    "accident": "undelete restore",
    "backup": "snapshot",
    "disaster": "failover",
    "outage": "failover",
    "simultaneously": "concurrent",
    "twice": "idempotency",
    # models and AI
    "accuracy": "metric",
    "bot": "serving endpoint",
    "champion": "alias",
    "chatbot": "serving endpoint gateway",
    "curve": "metric history",
    "endpoint": "serving",
    "epoch": "history",
    "gpt": "external model",
    "llm": "serving endpoint gateway model",
    "loss": "metric",
    "openai": "external model",
    "percent": "traffic",
    "plot": "history",
    "production": "stage",
    "prompt": "request payload",
    "reply": "response",
    "rmse": "metric",
    "staging": "stage",
    "thumbs": "feedback",
    "toxic": "unsafe",
    "training": "experiment",
    # data
    "anomaly": "monitor",
    "dbfs": "dbfs file",
    "drift": "monitor",
    "duplicate": "unique",
    "folder": "directory",
    "foreign": "constraint",
    "freshness": "monitor",
    "lakebase": "postgres database",
    "mask": "policy",
    "note": "comment",
    "primary": "constraint",
    "remark": "comment",
    "slow": "duration metric performance",
    "speed": "performance",
    "stale": "anomaly monitor",
    "upstream": "lineage",
}


def words(text: str) -> list[str]:
    """Return the stems of a text's words, identifiers taken apart."""
    plain = _HUMP.sub(" ", _MARKUP.sub(" ", text)).lower()
    return [_stem(word) for word in _WORD.findall(plain) if word not in _STOP_WORDS]


_stemmer = snowballstemmer.stemmer("english")


@functools.cache
def _stem(word: str) -> str:
    return str(_stemmer.stemWord(word))


def _synonyms() -> dict[str, tuple[str, ...]]:
    return {
        _stem(word): tuple(_stem(meant) for meant in meanings.split())
        for word, meanings in _EVERYDAY_WORDS.items()
    }


# Documents


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """One method, and the passages its documentation consists of."""

    id: str
    name: str
    description: str
    parameters: tuple[str, ...]
    is_deprecated: bool

    @property
    def citation(self) -> str:
        """The method as people write it: ``w.jobs.list``, ``account.budgets.get``."""
        return self.id if self.id.startswith("account.") else f"w.{self.id}"


def read_documents(path: Path) -> list[Document]:
    """Read the corpus that was logged with the model."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return [_document(json.loads(line)) for line in lines]


_PARAMETER = re.compile(
    r"\n\s*:param (\w+):[^\n]*(.*?)(?=\n\s*:(?:param|returns?)\b|\Z)", re.DOTALL
)
_FIRST_FIELD = re.compile(r"\n\s*:(?:param|returns?)\b")
_LINK = re.compile(r"`([^`<]+?)\s*<[^>]*>`__?|\[([^]]+)\]\([^)]*\)")
_ROLE = re.compile(r":(?:class|method|attr):`?([\w/.]+)`?")


def _document(row: Mapping[str, str]) -> Document:
    text = "\n" + row["text"]
    description = _FIRST_FIELD.split(text, maxsplit=1)[0]
    return Document(
        id=row["id"],
        name=f"{row['id']} {row['class_name']}",
        description=_plain(description),
        parameters=tuple(
            f"{name}: {_plain(about)}" for name, about in _PARAMETER.findall(text)
        ),
        is_deprecated="deprecated" in description.lower() or "legacy" in row["id"],
    )


def _plain(text: str) -> str:
    """Drop the markup of a docstring and its line breaks."""
    text = _ROLE.sub(r"\1", _LINK.sub(r"\1\2", text))
    return " ".join(text.replace("``", "").replace("**", "").split())


# Retrieval


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A document, the passage of it that fits best, and how sure we are of it."""

    document: Document
    passage: str
    confidence: float


class Retriever(Protocol):
    """Whatever ranks documents for a question, best first."""

    def find(self, question: str) -> list[Finding]:
        """Return at most three findings."""
        ...


class OverlapRetriever:
    """Counts the words a question and a docstring share, as written."""

    def __init__(self, documents: Sequence[Document]) -> None:
        self._documents = documents
        self._words = [_raw_words(_whole_text(document)) for document in documents]

    def find(self, question: str) -> list[Finding]:
        """Return the documents that share most words, equals in their own order."""
        asked = _raw_words(question)
        shared = np.array([len(asked & words) for words in self._words])
        best = np.argsort(-shared, kind="stable")[:_CITED]
        return [
            Finding(document=self._documents[i], passage="", confidence=1.0)
            for i in best
        ]


def _raw_words(text: str) -> frozenset[str]:
    return frozenset(_WORD.findall(text.lower()))


def _whole_text(document: Document) -> str:
    return " ".join((document.name, document.description, *document.parameters))


class Bm25Retriever:
    """
    Ranks documents by BM25 over their name, description and parameters.

    Parameters are matched one by one, and the best one counts: a method with forty
    of them is neither better nor worse for the other thirty-nine. The sum is weighed
    by how much of the question a document speaks of at all, which makes it a measure
    of confidence too.
    """

    def __init__(self, documents: Sequence[Document]) -> None:
        self._documents = documents
        self._synonyms = _synonyms()
        self._names = _index(document.name for document in documents)
        self._descriptions = _index(document.description for document in documents)
        self._passages = [text for d in documents for text in d.parameters]
        self._parameters = _index(self._passages)
        self._owners = np.repeat(
            np.arange(len(documents)), [len(d.parameters) for d in documents]
        )
        self._factors = np.array(
            [_DEPRECATED_FACTOR if d.is_deprecated else 1.0 for d in documents],
            dtype=np.float32,
        )
        self._occurrences = _occurrences(documents)

    def find(self, question: str) -> list[Finding]:
        """Return the documents that score highest, and no two of the same wording."""
        asked = words(question)
        passages = self._score(self._parameters, asked)
        scores = self._rank(asked, passages)
        best = self._without_twins(np.argsort(-scores, kind="stable"))[:_CITED]
        return [
            Finding(
                document=self._documents[i],
                passage=self._passage(i, passages),
                confidence=float(scores[i]),
            )
            for i in best
        ]

    def _rank(self, asked: Sequence[str], passages: Scores) -> Scores:
        fields = (
            _NAME_WEIGHT * self._score(self._names, asked)
            + _DESCRIPTION_WEIGHT * self._score(self._descriptions, asked)
            + _PARAMETER_WEIGHT * self._best_passage_scores(passages)
        )
        ranked: Scores = fields * self._coverage(asked) * self._factors
        return ranked

    def _score(self, index: bm25s.BM25, asked: Sequence[str]) -> Scores:
        """Sum the words' scores; a word counts as itself or as its best synonym."""
        total: Scores = _bm25(index, "")
        for word in asked:
            meant = [_bm25(index, other) for other in self._synonyms.get(word, ())]
            total += np.maximum.reduce(
                [_bm25(index, word), *(_SYNONYM_WEIGHT * scores for scores in meant)]
            )
        return total

    def _best_passage_scores(self, passages: Scores) -> Scores:
        best = np.zeros(len(self._documents), dtype=np.float32)
        np.maximum.at(best, self._owners, passages)
        return best

    def _coverage(self, asked: Sequence[str]) -> Scores:
        """Per document, the share of the question's words it has, rare ones first."""
        found = np.zeros(len(self._documents), dtype=np.float32)
        total = 0.0
        for word in set(asked):
            rarity = self._rarity(word)
            total += rarity
            found[self._having(word)] += rarity
        return found / (total or 1.0)

    def _rarity(self, word: str) -> float:
        """The inverse document frequency; an unknown word is as rare as can be."""
        frequency = len(self._occurrences.get(word, ())) or 1
        return float(np.log(1 + len(self._documents) / frequency))

    def _having(self, word: str) -> list[int]:
        """The documents that have a word or a synonym of it."""
        meant = (word, *self._synonyms.get(word, ()))
        return sorted({i for w in meant for i in self._occurrences.get(w, ())})

    def _without_twins(self, ranked: Iterable[int]) -> list[int]:
        """Drop what is documented in the words of a better one (``users_v2``)."""
        first: dict[str, int] = {}
        for i in itertools.islice(ranked, 5 * _CITED):
            first.setdefault(self._documents[i].description, int(i))
        return list(first.values())

    def _passage(self, i: int, scores: Scores) -> str:
        """The parameter of a document that fits best, if one fits at all."""
        own = np.flatnonzero((self._owners == i) & (scores > 0))
        return self._passages[own[np.argmax(scores[own])]] if len(own) else ""


def _index(texts: Iterable[str]) -> bm25s.BM25:
    index = bm25s.BM25()
    index.index([words(text) for text in texts], show_progress=False)
    return index


def _bm25(index: bm25s.BM25, word: str) -> Scores:
    if not word or word not in index.vocab_dict:
        return np.zeros(index.scores["num_docs"], dtype=np.float32)
    scores: Scores = np.asarray(index.get_scores([word]), dtype=np.float32)
    return scores


def _occurrences(documents: Sequence[Document]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for i, document in enumerate(documents):
        for word in set(words(_whole_text(document))):
            found.setdefault(word, []).append(i)
    return found


# The agent


class HealthMonitor(ResponsesAgent):
    """
    Answers with up to three calls and extracts of their documentation, or abstains.

    ``model_config`` chooses the retriever (``overlap`` or ``bm25``) and how
    confident it must be for an answer to be given.
    """

    def load_context(self, context: Any) -> None:
        """Build the index from the model's own copy of the corpus."""
        config: Mapping[str, Any] = context.model_config
        documents = read_documents(Path(context.artifacts["corpus"]))
        self._retriever = _retriever(str(config["retriever"]), documents)
        self._min_confidence = float(config["min_confidence"])

    def predict(  # type: ignore[override]  # As MLflow asks of a ResponsesAgent.
        self, request: ResponsesAgentRequest
    ) -> ResponsesAgentResponse:
        """Answer what the user said last."""
        findings = self._retriever.find(_question(request))
        answer = _answer(findings, self._min_confidence)
        item = self.create_text_output_item(text=answer, id="answer")
        return ResponsesAgentResponse(output=[OutputItem(**item)])


def _retriever(name: str, documents: Sequence[Document]) -> Retriever:
    if name == "overlap":
        return OverlapRetriever(documents)
    if name == "bm25":
        return Bm25Retriever(documents)
    raise ValueError(f"retriever must be overlap or bm25, not {name}")


def _question(request: ResponsesAgentRequest) -> str:
    """What the user said last."""
    said = [m.model_dump() for m in request.input]
    content = [m["content"] for m in said if m.get("role") == "user"][-1]
    if isinstance(content, str):
        return content
    return " ".join(str(part.get("text", "")) for part in content)


def _answer(findings: Sequence[Finding], min_confidence: float) -> str:
    if max((f.confidence for f in findings), default=0.0) < min_confidence:
        return ABSTENTION
    return "\n".join([_INTRODUCTION, *(_bullet(finding) for finding in findings)])


def _bullet(finding: Finding) -> str:
    document = finding.document
    extract = f"- `{document.citation}`: {_shorten(document.description)}"
    if not finding.passage:
        return extract
    return f"{extract}\n  Parameter {_shorten(finding.passage)}"


def _shorten(text: str) -> str:
    if len(text) <= _EXTRACT_LENGTH:
        return text
    return text[:_EXTRACT_LENGTH].rpartition(" ")[0] + " ..."


mlflow.models.set_model(HealthMonitor())
