"""What an answer of Vault means. No I/O: a status, headers and a body go in; a document or an error comes out.

The texts in error bodies are matched and never passed on: a proxy that answers in Vault's place may put anything there.
See https://openbao.org/api-docs/#http-status-codes.
"""
# ruff: noqa: PLR2004  HTTP status codes speak for themselves

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from rotator.core.errors import Code, RotationError
from rotator.vault import phrases

if TYPE_CHECKING:
    from collections.abc import Mapping

Document: TypeAlias = dict[str, Any]
"""A JSON object as Vault answers it; what is inside is checked by whoever reads it."""

MAX_RETRY_AFTER = 300.0
"""Seconds: no quota asks for a longer pause than this, whatever the header says."""


class DownError(RotationError):
    """Vault cannot serve anybody now, and this request changed nothing."""


class DoubtError(RotationError):
    """This request failed; whether it took effect, and whether Vault is well, is not known."""


class ForbiddenError(RotationError):
    """The token is dead, or its policies do not allow the request: the answer does not tell which (V09, V10)."""


class NotFoundError(RotationError):
    """There is nothing at the path."""


class CasMismatchError(RotationError):
    """The check-and-set parameter is not the current version: somebody else wrote meanwhile (V20)."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer, whole, its body not yet trusted."""

    status: int
    headers: Mapping[str, str]
    body: bytes


DOWN = {
    472: "it is a disaster recovery secondary",
    473: "it is a performance standby",
    501: "it is not initialised",
    502: "a gateway could not reach it",
    503: "it is sealed, has no leader or is under maintenance",
    504: "a gateway waited for it in vain",
}
DOUBTFUL = {
    412: "the node has not caught up with its leader yet",
    500: "it failed inside",
}


def read(request: str, answer: Answer) -> Document:
    """The document in an answer; empty for an answer without a body.

    A 404 that carries a document tells of a deleted KV v2 version and is returned like one that was found.

    Args:
        request: Method and path, for messages.
        answer: What came back.

    Raises:
        DownError: Vault is sealed, without leader, not initialised, or only a gateway answered.
        DoubtError: 500 or 412.
        ForbiddenError: 403.
        NotFoundError: 404 without a document.
        CasMismatchError: 400 because the version is another one.
        RotationError: VAULT_THROTTLED, VAULT_REDIRECTED, VAULT_REFUSED, VAULT_MALFORMED; VAULT_UNAVAILABLE for what
            passes by itself, see `phrases.PASSING`.
    """
    status = answer.status
    if status == 204:
        return {}
    if 200 <= status < 300:
        return _document(request, answer)
    if 300 <= status < 400:
        raise _redirected(request, answer)
    if status == 404 and (deleted := _parse(answer.body)) and isinstance(deleted.get("data"), dict):
        return deleted
    raise _error(request, answer)


def _document(request: str, answer: Answer) -> Document:
    document = _parse(answer.body)
    if document is None:
        raise malformed(f"{request} was answered {answer.status} with {_kind(answer.body)}, wanted a JSON object")
    return document


def malformed(detail: str) -> RotationError:
    """What is raised for an answer that breaks Vault's API."""
    return RotationError(Code.VAULT_MALFORMED, detail)


def _redirected(request: str, answer: Answer) -> RotationError:
    return RotationError(
        Code.VAULT_REDIRECTED,
        f"{request} was answered with a redirect ({answer.status}), which is not followed: the token stays with the "
        "hosts that vault.address and vault.allowed_hosts name, and only a standby's 307 is followed among them",
    )


def _error(request: str, answer: Answer) -> RotationError:
    status, body = answer.status, answer.body
    told = f"{request} was answered {status}"
    phrase, meaning = _phrase(body)
    because = f"{told}: {meaning}" if meaning else told
    mismatch = status == 400 and _says(body, "check-and-set parameter did not match", "does not match the current")
    wait = retry_after(answer.headers.get("Retry-After"))
    # The first row that fits.
    rows: tuple[tuple[bool, RotationError], ...] = (
        (phrase in phrases.PASSING, RotationError(Code.VAULT_UNAVAILABLE, because)),
        (phrase in phrases.REFUSING, RotationError(Code.VAULT_REFUSED, because)),
        (status in DOWN, DownError(Code.VAULT_UNAVAILABLE, f"{told}: {meaning or DOWN.get(status)}")),
        (status in DOUBTFUL, DoubtError(Code.VAULT_UNAVAILABLE, f"{told}: {meaning or DOUBTFUL.get(status)}")),
        (status == 429, RotationError(Code.VAULT_THROTTLED, f"{told}: over a rate limit", retry_after=wait)),
        (status == 404, NotFoundError(Code.SECRET_MISSING, f"{told}: {meaning or 'there is nothing at this path'}")),
        (status == 403 or phrase == "missing client token", ForbiddenError(Code.VAULT_DENIED, because)),
        (mismatch, CasMismatchError(Code.SINK_CONFLICT, f"{told}: the current version is another one")),
        (400 <= status < 500, RotationError(Code.VAULT_REFUSED, because)),
        (True, malformed(f"{told}, a status that Vault does not use")),
    )
    return next(error for fits, error in rows if fits)


def retry_after(header: str | None) -> float:
    """Seconds that a Retry-After header asks for, from 0 to `MAX_RETRY_AFTER`; 1 when it says nothing usable.

    Vault sends whole seconds (RFC 9110 section 10.2.3 also allows a date, which it does not use).
    """
    try:
        seconds = float(header or "")
    except ValueError:
        return 1.0
    return min(max(seconds, 0.0), MAX_RETRY_AFTER) if math.isfinite(seconds) else 1.0


def _parse(body: bytes) -> Document | None:
    try:
        parsed = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return parsed if isinstance(parsed, dict) else None


def _errors(body: bytes) -> str:
    """The texts in Vault's error body, for matching only; empty when it is none."""
    document = _parse(body) or {}
    errors = document.get("errors")
    texts = [text for text in errors if isinstance(text, str)] if isinstance(errors, list) else []
    return " ".join(texts).lower()


def _says(body: bytes, *texts: str) -> bool:
    errors = _errors(body)
    return any(text in errors for text in texts)


def _phrase(body: bytes) -> tuple[str, str]:
    """The first known phrase in an error body and its meaning; both empty when there is none."""
    errors = _errors(body)
    return next((row for row in phrases.KNOWN if row[0] in errors), ("", ""))


def _kind(body: bytes) -> str:
    """What a body is, without quoting it."""
    start = body.lstrip()[:1]
    if not start:
        return "nothing"
    return {b"<": "HTML", b"[": "a list", b"{": "broken JSON"}.get(start, "something else than JSON")
