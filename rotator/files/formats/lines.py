"""Formats of one line, in which a token needs no quotes: none of its characters means anything there."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from rotator.core.model import Secret
from rotator.files.formats.row import TOKEN, Format, Layout, bearer

if TYPE_CHECKING:
    from collections.abc import Callable

    from rotator.core.model import TokenRecord


def variable(credential: str) -> str:
    """The name of the shell variable that holds a credential's token (POSIX XBD section 8.1)."""
    name = re.sub(r"[^A-Z0-9]", "_", credential.upper())
    guard = "_" if name[:1].isdigit() else ""
    return f"{guard}{name}_ACCESS_TOKEN"


def _secret(pattern: bytes, content: bytes) -> Secret | None:
    match = re.fullmatch(pattern, content)
    return Secret(match["token"].decode()) if match else None


def _matches(pattern: bytes) -> Callable[[bytes, Layout], bool]:
    return lambda content, _: re.fullmatch(pattern, content.strip()) is not None


def _render_env(record: TokenRecord, layout: Layout) -> bytes:
    token = bearer(record)
    value = b"'" + token + b"'" if token.startswith(b"~") else token
    return variable(layout.credential).encode() + b"=" + value + b"\n"


def _value(token: bytes) -> bytes:
    return rb"(?P<quote>'?)" + rb"(?P<token>" + token + rb")(?P=quote)"


def _entry(layout: Layout) -> bytes:
    """What stands before the token in a netrc file."""
    return f"machine {layout.machine} login {layout.login} password ".encode()


def _resembles_netrc(content: bytes, layout: Layout) -> bool:
    return re.fullmatch(re.escape(_entry(layout)) + TOKEN, content.strip()) is not None


RAW = Format(
    render=lambda record, _: bearer(record),
    extract=lambda content, _: _secret(rb"(?P<token>" + TOKEN + rb")", content),
    resembles=_matches(TOKEN),
)

HEADER = Format(
    render=lambda record, _: b"Authorization: Bearer " + bearer(record) + b"\n",
    extract=lambda content, _: _secret(rb"Authorization: Bearer (?P<token>" + TOKEN + rb")\n", content),
    resembles=_matches(rb"Authorization: Bearer " + TOKEN),
)

ENV = Format(
    render=_render_env,
    extract=lambda content, layout: _secret(
        variable(layout.credential).encode() + b"=" + _value(TOKEN) + b"\n", content
    ),
    resembles=_matches(rb"[A-Z0-9_]+_ACCESS_TOKEN=" + _value(TOKEN)),
)

NETRC = Format(
    render=lambda record, layout: _entry(layout) + bearer(record) + b"\n",
    extract=lambda content, layout: _secret(re.escape(_entry(layout)) + rb"(?P<token>" + TOKEN + rb")\n", content),
    resembles=_resembles_netrc,
    needs=("machine", "login"),
)
