"""HTTP sessions that do only what they are told, and bodies that are read up to a bound."""

from __future__ import annotations

import socket
import zlib
from typing import TYPE_CHECKING

import aiohttp

from rotator.wire.progress import WatchedConnector
from rotator.wire.resolver import ThreadResolver, system_lookup

if TYPE_CHECKING:
    from aiohttp import AddrInfoType

    from rotator.wire.addresses import Reach
    from rotator.wire.resolver import Lookup

MAX_BODY = 1 << 20
"""Bytes of a body, once decoded; what we ask for is far smaller."""

RECEIVE_BUFFER = 32 << 10
"""Bytes that the other side may send before we have looked at what came. They are read, and parsed, in one go."""

_WBITS = zlib.MAX_WBITS | 32
"""zlib's "find out yourself": gzip (RFC 1952) or zlib (RFC 1950), which is what `deflate` means in HTTP."""


class TooLargeError(Exception):
    """A body is larger than it may be.

    Attributes:
        most: Bytes that it might have had.
    """

    def __init__(self, most: int) -> None:
        super().__init__(most)
        self.most = most


class UndecodableError(Exception):
    """A body has a content coding that cannot be undone."""


def open_session(
    connections: int,
    connect_timeout: float,
    reach: Reach,
    *,
    lookup: Lookup = system_lookup,
    reuse: bool = True,
) -> aiohttp.ClientSession:
    """A session without cookies, proxies, netrc and content codings, as far as they are ours to choose.

    A connection whose other end has vanished without a word is given up by the kernel once what was sent has not been
    acknowledged for `connect_timeout` (N04). A server that is merely slow acknowledges.

    Args:
        connections: Open at most.
        connect_timeout: Seconds for one connection to be made; the whole request's deadline is the caller's.
        reach: Which addresses may be talked to.
        lookup: What finds the addresses of a host.
        reuse: Whether connections are kept open for the next request.
    """

    def open_socket(where: AddrInfoType) -> socket.socket:
        opened = reach.open_socket(where)
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, round(connect_timeout * 1000))
        return opened

    return aiohttp.ClientSession(
        connector=WatchedConnector(
            limit=connections, resolver=ThreadResolver(lookup), socket_factory=open_socket, force_close=not reuse
        ),
        headers={"Accept-Encoding": "identity"},
        cookie_jar=aiohttp.DummyCookieJar(),
        trust_env=False,
        auto_decompress=False,
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=connect_timeout),
    )


async def read_body(response: aiohttp.ClientResponse, most: int = MAX_BODY) -> bytes:
    """The decoded body. We ask for no content coding; servers that compress all the same are read, within bounds.

    Args:
        response: The answer.
        most: Bytes that it may have.

    Raises:
        TooLargeError: More than `most`, before or after decoding; the connection is closed.
        UndecodableError: An unknown content coding, or broken data.
    """
    body = bytearray()
    while chunk := await response.content.readany():
        body += chunk
        if len(body) > most:
            response.close()
            raise TooLargeError(most)
    coding = response.headers.get("Content-Encoding", "identity").strip().lower()
    if coding in {"gzip", "x-gzip", "deflate"}:
        return _inflate(body, most)
    if coding not in {"", "identity"}:
        raise UndecodableError
    return bytes(body)


def _inflate(body: bytes | bytearray, most: int) -> bytes:
    stream = zlib.decompressobj(_WBITS)
    try:
        decoded = stream.decompress(body, most + 1)
    except zlib.error:
        raise UndecodableError from None
    if len(decoded) > most:
        raise TooLargeError(most)
    if not stream.eof:
        raise UndecodableError
    return decoded
