"""A token endpoint that misbehaves on purpose: a raw socket on loopback, a function for what it does, and a client."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING

from rotator.core.model import ClientCredentials, Secret
from rotator.engine.clock import SystemClock
from rotator.oauth.endpoint import EndpointSettings, HttpTokenEndpoint
from rotator.oauth.provider import Provider, ProviderSettings
from rotator.wire.resolver import system_lookup

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

    from rotator.core.model import Grant
    from rotator.wire.resolver import Lookup

    Behaviour = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


GOOD = json.dumps({"access_token": "a.b.c", "expires_in": 600, "token_type": "Bearer"}).encode()
SECRET = Secret("CANARY-secret")
CLIENT = ClientCredentials("client", (SECRET,), "v1")


@asynccontextmanager
async def asking(
    url: str, lookup: Lookup = system_lookup, asked: EndpointSettings | None = None, **settings: object
) -> AsyncIterator[HttpTokenEndpoint]:
    """An endpoint of ours with deadlines that suit tests."""
    clock = SystemClock()
    deadlines = {"timeout": 1.0, "connect_timeout": 0.5}
    provider = Provider(ProviderSettings(url, **{**deadlines, **settings}), clock, lookup)  # type: ignore[arg-type]  # settings of the caller's choice
    try:
        yield HttpTokenEndpoint(provider, asked or EndpointSettings(), clock)
    finally:
        await provider.close()


async def mint(url: str, times: int = 1, lookup: Lookup = system_lookup, **settings: object) -> Grant:
    async with asking(url, lookup, None, **settings) as endpoint:
        for _ in range(times - 1):
            await endpoint.mint(CLIENT)
        return await endpoint.mint(CLIENT)


@asynccontextmanager
async def hostile(
    behaviour: Behaviour, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1"
) -> AsyncIterator[str]:
    """Serve every connection with `behaviour`; the token URL."""
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await behaviour(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # the client has gone, or the test is over
        finally:
            writer.close()

    server = await asyncio.start_server(serve, host, 0, ssl=tls)
    port = server.sockets[0].getsockname()[1]
    try:
        yield f"{'https' if tls else 'http'}://{host}:{port}/token"
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def read_request(reader: asyncio.StreamReader) -> bytes:
    """One request, head and body."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(int(line[15:]) for line in head.lower().splitlines() if line.startswith(b"content-length:"))
    return head + await reader.readexactly(length)


def reset(writer: asyncio.StreamWriter) -> None:
    """End a connection with RST."""
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


@contextmanager
def full_backlog(host: str = "127.0.0.1", port: int = 0) -> Iterator[str]:
    """A listener that accepts nothing and whose queue is full: a further SYN is dropped."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with (
        socket.socket(family) as listener,
        socket.socket(family) as first,
        socket.socket(family) as second,
    ):
        listener.bind((host, port))
        listener.listen(0)
        first.connect(listener.getsockname())
        second.setblocking(False)
        second.connect_ex(listener.getsockname())
        yield f"http://{host}:{listener.getsockname()[1]}/token"


def answering(raw: bytes) -> Behaviour:
    """Read a request, send these bytes, close."""

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(raw)
        await writer.drain()

    return behave


def counting(served: list[bytes], *replies: bytes) -> Behaviour:
    """Answer the requests of one connection with these bytes, one each, then close; keep what was asked in `served`."""

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for reply in replies:
            served.append(await read_request(reader))
            writer.write(reply)
            await writer.drain()

    return behave


def response(body: bytes, status: str = "200 OK", *headers: str) -> bytes:
    """A whole HTTP response."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Content-Type: application/json", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


def dripping(piece: bytes, start: bytes, pause: float = 0.05) -> Behaviour:
    """Send a start, then pieces for ever, with a pause after each (seconds)."""

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(start)
        while True:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(pause)

    return behave
