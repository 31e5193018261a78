"""As much of HTTP/1.1 as a stub needs: keep-alive, no pipelining, bodies with a Content-Length. Some 30 µs a request.

An HTTP framework costs several times as much as what it serves here, on the two cores that it shares with what is
measured.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote

if TYPE_CHECKING:
    from collections.abc import Callable

HEAD_END = b"\r\n\r\n"
REASONS = {200: "OK", 204: "No Content", 400: "Bad Request", 403: "Forbidden", 404: "Not Found"}


class Request(NamedTuple):
    """One request.

    Attributes:
        method: GET, POST, LIST, …
        path: Without the query, percent escapes undone.
        token: What the header X-Vault-Token says; empty for none.
        body: Its bytes.
    """

    method: str
    path: str
    token: str
    body: bytes


class Reply(NamedTuple):
    """What is sent for a request.

    Attributes:
        message: The whole response.
        after: Seconds until it is sent.
    """

    message: bytes
    after: float


def response(status: int, body: bytes = b"") -> bytes:
    """A whole response with a JSON body."""
    head = f"HTTP/1.1 {status} {REASONS[status]}\r\n"
    if status == 204:
        return f"{head}\r\n".encode()
    return f"{head}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


class Connection(asyncio.Protocol):
    """One connection.

    Args:
        answer: What a request is answered with. What it changes has changed when the request has come.
    """

    def __init__(self, answer: Callable[[Request], Reply]) -> None:
        self._answer = answer
        self._buffer = b""
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, end, body = self._buffer.partition(HEAD_END)
        if not end or len(body) < int(_header(head, b"content-length:") or 0):
            return
        self._buffer = b""
        method, target, _ = head.split(b" ", 2)
        path = target.partition(b"?")[0].decode()
        token = _header(head, b"x-vault-token:").decode()
        reply = self._answer(Request(method.decode(), unquote(path) if "%" in path else path, token, body))
        self._loop.call_later(reply.after, self._send, reply.message)

    def _send(self, message: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(message)


def _header(head: bytes, name: bytes) -> bytes:
    """A header's value; `name` in small letters, with its colon. Empty when the header is not there."""
    start = head.lower().find(b"\r\n" + name)
    if start < 0:
        return b""
    start += len(name) + 2
    end = head.find(b"\r\n", start)
    return head[start : end if end >= 0 else None].strip()
