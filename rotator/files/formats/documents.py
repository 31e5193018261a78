"""Formats that are one JSON document on one line."""

from __future__ import annotations

import json
import re
from base64 import b64decode, b64encode
from typing import TYPE_CHECKING

from rotator.core.model import Secret, TokenRecord
from rotator.files.formats.row import RECORD_FIELDS, TOKEN, Format, Layout, at_share, bearer, refresh_after

if TYPE_CHECKING:
    from collections.abc import Mapping

_ENOUGH = len(RECORD_FIELDS) // 2
"""So many of the record's names in a JSON object make it one of ours, whatever the other fields were renamed to."""

_EXEC_CREDENTIAL = {"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential"}

ASK_AGAIN = 0.9
"""Share of the lifetime after which a Kubernetes client asks again. It uses a token to the very end that it is told of,
by a clock of its own, and requests on their way then fail. The plugins of AWS and Azure leave a minute for that."""


def _line(document: Mapping[str, object]) -> bytes:
    return json.dumps(document).encode() + b"\n"


def _object(content: bytes) -> dict[str, object]:
    """The JSON object in `content`; an empty one if there is none."""
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}


def _token(value: object) -> Secret | None:
    """The bearer token that `value` is."""
    return Secret(value) if isinstance(value, str) and re.fullmatch(TOKEN.decode(), value) else None


def _render_json(record: TokenRecord, layout: Layout) -> bytes:
    bearer(record)
    document = record.fields()
    kept = {name: value for name, value in document.items() if name not in layout.fields.values()}
    renamed = {theirs: document[ours] for theirs, ours in layout.fields.items()}
    return _line({"refresh_after": refresh_after(record), **renamed, **kept})


def _extract_json(content: bytes, layout: Layout) -> TokenRecord | None:
    """A field counts under its consumers' name only, so that a file from before a renaming is written anew."""
    document = _object(content)
    renamed = {*layout.fields, *layout.fields.values()}
    kept = {name: value for name, value in document.items() if name not in renamed}
    found = {ours: document[theirs] for theirs, ours in layout.fields.items() if theirs in document}
    return TokenRecord.parse(kept | found)


def _render_exec_credential(record: TokenRecord, _: Layout) -> bytes:
    status = {"token": bearer(record).decode(), "expirationTimestamp": at_share(record, ASK_AGAIN)}
    return _line({**_EXEC_CREDENTIAL, "status": status})


def _extract_exec_credential(content: bytes, _: Layout) -> Secret | None:
    status = _object(content).get("status")
    return _token(status.get("token")) if isinstance(status, dict) else None


def _render_auths(record: TokenRecord, layout: Layout) -> bytes:
    pair = layout.login.encode() + b":" + bearer(record)
    return _line({"auths": {layout.registry: {"auth": b64encode(pair).decode()}}})


def _extract_auths(content: bytes, layout: Layout) -> Secret | None:
    auth = _entry(content, layout).get("auth")
    try:
        login, _, password = b64decode(auth if isinstance(auth, str) else "", validate=True).decode().partition(":")
    except ValueError:
        return None
    return _token(password) if login == layout.login else None


def _entry(content: bytes, layout: Layout) -> dict[str, object]:
    """What a document says of the one registry that it knows; empty unless that is ours."""
    document = _object(content)
    auths = document["auths"] if document.keys() == {"auths"} else None
    entry = auths[layout.registry] if isinstance(auths, dict) and auths.keys() == {layout.registry} else None
    return entry if isinstance(entry, dict) else {}


JSON = Format(
    render=_render_json,
    extract=_extract_json,
    resembles=lambda content, _: len(RECORD_FIELDS & _object(content).keys()) >= _ENOUGH,
    carries_all=True,
    takes=("fields",),
)

KUBECTL_EXEC = Format(
    render=_render_exec_credential,
    extract=_extract_exec_credential,
    resembles=lambda content, _: _EXEC_CREDENTIAL.items() <= _object(content).items(),
)

DOCKERCONFIGJSON = Format(
    render=_render_auths,
    extract=_extract_auths,
    resembles=lambda content, layout: _entry(content, layout).keys() == {"auth"},
    needs=("registry", "login"),
)
