"""Requests and deliveries are told with their result and their time, and pass through unchanged."""

from __future__ import annotations

import asyncio

import pytest

from rotator.core.errors import Code, RotationError
from rotator.core.model import BearerToken, Secret, TokenRecord, fingerprint
from rotator.engine.metered import NOBODY, MeteredEndpoint, MeteredSink
from rotator.testing import FakeClock, MemoryEndpoint, MemorySink
from tests.support.requests import client


class Told:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.all: list[tuple[str, str, str, float]] = []

    def minted(self, provider: str, result: str, seconds: float) -> None:
        self.all.append(("minted", provider, result, seconds))

    def delivered(self, kind: str, result: str, seconds: float) -> None:
        self.all.append(("delivered", kind, result, seconds))

    def late(self, seconds: float) -> None:
        self.all.append(("late", "", "", seconds))

    def asked(self, result: str) -> None:
        self.all.append(("asked", "", result, 0.0))


class Broken(MemorySink):
    """A sink with a bug."""

    async def write(self, record: TokenRecord) -> TokenRecord:
        raise ZeroDivisionError(record.fingerprint)


class Hanging(MemorySink):
    """A sink that does not return."""

    async def write(self, record: TokenRecord) -> TokenRecord:
        await asyncio.Event().wait()
        return record


def record(clock: FakeClock) -> TokenRecord:
    bearer = Secret("a.b.c")
    return TokenRecord.of(BearerToken(bearer, clock.now(), 600.0, "", "", fingerprint(bearer)))


async def test_a_request_is_told_with_its_provider_and_how_long_it_took() -> None:
    clock, told = FakeClock(), Told()
    real = MemoryEndpoint(clock)
    real.latency = 0.25
    grant = await MeteredEndpoint(real, "thx", clock, told).mint(client())
    assert grant.access_token.reveal() == "client.token.1"
    assert told.all == [("minted", "thx", "ok", 0.25)]


async def test_a_failure_is_told_by_its_code_and_raised_as_it_was() -> None:
    clock, told = FakeClock(), Told()
    real, error = MemoryEndpoint(clock), RotationError(Code.PROVIDER_TIMEOUT, "late")
    real.faults.next("mint", error)
    with pytest.raises(RotationError) as caught:
        await MeteredEndpoint(real, "thx", clock, told).mint(client())
    assert caught.value is error
    assert told.all == [("minted", "thx", "provider_timeout", 0.0)]


async def test_a_delivery_is_told_with_the_kind_of_its_sink_and_a_bug_as_internal() -> None:
    clock, told = FakeClock(), Told()
    real = MemorySink("memory:x")
    good = MeteredSink(real, clock, told)
    written = await good.write(record(clock))
    assert (good.name, good.kind, await good.read()) == ("memory:x", "memory", written)
    with pytest.raises(ZeroDivisionError):
        await MeteredSink(Broken(), clock, told).write(record(clock))
    assert told.all == [("delivered", "memory", "ok", 0.0), ("delivered", "memory", "internal", 0.0)]


async def test_what_is_cancelled_has_no_result() -> None:
    clock, told = FakeClock(), Told()
    writing = asyncio.create_task(MeteredSink(Hanging(), clock, told).write(record(clock)))
    await asyncio.sleep(0)
    writing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await writing
    assert told.all == []


async def test_where_nobody_watches_everything_works_all_the_same() -> None:
    clock = FakeClock()
    await MeteredEndpoint(MemoryEndpoint(clock), "thx", clock, NOBODY).mint(client())
    assert await MeteredSink(MemorySink(), clock, NOBODY).write(record(clock)) == record(clock)
