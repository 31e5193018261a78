"""Connections that were kept open and are dead when they are used next (N04)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from rotator.core.errors import Code, RotationError
from tests.support.fault_proxy import FaultProxy, port_of
from tests.support.hostile_provider import (
    CLIENT,
    GOOD,
    asking,
    counting,
    hostile,
    mint,
    read_request,
    reset,
    response,
)

if TYPE_CHECKING:
    from tests.support.hostile_provider import Behaviour
    from tests.support.oidc import OidcProvider

HEAD = b"HTTP/1.1 200 OK\r\n"


async def test_a_kept_connection_that_has_been_closed_is_replaced_once_n04() -> None:
    served: list[bytes] = []

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await counting(served, response(GOOD))(reader, writer)
        await reader.read(1)  # the next request begins: close without an answer

    async with hostile(behave) as url:
        assert (await mint(url, times=2)).lifetime == 600.0
    assert len(served) == 2


async def test_a_kept_connection_that_is_reset_is_replaced_once_n04() -> None:
    served: list[bytes] = []

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await counting(served, response(GOOD))(reader, writer)
        await reader.read(1)  # the next request begins
        reset(writer)

    async with hostile(behave) as url:
        assert (await mint(url, times=2)).lifetime == 600.0
    assert len(served) == 2


async def test_a_fresh_connection_that_is_reset_is_not_replaced_n04() -> None:
    served: list[bytes] = []

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        served.append(await read_request(reader))
        reset(writer)

    async with hostile(behave) as url:
        with pytest.raises(RotationError) as caught:
            await mint(url)
    assert caught.value.code is Code.PROVIDER_UNREACHABLE
    assert len(served) == 1


@pytest.mark.parametrize("begun", [b"H", b"HTTP/1.1 2", HEAD, HEAD + b"X-A: b"])
async def test_an_answer_that_had_begun_on_a_kept_connection_is_not_asked_for_again_n04(begun: bytes) -> None:
    served: list[bytes] = []
    async with hostile(counting(served, response(GOOD), begun)) as url:
        with pytest.raises(RotationError) as caught:
            await mint(url, times=2)
    assert caught.value.code is Code.PROVIDER_UNREACHABLE
    assert len(served) == 2


async def test_a_fresh_connection_that_is_closed_without_an_answer_is_not_replaced_n04() -> None:
    served: list[bytes] = []
    async with hostile(counting(served, b"")) as url:
        with pytest.raises(RotationError) as caught:
            await mint(url)
    assert caught.value.code is Code.PROVIDER_UNREACHABLE
    assert len(served) == 1


async def test_the_connection_that_replaces_a_closed_one_is_not_replaced_itself_n04() -> None:
    served: list[bytes] = []

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        first = not served
        await counting(served, response(GOOD) if first else b"")(reader, writer)
        if first:
            served.append(await read_request(reader))

    async with hostile(behave) as url:
        with pytest.raises(RotationError) as caught:
            await mint(url, times=2)
    assert caught.value.code is Code.PROVIDER_UNREACHABLE
    assert len(served) == 3


async def test_a_connection_that_a_nat_has_forgotten_is_replaced_within_the_attempt_n04(
    oidc_provider: OidcProvider,
) -> None:
    client = oidc_provider.register()
    async with FaultProxy(port_of(oidc_provider.token_url)) as proxy:
        url = f"http://127.0.0.1:{proxy.port}/token"
        async with asking(url, timeout=10.0, connect_timeout=0.3) as endpoint:
            # Several are open, and the one that replaces the first must be none of them.
            await asyncio.gather(*(endpoint.mint(client.credentials) for _ in range(4)))
            kept = proxy.accepted
            assert kept > 1
            proxy.forget()
            before = len(oidc_provider.requests(client.client_id))
            began = asyncio.get_running_loop().time()
            grant = await endpoint.mint(client.credentials)
            took = asyncio.get_running_loop().time() - began
    assert grant.lifetime == 600.0
    assert took < 3.0
    assert proxy.accepted == kept + 1
    assert len(oidc_provider.requests(client.client_id)) == before + 1


def slow(served: list[bytes], seconds: float) -> Behaviour:
    """Answer the first request at once and the next one late."""

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await counting(served, response(GOOD))(reader, writer)
        served.append(await read_request(reader))
        await asyncio.sleep(seconds)
        writer.write(response(GOOD))
        await writer.drain()

    return behave


async def test_a_server_that_is_merely_slow_is_not_asked_twice_n04() -> None:
    served: list[bytes] = []
    async with hostile(slow(served, 1.0)) as url, asking(url, timeout=5.0, connect_timeout=0.3) as endpoint:
        await endpoint.mint(CLIENT)
        assert (await endpoint.mint(CLIENT)).lifetime == 600.0
    assert len(served) == 2
