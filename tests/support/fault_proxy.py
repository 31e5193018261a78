"""A TCP proxy before a real server, whose network can be made bad, and good again, while it runs.

It knows no protocol: bytes go in and out. `proxy.fault = Fault(latency=0.2)` holds from then on for every connection,
open ones too; `CLEAR` ends it. What concerns open connections only is a method: `forget`, `reset`.
"""

from __future__ import annotations

import asyncio
import ctypes
import math
import socket
import struct
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

PIECE = 0.02
"""Seconds of transmission that are sent at once when the bandwidth is limited."""

_SO_ATTACH_FILTER = 26
_DROP_ALL = struct.pack("HBBI", 0x06, 0, 0, 0)
"""The classic BPF program `ret 0`: the kernel takes no segment for the socket any more, and acknowledges none."""


@dataclass(frozen=True)
class Fault:
    """What the network does to bytes. Rows combine.

    Attributes:
        drop: Connections are accepted and nothing is carried, not even their end.
        latency: Seconds by which whatever is sent is late, each way.
        bandwidth: Bytes a second, each way; a few of them make a slow drip.
        cut_after: The connection ends after so many bytes of the answer; with 0 as soon as it is made or used.
        with_reset: Whether it then ends with RST instead of FIN.
        corrupt_every: Of the answer, each so-manieth byte arrives inverted.
    """

    drop: bool = False
    latency: float = 0.0
    bandwidth: float = math.inf
    cut_after: int | None = None
    with_reset: bool = False
    corrupt_every: int | None = None


CLEAR = Fault()
DROP = Fault(drop=True)
RESET = Fault(cut_after=0, with_reset=True)


def port_of(url: str) -> int:
    """The port of a server on 127.0.0.1."""
    port = urlsplit(url).port
    assert port is not None
    return port


class FaultProxy:
    """`async with FaultProxy(port) as proxy`; the real server listens on `port` of 127.0.0.1.

    Attributes:
        port: Where the proxy listens on 127.0.0.1; the same for all its life.
        fault: What holds now.
        accepted: Connections so far.
    """

    def __init__(self, upstream: int) -> None:
        self.port = 0
        self.fault = CLEAR
        self.accepted = 0
        self._upstream = upstream
        self._server: asyncio.Server | None = None
        self._open: set[_Connection] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        await self.listen()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.refuse()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def listen(self) -> None:
        """Accept connections, again."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def refuse(self) -> None:
        """Have connections refused until `listen`; those that are open stay."""
        if self._server is not None:
            self._server.close()
            self._server = None

    def reset(self) -> None:
        """End every open connection with RST."""
        for connection in list(self._open):
            connection.end(with_reset=True)

    def forget(self) -> None:
        """Forget every open connection as a NAT does: what is sent on it vanishes, unacknowledged and unanswered."""
        for connection in self._open:
            connection.forget()

    @asynccontextmanager
    async def flapping(self, fault: Fault, *, good: float, bad: float) -> AsyncIterator[None]:
        """Turn by turn the network is good, and as `fault` says; seconds."""

        async def flap() -> None:
            while True:
                await asyncio.sleep(good)
                self.fault = fault
                await asyncio.sleep(bad)
                self.fault = CLEAR

        task = asyncio.create_task(flap())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            self.fault = CLEAR

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.accepted += 1
        connection = _Connection(self, reader, writer)
        self._open.add(connection)
        try:
            await connection.carry(self._upstream)
        except (OSError, asyncio.CancelledError):
            pass  # one of the two ends has gone, or the test is over
        finally:
            self._open.discard(connection)
            self._tasks.discard(task)
            connection.end()


class _Connection:
    """One client's connection and the one to the real server that belongs to it."""

    def __init__(self, proxy: FaultProxy, reader: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        self._proxy = proxy
        self._reader = reader
        self._client = client
        self._server: asyncio.StreamWriter | None = None
        self._forgotten = False
        self._counted_for: Fault | None = None
        self._answered = 0

    async def carry(self, upstream: int) -> None:
        """Carry bytes both ways until both ends have gone."""
        if self._cut_now():
            return
        while self._proxy.fault.drop:
            # What is sent meanwhile is lost; when the fault is over, the connection stays a dead one.
            if not await self._reader.read(1 << 16):
                return
            self._forgotten = True
        answers, self._server = await asyncio.open_connection("127.0.0.1", upstream)
        await asyncio.gather(
            self._pump(self._reader, self._server, of_server=False), self._pump(answers, self._client, of_server=True)
        )

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, of_server: bool) -> None:
        while data := await source.read(1 << 16):
            if self._cut_now():
                return
            await asyncio.sleep(self._proxy.fault.latency)
            await self._send(data, sink, of_server=of_server)
        if not self._lost() and not sink.is_closing():
            sink.write_eof()

    async def _send(self, data: bytes, sink: asyncio.StreamWriter, *, of_server: bool) -> None:
        while data and not self._lost():
            fault = self._proxy.fault
            limited = fault.bandwidth < math.inf
            piece = data[: max(1, int(fault.bandwidth * PIECE))] if limited else data
            data = data[len(piece) :]
            sink.write(self._answer(piece, fault) if of_server else piece)
            await sink.drain()
            if self._cut_now():
                return
            if limited:
                await asyncio.sleep(len(piece) / fault.bandwidth)

    def _answer(self, piece: bytes, fault: Fault) -> bytes:
        """What arrives of a piece of an answer."""
        self._count_for(fault)
        start, self._answered = self._answered, self._answered + len(piece)
        if fault.corrupt_every is not None:
            every = fault.corrupt_every
            piece = bytes(byte ^ 0xFF if (start + place + 1) % every == 0 else byte for place, byte in enumerate(piece))
        return piece if fault.cut_after is None else piece[: max(0, fault.cut_after - start)]

    def _count_for(self, fault: Fault) -> None:
        """Bytes of the answer are counted from when a fault came up."""
        if fault is not self._counted_for:
            self._counted_for, self._answered = fault, 0

    def _cut_now(self) -> bool:
        """End the connection if the fault wants it to; whether it has ended."""
        fault = self._proxy.fault
        self._count_for(fault)
        if fault.cut_after is not None and self._answered >= fault.cut_after:
            self.end(with_reset=fault.with_reset)
            return True
        return False

    def _lost(self) -> bool:
        return self._forgotten or self._proxy.fault.drop

    def forget(self) -> None:
        """See `FaultProxy.forget`."""
        self._forgotten = True
        program = ctypes.create_string_buffer(_DROP_ALL)
        pointer = struct.pack("HP", 1, ctypes.addressof(program))
        self._client.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, pointer)

    def end(self, *, with_reset: bool = False) -> None:
        """Close both ends."""
        for writer in (self._client, self._server):
            if writer is None or writer.is_closing():
                continue
            if with_reset and writer is self._client:
                with suppress(OSError):
                    linger = struct.pack("ii", 1, 0)
                    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                writer.transport.abort()
            else:
                writer.close()
