"""What people are told when a token endpoint could not be asked: where, what was found, and how long was waited."""

from __future__ import annotations

import gzip
import socket
import threading
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from yarl import URL

from rotator.core.errors import Code, RotationError
from rotator.wire.resolver import system_lookup
from tests.support.hostile_provider import (
    GOOD,
    answering,
    full_backlog,
    hostile,
    mint,
    response,
)

if TYPE_CHECKING:
    import asyncio
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    from aiohttp import AddrInfoType

    from rotator.wire.resolver import Lookup
    from tests.support.hostile_provider import Behaviour


async def _told(url: str, lookup: Lookup = system_lookup, **settings: Any) -> RotationError:
    with pytest.raises(RotationError) as caught:
        await mint(url, lookup=lookup, **settings)
    return caught.value


async def _silent(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    await reader.read()


ANSWERS: dict[str, tuple[Behaviour, str]] = {
    "too large": (answering(response(b" " * (2 << 20))), "{where} answered with more than 131072 bytes"),
    "encoded": (
        answering(response(b"no", "200 OK", "Content-Encoding: gzip")),
        "{where} answered in an encoding nobody asked for",
    ),
    "encoded in a way that nobody knows": (
        answering(response(GOOD, "200 OK", "Content-Encoding: br")),
        "{where} answered in an encoding nobody asked for",
    ),
    "encoded and cut": (
        answering(response(gzip.compress(GOOD)[:-9], "200 OK", "Content-Encoding: gzip")),
        "{where} answered in an encoding nobody asked for",
    ),
    "late": (_silent, "{where} did not answer whole within 1 s"),
    "missing": (answering(b""), "the connection to {where} broke before an answer came"),
    "cut": (answering(response(GOOD)[:-5]), "the answer of {where} ended before it was complete"),
    "no HTTP": (answering(b"SSH-2.0-x\r\n\r\n"), "{where} answered with something that is not proper HTTP"),
    "a refusal": (answering(response(b"", "503 Busy")), "{where} answered with status 503"),
}


@pytest.mark.parametrize("answer", ANSWERS)
async def test_the_endpoint_is_named_whose_answer_is(answer: str) -> None:
    behaviour, told = ANSWERS[answer]
    async with hostile(behaviour) as url:
        assert (await _told(url)).detail == told.format(where=f"the token endpoint {url}")


async def test_an_endpoint_that_cannot_be_connected_to_is_named_with_the_systems_reason_p01() -> None:
    async with hostile(_silent) as url:
        pass
    assert (await _told(url)).detail == f"no connection to the token endpoint {url}: ECONNREFUSED"


async def test_an_endpoint_that_answers_no_connection_is_named_with_the_deadline_p02() -> None:
    with full_backlog() as url:
        assert (await _told(url)).detail == f"no connection to the token endpoint {url} within 0.5 s"


async def test_an_address_that_the_configuration_does_not_allow_is_named_n02() -> None:
    error = await _told("http://127.0.0.1:9/token", allowed_networks=())
    assert error.code is Code.PROVIDER_ADDRESS_REFUSED
    assert error.detail.startswith("the token endpoint http://127.0.0.1:9/token is at 127.0.0.1")


def _unforeseen(_: str, __: int, ___: socket.AddressFamily) -> Sequence[AddrInfoType]:
    raise ZeroDivisionError("CANARY")


async def test_a_failure_that_nobody_foresaw_is_told_by_its_kind_and_place_and_without_its_text() -> None:
    error = await _told("http://auth.example.com/token", _unforeseen)
    assert error.code is Code.INTERNAL
    assert error.detail.startswith(
        "asking the token endpoint http://auth.example.com/token failed: ZeroDivisionError at "
    )
    assert "CANARY" not in repr(error)


async def test_a_ca_file_that_cannot_be_used_is_told_of_before_anybody_is_asked(tmp_path: Path) -> None:
    error = await _told("https://127.0.0.1:9/token", ca_file=tmp_path / "missing.pem")
    assert error.code is Code.PROVIDER_TLS
    assert error.detail.startswith(f"ca_file {tmp_path / 'missing.pem'}")


@asynccontextmanager
async def _stuck_lookup() -> AsyncIterator[Lookup]:
    """A name service that does not answer while the block lasts."""
    go = threading.Event()

    def lookup(_: str, __: int, ___: socket.AddressFamily) -> Sequence[AddrInfoType]:
        go.wait(30)
        raise socket.gaierror(socket.EAI_AGAIN, "at last")

    yield lookup
    go.set()


async def test_a_deadline_that_ends_before_a_request_was_sent_leaves_nothing_open_p07() -> None:
    async with _stuck_lookup() as lookup:
        error = await _told("http://auth.example.com/token", lookup, timeout=0.2, connect_timeout=5.0)
    assert (error.code, error.ambiguous) == (Code.PROVIDER_TIMEOUT, False)
    assert error.detail == "the token endpoint http://auth.example.com/token did not answer whole within 0.2 s"


async def test_a_failed_handshake_leaves_nothing_open_p07() -> None:
    async def plain(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(response(b"", "400 Bad"))
        await writer.drain()

    async with hostile(plain) as url:
        error = await _told(str(URL(url).with_scheme("https")))
    assert (error.code, error.ambiguous) == (Code.PROVIDER_TLS, False)
