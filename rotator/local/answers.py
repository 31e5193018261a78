"""What is asked at the local socket, and what is answered: `GET /token/NAME`. No I/O."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from rotator.core.model import TokenRecord

LONGEST_WAIT = 60
"""Seconds."""

COME_AGAIN = 2
"""Seconds after which whoever found no token may ask again."""

METHODS = ("GET", "HEAD")

RESULTS = ("served", "unchanged", "unavailable", "unknown", "refused", "unusable", "busy")
"""What became of a request."""

_BEFORE_THE_NAME = "/token/"
_WAIT = re.compile(r"([0-9]{1,3})s")
_FINGERPRINT = re.compile(r"[0-9a-f]{12}")

_HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Server": "rotator"}

_REFUSALS: Mapping[str, tuple[int, str, Mapping[str, str]]] = {
    "unchanged": (304, "", {}),
    "unavailable": (503, "there is no unexpired token now\n", {"Retry-After": str(COME_AGAIN)}),
    "unknown": (404, "there is no token of this name that you may have\n", {}),
    "refused": (403, "you may have no token: no sink names your user or one of your groups\n", {}),
}


@dataclass(frozen=True, slots=True)
class Unusable:
    """A question that cannot be answered.

    Attributes:
        status: HTTP's.
        words: What was wanted instead.
    """

    status: int
    words: str

    def answer(self) -> tuple[str, web.Response]:
        """The result, and the answer."""
        more = {"Allow": ", ".join(METHODS)} if self.status == HTTPStatus.METHOD_NOT_ALLOWED else {}
        return "unusable", web.Response(status=self.status, text=f"{self.words}\n", headers={**_HEADERS, **more})


@dataclass(frozen=True, slots=True)
class Asked:
    """A question.

    Attributes:
        name: Of the credential.
        format: A key of `_FORMATS`.
        newer: The fingerprint of the token that whoever asks has already; empty when it has none.
        wait: Seconds that it waits for a token that is not that one.
    """

    name: str
    format: str = "json"
    newer: str = ""
    wait: float = 0.0

    @classmethod
    def parse(cls, request: web.BaseRequest) -> Asked | Unusable:
        """The question in a request."""
        if request.method not in METHODS:
            return Unusable(HTTPStatus.METHOD_NOT_ALLOWED, "wanted: GET /token/NAME")
        if request.body_exists:
            return Unusable(HTTPStatus.BAD_REQUEST, "wanted: a request without a body")
        path = request.rel_url.raw_path
        query = dict(parse_qsl(request.rel_url.raw_query_string, keep_blank_values=True))
        kind = query.get("format") or _accepted(request.headers.get("Accept", ""))
        wait, newer = query.get("wait", "0s"), query.get("newer", "")
        seconds = _WAIT.fullmatch(wait)
        if query.keys() - {"format", "wait", "newer"} or kind not in _FORMATS:
            return Unusable(
                HTTPStatus.BAD_REQUEST, f"wanted: ?format={'|'.join(_FORMATS)}, &wait=30s, &newer=FINGERPRINT"
            )
        if seconds is None or int(seconds[1]) > LONGEST_WAIT:
            return Unusable(HTTPStatus.BAD_REQUEST, f"wanted: wait=0s to wait={LONGEST_WAIT}s")
        if newer and not _FINGERPRINT.fullmatch(newer):
            return Unusable(HTTPStatus.BAD_REQUEST, "wanted: newer= with the fingerprint of a token, 12 hex digits")
        name = path.removeprefix(_BEFORE_THE_NAME) if path.startswith(_BEFORE_THE_NAME) else ""
        return cls(name, kind, newer, float(seconds[1]))


def answer(record: TokenRecord, asked: Asked, fields: Mapping[str, str]) -> tuple[str, web.Response]:
    """The result, and a token."""
    kind, render = _FORMATS[asked.format]
    headers = {**_HEADERS, "ETag": f'"{record.fingerprint}"'}
    return "served", web.Response(text=render(record, fields), content_type=kind, headers=headers)


def refusal(result: str) -> tuple[str, web.Response]:
    """The result, and why there is no token."""
    status, words, more = _REFUSALS[result]
    return result, web.Response(status=status, text=words, headers={**_HEADERS, **more})


def _accepted(accept: str) -> str:
    return "raw" if accept.strip().lower().startswith("text/plain") else "json"


def _json(record: TokenRecord, fields: Mapping[str, str]) -> str:
    document = record.fields()
    kept = {name: value for name, value in document.items() if name not in fields.values()}
    renamed = {theirs: document[ours] for theirs, ours in fields.items()}
    return json.dumps({**renamed, **kept}) + "\n"


_FORMATS: Mapping[str, tuple[str, Callable[[TokenRecord, Mapping[str, str]], str]]] = {
    "json": ("application/json", _json),
    "raw": ("text/plain", lambda record, _: record.access_token.reveal()),
    "header": ("text/plain", lambda record, _: f"Authorization: Bearer {record.access_token.reveal()}\n"),
}
"""By the name in `?format=`: what it is, and how it looks. As files of the same formats do."""
