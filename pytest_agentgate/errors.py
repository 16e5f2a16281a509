"""The failures this package names, and how their text is made safe to show."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager


class AgentGateError(Exception):
    """
    A failure with a sentence for people.

    The text is one line, without secrets.
    """

    def __init__(self, message: str) -> None:
        super().__init__(one_line(message))


class InputError(AgentGateError):
    """A mistake in what the user gave: an option, a file, a name, a permission."""


class RegistryError(AgentGateError):
    """The model registry could not be read or written."""


class EvaluationError(AgentGateError):
    """The evaluation could not be run or read back."""


@contextmanager
def foreign_code(
    error_type: type[AgentGateError], what: str, remedy: str
) -> Iterator[None]:
    """
    Run code of the user's, of a model or of a plugin, which may raise anything.

    Raises:
        AgentGateError: Of `error_type`, with `what` failed, the cause, and the
            `remedy`. An `AgentGateError` raised inside passes through.
    """
    try:
        yield
    except (AgentGateError, KeyboardInterrupt):
        raise
    # One of the two outer edges: what foreign code raises cannot be foreseen, and
    # none of it may escape from a hook or be mistaken for a verdict.
    except BaseException as error:  # SystemExit, pytest's skip and fail as well
        raise error_type(
            f"{what}: {type(error).__name__}: {error}; {remedy}"
        ) from error


_SECRETS = (
    (re.compile(r"(?i)\b(bearer|basic)\s+[\w\-.~+/=]{8,}"), r"\1 ***"),
    (re.compile(r"\bdapi[0-9a-f]{16,}(-\d+)?\b"), "***"),
    (re.compile(r"\bsk-[\w\-]{16,}"), "***"),
    (re.compile(r"(?<=://)[^/\s:@]+:[^/\s@]+(?=@)"), "***"),
    (
        re.compile(
            r"(?i)((?:api[_-]?key|token|password|secret)[\"']?\s*[=:]\s*)"
            r"[\"']?[^\s\"',&;}]{6,}"
        ),
        r"\1***",
    ),
)


def redacted(text: str) -> str:
    """Return `text` with tokens, passwords and authorization values masked."""
    for pattern, replacement in _SECRETS:
        text = pattern.sub(replacement, text)
    return text


def one_line(text: object, limit: int = 600) -> str:
    """Return `text` on one line, masked, and at most `limit` characters long."""
    shown = (c if c.isprintable() else " " for c in redacted(str(text)))
    flat = " ".join("".join(shown).split())
    return flat if len(flat) <= limit else flat[: limit - 1] + "…"
