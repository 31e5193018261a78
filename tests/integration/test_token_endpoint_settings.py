"""What is configured for a provider is what its requests do, on the wire."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from rotator.core.model import ClientCredentials, Secret
from rotator.oauth.client_auth import ClientAuthSettings
from rotator.oauth.endpoint import EndpointSettings
from tests.support.hostile_provider import CLIENT, GOOD, asking, counting, hostile, mint, read_request, response

if TYPE_CHECKING:
    from rotator.oauth.client_auth import BasicEncoding


@pytest.mark.parametrize(("encoding", "pair"), [("rfc6749", "a+b:c%25d"), ("raw", "a b:c%d")])
async def test_id_and_secret_go_out_encoded_as_configured_p46(encoding: BasicEncoding, pair: str) -> None:
    served: list[bytes] = []
    asked = EndpointSettings(client_auth=ClientAuthSettings(basic_encoding=encoding))
    async with hostile(counting(served, response(GOOD))) as url, asking(url, asked=asked) as endpoint:
        await endpoint.mint(ClientCredentials("a b", (Secret("c%d"),), "v1"))
    assert f"Authorization: Basic {b64encode(pair.encode()).decode()}".encode() in served[0]


async def test_no_more_connections_than_configured_are_open_at_once() -> None:
    most = open_now = 0
    third = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal most, open_now
        open_now += 1
        most = max(most, open_now)
        if open_now > 2:
            third.set()
        await read_request(reader)
        with suppress(TimeoutError):
            await asyncio.wait_for(third.wait(), 0.1)
        open_now -= 1
        writer.write(response(GOOD, "200 OK", "Connection: close"))
        await writer.drain()

    async with hostile(serve) as url, asking(url, connections=2, timeout=10.0) as endpoint:
        await asyncio.gather(*(endpoint.mint(CLIENT) for _ in range(6)))
    assert most == 2


async def test_the_connection_that_replaces_a_dead_one_is_not_kept_itself_n04() -> None:
    served: list[bytes] = []

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await counting(served, response(GOOD))(reader, writer)
        await reader.read(1)  # the next request begins: close without an answer

    async with hostile(behave) as url:
        assert (await mint(url, times=4)).lifetime == 600.0
    assert len(served) == 4
