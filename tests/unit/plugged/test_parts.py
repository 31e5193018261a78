"""Sinks and sources of plugins: the guard changes nothing in what keeps the contract, and lets nothing else pass."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from rotator.contract import SinkContract, SourceContract, record, site
from rotator.core.errors import Code, RotationError
from rotator.core.model import ClientCredentials
from rotator.plugged.judging import Found
from rotator.plugged.parts import PluggedSink, PluggedSource
from rotator.plugins import Section, SinkKind, SourceKind
from rotator.testing import MemorySink, MemorySource

if TYPE_CHECKING:
    from collections.abc import Callable


class Nothing(Section):
    pass


def plugged_sink(part: Any) -> PluggedSink:
    kind = SinkKind(settings=Nothing, place=lambda _, credential: credential, make=lambda *_: part, deadline=0.2)
    return PluggedSink(Found("sink", "memory", kind, "rotator-handmade", "1.0"), Nothing(), site(name="memory:billing"))


def plugged_source(part: Any) -> PluggedSource:
    kind = SourceKind(settings=Nothing, make=lambda *_: part, deadline=0.2)
    return PluggedSource(Found("source", "memory", kind, "rotator-handmade", "1.0"), Nothing(), site(name="the source"))


class TestPluggedSink(SinkContract):
    @pytest.fixture
    def open_sink(self) -> Callable[[], PluggedSink]:
        held = MemorySink()
        return lambda: plugged_sink(held)


class Place:
    def __init__(self) -> None:
        self._source = MemorySource()
        self._source.remove()

    def open(self) -> PluggedSource:
        return plugged_source(self._source)

    async def store(self, client_id: str, *secrets: str) -> None:
        self._source.store(client_id, *secrets)


class TestPluggedSource(SourceContract):
    @pytest.fixture
    def place(self) -> Place:
        return Place()


class Answering:
    """A sink, and a source, that holds whatever it was made with."""

    def __init__(self, held: Any) -> None:
        self.held = held

    async def read(self) -> Any:
        return self.held

    async def write(self, _: Any) -> Any:
        return self.held

    async def check(self) -> None: ...


BAD_RECORDS = {
    "a-document": record().fields(),
    "a-token-that-is-no-secret": replace(record(), access_token="CANARY"),  # type: ignore[arg-type]  # a wrong type
    "times-without-a-zone": replace(record(), issued_at=record().issued_at.replace(tzinfo=None)),
    "parts-of-a-second": replace(record(), issued_at=record().issued_at.replace(microsecond=1)),
    "another-fingerprint": replace(record(), fingerprint="CANARY"),
    "another-field": replace(record(), scope=None),  # type: ignore[arg-type]  # likewise
}


@pytest.mark.parametrize("held", BAD_RECORDS.values(), ids=BAD_RECORDS.keys())
@pytest.mark.parametrize("call", ["read", "write"])
async def test_a_record_that_is_not_whole_is_no_record(held: Any, call: str) -> None:
    sink = plugged_sink(Answering(held))
    with pytest.raises(RotationError) as caught:
        await (sink.read() if call == "read" else sink.write(record()))
    assert caught.value.code is Code.PLUGIN_FAILED
    assert "CANARY" not in f"{caught.value!r} {caught.value.__context__!r}"


async def test_a_sink_may_hold_nothing_but_a_write_returns_what_it_holds() -> None:
    sink = plugged_sink(Answering(None))
    assert await sink.read() is None
    with pytest.raises(RotationError):
        await sink.write(record())


BAD_CREDENTIALS = {
    "a-document": {"client_id": "client"},
    "a-secret-that-is-a-text": ClientCredentials("client", ("CANARY",), "v1"),  # type: ignore[arg-type]  # a wrong type
    "an-id-that-is-no-text": ClientCredentials(b"client", (), "v1"),  # type: ignore[arg-type]  # likewise
    "a-version-that-is-no-text": ClientCredentials("client", (), 1),  # type: ignore[arg-type]  # likewise
    "a-field-that-is-a-text": ClientCredentials("client", (), "v1", {"a": "CANARY"}),  # type: ignore[dict-item]  # likewise
    "nothing": None,
}


@pytest.mark.parametrize("held", BAD_CREDENTIALS.values(), ids=BAD_CREDENTIALS.keys())
async def test_credentials_that_are_not_sound_are_none(held: Any) -> None:
    with pytest.raises(RotationError) as caught:
        await plugged_source(Answering(held)).read()
    assert caught.value.code is Code.PLUGIN_FAILED
    assert "CANARY" not in repr(caught.value)


async def test_what_is_not_made_fails_in_every_call_and_says_why() -> None:
    sink = plugged_sink(object())
    for call in (sink.read(), sink.write(record()), sink.check()):
        with pytest.raises(RotationError) as caught:
            await call
        assert "make of memory:billing of rotator-handmade 1.0 returned a object" in caught.value.detail
    await sink.close()


class Closing(MemorySink):
    def __init__(self, close: Callable[[], Any]) -> None:
        super().__init__()
        self._close = close

    async def close(self) -> None:
        await self._close()


async def test_what_has_opened_something_is_asked_to_close_it() -> None:
    closed = asyncio.Event()

    async def close() -> None:
        closed.set()

    await plugged_sink(Closing(close)).close()
    assert closed.is_set()
    await plugged_sink(MemorySink()).close()


async def test_a_close_that_fails_or_hangs_holds_nobody_up() -> None:
    async def fail() -> None:
        raise ValueError("CANARY")

    async with asyncio.timeout(5):
        await plugged_sink(Closing(fail)).close()
        await plugged_sink(Closing(asyncio.Event().wait)).close()
