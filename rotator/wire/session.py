"""HTTP sessions that do only what they are told, and bodies that are read up to a bound."""

from __future__ import annotations

import zlib

import aiohttp

MAX_BODY = 1 << 20
"""Bytes of a body, once decoded; what we ask for is far smaller."""

_WBITS = zlib.MAX_WBITS | 32
"""zlib's "find out yourself": gzip (RFC 1952) or zlib (RFC 1950), which is what `deflate` means in HTTP."""


class TooLargeError(Exception):
    """A body is larger than `MAX_BODY`."""


class UndecodableError(Exception):
    """A body has a content coding that cannot be undone."""


def open_session(connections: int, connect_timeout: float) -> aiohttp.ClientSession:
    """A session without cookies, proxies, netrc and automatic decoding.

    Args:
        connections: Open at most.
        connect_timeout: Seconds for one connection to be made; the whole request's deadline is the caller's.
    """
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=connections),
        cookie_jar=aiohttp.DummyCookieJar(),
        trust_env=False,
        auto_decompress=False,
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=connect_timeout),
    )


async def read_body(response: aiohttp.ClientResponse) -> bytes:
    """The decoded body. We ask for no content coding; servers that compress all the same are read, within bounds.

    Raises:
        TooLargeError: More than `MAX_BODY`, before or after decoding; the connection is closed.
        UndecodableError: An unknown content coding, or broken data.
    """
    body = bytearray()
    while chunk := await response.content.readany():
        body += chunk
        if len(body) > MAX_BODY:
            response.close()
            raise TooLargeError
    coding = response.headers.get("Content-Encoding", "identity").strip().lower()
    if coding in {"gzip", "x-gzip", "deflate"}:
        return _inflate(body)
    if coding not in {"", "identity"}:
        raise UndecodableError
    return bytes(body)


def _inflate(body: bytes | bytearray) -> bytes:
    stream = zlib.decompressobj(_WBITS)
    try:
        decoded = stream.decompress(body, MAX_BODY + 1)
    except zlib.error:
        raise UndecodableError from None
    if len(decoded) > MAX_BODY:
        raise TooLargeError
    if not stream.eof:
        raise UndecodableError
    return decoded
