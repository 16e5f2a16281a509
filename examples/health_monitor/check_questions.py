"""
Check the evaluation set against the documents of the installed databricks-sdk.

Run after every update of the SDK, whose methods come and go::

    python -m examples.health_monitor.check_questions gates/questions.jsonl
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from examples.health_monitor import corpus


def mistakes(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield a sentence for every row that could not be judged fairly."""
    texts = {document.id: _plain(document.text) for document in corpus.build()}
    for question, count in Counter(r["inputs"]["question"] for r in rows).items():
        if count > 1:
            yield f"{question!r} is there {count} times"
    for row in rows:
        yield from _mistakes_of_row(row, texts)


def _mistakes_of_row(row: Mapping[str, Any], texts: Mapping[str, str]) -> Iterator[str]:
    question, expected = row["inputs"]["question"], row["expectations"]
    if bool(expected["methods"]) != (row["tags"]["answerable"] == "true"):
        yield f"{question!r}: `answerable` contradicts its methods"
    for method in expected["methods"]:
        if method not in texts:
            yield f"{question!r}: the SDK has no {method}"
    documented = [texts.get(method, "") for method in expected["methods"]]
    for fact in expected["expected_facts"]:
        if not any(_plain(fact) in text for text in documented):
            yield f"{question!r}: none of its methods says {fact!r}"


def _plain(text: str) -> str:
    return " ".join(text.replace("`", "").replace("*", "").casefold().split())


@click.command(help="Check an evaluation set against the installed databricks-sdk.")
@click.argument("path", type=click.Path(exists=True, path_type=Path))
def main(path: Path) -> None:
    """Print what is wrong; exit with 1 if anything is."""
    lines = path.read_text(encoding="utf-8").splitlines()
    found = list(mistakes([json.loads(line) for line in lines]))
    for mistake in found:
        click.echo(mistake)
    if found:
        raise SystemExit(1)
    click.echo(f"{len(lines)} questions, no mistakes")


if __name__ == "__main__":
    main()
