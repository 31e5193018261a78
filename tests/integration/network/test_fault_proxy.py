"""The fault proxy itself, before a server that says everything twice."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from tests.support.fault_proxy import CLEAR, DROP, RESET, Fault, FaultProxy

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

NOTHING = 0.2
"""Seconds after which nothing has come."""


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(1 << 16):
        writer.write(data)
        await writer.drain()
    writer.close()


@asynccontextmanager
async def echoing() -> AsyncIterator[FaultProxy]:
    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    async with server, FaultProxy(server.sockets[0].getsockname()[1]) as proxy:
        yield proxy


class Caller:
    """A connection through the proxy."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self.writer = writer

    def say(self, text: bytes) -> None:
        self.writer.write(text)

    async def hears(self, count: int, within: float = 5.0) -> bytes:
        async with asyncio.timeout(within):
            return await self._reader.readexactly(count)

    async def hears_the_rest(self) -> bytes:
        async with asyncio.timeout(5):
            return await self._reader.read()

    async def hears_nothing(self) -> bool:
        try:
            await self.hears(1, NOTHING)
        except TimeoutError:
            return True
        return False


@asynccontextmanager
async def calling(proxy: FaultProxy) -> AsyncIterator[Caller]:
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    try:
        yield Caller(reader, writer)
    finally:
        writer.transport.abort()


def now() -> float:
    return asyncio.get_running_loop().time()


async def test_without_a_fault_bytes_and_the_end_arrive() -> None:
    async with echoing() as proxy, calling(proxy) as caller:
        caller.say(b"x" * 300_000)
        assert await caller.hears(300_000) == b"x" * 300_000
        caller.writer.write_eof()
        assert await caller.hears_the_rest() == b""


async def test_latency_is_added_each_way_and_ends_when_it_is_taken_away() -> None:
    async with echoing() as proxy, calling(proxy) as caller:
        proxy.fault = Fault(latency=0.1)
        began = now()
        caller.say(b"hello")
        await caller.hears(5)
        assert now() - began >= 0.2
        proxy.fault = CLEAR
        began = now()
        caller.say(b"hello")
        await caller.hears(5)
        assert now() - began < 0.2


async def test_drop_accepts_and_carries_nothing_on_new_and_on_open_connections() -> None:
    async with echoing() as proxy, calling(proxy) as before:
        before.say(b"hello")
        await before.hears(5)
        proxy.fault = DROP
        before.say(b"hello")
        async with calling(proxy) as after:
            after.say(b"hello")
            assert await after.hears_nothing()
        assert await before.hears_nothing()


async def test_reset_ends_new_and_used_connections_with_rst() -> None:
    async with echoing() as proxy, calling(proxy) as before:
        before.say(b"hello")
        await before.hears(5)
        proxy.fault = RESET
        before.say(b"hello")
        with pytest.raises(ConnectionResetError):
            await before.hears(1)
        async with calling(proxy) as after:
            with pytest.raises(ConnectionResetError):
                await after.hears(1)


async def test_all_open_connections_can_be_reset_at_once_and_new_ones_work() -> None:
    async with echoing() as proxy, calling(proxy) as before:
        before.say(b"hello")
        await before.hears(5)
        proxy.reset()
        with pytest.raises(ConnectionResetError):
            await before.hears(1)
        async with calling(proxy) as after:
            after.say(b"hello")
            assert await after.hears(5) == b"hello"


async def test_a_forgotten_connection_swallows_bytes_and_acknowledges_none_while_new_ones_work() -> None:
    async with echoing() as proxy, calling(proxy) as before:
        before.say(b"hello")
        await before.hears(5)
        proxy.forget()
        before.say(b"hello")
        assert await before.hears_nothing()
        assert unacknowledged(before) > 0
        async with calling(proxy) as after:
            after.say(b"hello")
            assert await after.hears(5) == b"hello"


def unacknowledged(caller: Caller) -> int:
    """Segments that were sent and not acknowledged: tcpi_unacked of tcp(7)."""
    info: bytes = caller.writer.get_extra_info("socket").getsockopt(6, 11, 104)
    return int.from_bytes(info[24:28], "little")


async def test_bandwidth_makes_a_slow_drip() -> None:
    async with echoing() as proxy, calling(proxy) as caller:
        proxy.fault = Fault(bandwidth=100)
        caller.say(b"x" * 20)
        began = now()
        await caller.hears(1)
        first = now() - began
        await caller.hears(19)
        assert first < 0.15, "it drips, and does not come all at once in the end"
        assert now() - began >= 0.17


async def test_truncation_ends_the_answer_in_its_midst() -> None:
    async with echoing() as proxy, calling(proxy) as caller:
        proxy.fault = Fault(cut_after=3)
        caller.say(b"hello")
        assert await caller.hears_the_rest() == b"hel"


async def test_a_reset_in_the_midst_of_the_answer_comes_after_its_beginning() -> None:
    async with echoing() as proxy, calling(proxy) as caller:
        proxy.fault = Fault(cut_after=3, with_reset=True)
        caller.say(b"hello")
        with pytest.raises(ConnectionResetError):
            await caller.hears(4)


async def test_corruption_inverts_bytes_of_the_answer() -> None:
    async with echoing() as proxy, calling(proxy) as caller:
        proxy.fault = Fault(corrupt_every=2)
        caller.say(b"\x00\x00\x00\x00")
        assert await caller.hears(4) == b"\x00\xff\x00\xff"


async def test_refused_connections_are_accepted_again_on_the_same_port() -> None:
    async with echoing() as proxy:
        await proxy.refuse()
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", proxy.port)
        await proxy.listen()
        async with calling(proxy) as caller:
            caller.say(b"hello")
            assert await caller.hears(5) == b"hello"


async def test_flapping_goes_from_good_to_bad_and_back() -> None:
    async with echoing() as proxy:
        seen: list[Fault] = []
        async with proxy.flapping(RESET, good=0.05, bad=0.05), asyncio.timeout(5):
            while seen[-3:] != [CLEAR, RESET, CLEAR]:
                if not seen or seen[-1] is not proxy.fault:
                    seen.append(proxy.fault)
                await asyncio.sleep(0.005)
        assert proxy.fault is CLEAR
