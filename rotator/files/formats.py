"""What a token file looks like: one row per format. No I/O.

* `raw`: the token and nothing else, no line end.
* `json`: the record's fields, under the consumers' names, as one line; and `refresh_after`, for consumers that keep
  what they have read (F18): from then on they look again, once a minute, until they find another token.
* `header`: `Authorization: Bearer …` and a line end, as `curl -H @FILE` takes it.
* `env`: `NAME_ACCESS_TOKEN=…` and a line end, for `. FILE` in a shell, systemd's `EnvironmentFile=` and Docker's
  `--env-file`. Docker takes quotes for a part of the value, so there are none: no character of a bearer token means
  anything to a shell but a leading `~`. A token that begins with one is quoted, for shells and systemd only.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING

from rotator.core.errors import Code, RotationError
from rotator.core.model import EARLIEST_RENEWAL, Secret, TokenRecord, rfc3339

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

TOKEN = rb"[A-Za-z0-9\-._~+/]+=*"
"""b64token of RFC 6750 section 2.1."""

RECORD_FIELDS = frozenset({"token_type", *(item.name for item in fields(TokenRecord))})
"""The names that `TokenRecord.fields` gives."""

_ENOUGH = len(RECORD_FIELDS) // 2
"""So many of the record's names in a JSON object make it one of ours, whatever the other fields were renamed to."""


@dataclass(frozen=True, slots=True)
class Layout:
    """What a format needs to know besides the record.

    Attributes:
        credential: Its name; `env` makes a variable's name of it.
        fields: For `json`: the consumers' names to the record's, `{"token": "access_token"}`.
    """

    credential: str
    fields: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Format:
    """One row.

    Attributes:
        render: The file's content. Raises RotationError TOKEN_INVALID for what is no bearer token, since a line end in
            it would write a second header or variable (P20, F17).
        extract: What a file's content tells: the record, the token alone where the format carries no more, or None.
        resembles: Whether a content is of this format, whichever credential's and however edited.
        carries_all: Whether `extract` gives the whole record; what does not needs a state.
    """

    render: Callable[[TokenRecord, Layout], bytes]
    extract: Callable[[bytes, Layout], TokenRecord | Secret | None]
    resembles: Callable[[bytes], bool]
    carries_all: bool = False


def variable(credential: str) -> str:
    """The name of the shell variable that holds a credential's token (POSIX XBD section 8.1)."""
    name = re.sub(r"[^A-Z0-9]", "_", credential.upper())
    guard = "_" if name[:1].isdigit() else ""
    return f"{guard}{name}_ACCESS_TOKEN"


def is_ours(content: bytes) -> bool:
    """Whether rotator may have written this, in any format: an empty file, or a token without a state is."""
    return not content.strip() or any(row.resembles(content) for row in FORMATS.values())


def _bearer(record: TokenRecord) -> bytes:
    token = record.access_token.reveal().encode()
    if not re.fullmatch(TOKEN, token):
        raise RotationError(
            Code.TOKEN_INVALID, "the access token has characters that no bearer token has; nothing was written"
        )
    return token


def _secret(pattern: bytes, content: bytes) -> Secret | None:
    match = re.fullmatch(pattern, content)
    return Secret(match["token"].decode()) if match else None


def _matches(pattern: bytes) -> Callable[[bytes], bool]:
    return lambda content: re.fullmatch(pattern, content.strip()) is not None


def _render_json(record: TokenRecord, layout: Layout) -> bytes:
    _bearer(record)
    document = record.fields()
    kept = {name: value for name, value in document.items() if name not in layout.fields.values()}
    renamed = {theirs: document[ours] for theirs, ours in layout.fields.items()}
    return json.dumps({"refresh_after": _refresh_after(record), **renamed, **kept}).encode() + b"\n"


def _refresh_after(record: TokenRecord) -> str:
    """When a consumer has reason to look again: no token is replaced much before, unless its credentials change."""
    moment = record.issued_at + (record.expires_at - record.issued_at) * EARLIEST_RENEWAL
    return rfc3339(moment)


def _extract_json(content: bytes, layout: Layout) -> TokenRecord | None:
    """A field counts under its consumers' name only, so that a file from before a renaming is written anew."""
    document = _object(content)
    renamed = {*layout.fields, *layout.fields.values()}
    kept = {name: value for name, value in document.items() if name not in renamed}
    found = {ours: document[theirs] for theirs, ours in layout.fields.items() if theirs in document}
    return TokenRecord.parse(kept | found)


def _object(content: bytes) -> dict[str, object]:
    """The JSON object in `content`; an empty one if there is none."""
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}


def _render_env(record: TokenRecord, layout: Layout) -> bytes:
    token = _bearer(record)
    value = b"'" + token + b"'" if token.startswith(b"~") else token
    return variable(layout.credential).encode() + b"=" + value + b"\n"


def _value(token: bytes) -> bytes:
    return rb"(?P<quote>'?)" + rb"(?P<token>" + token + rb")(?P=quote)"


FORMATS: Mapping[str, Format] = {
    "raw": Format(
        render=lambda record, _: _bearer(record),
        extract=lambda content, _: _secret(rb"(?P<token>" + TOKEN + rb")", content),
        resembles=_matches(TOKEN),
    ),
    "json": Format(
        render=_render_json,
        extract=_extract_json,
        resembles=lambda content: len(RECORD_FIELDS & _object(content).keys()) >= _ENOUGH,
        carries_all=True,
    ),
    "header": Format(
        render=lambda record, _: b"Authorization: Bearer " + _bearer(record) + b"\n",
        extract=lambda content, _: _secret(rb"Authorization: Bearer (?P<token>" + TOKEN + rb")\n", content),
        resembles=_matches(rb"Authorization: Bearer " + TOKEN),
    ),
    "env": Format(
        render=_render_env,
        extract=lambda content, layout: _secret(
            variable(layout.credential).encode() + b"=" + _value(TOKEN) + b"\n", content
        ),
        resembles=_matches(rb"[A-Z0-9_]+_ACCESS_TOKEN=" + _value(TOKEN)),
    ),
}
"""By the name that the configuration uses."""
