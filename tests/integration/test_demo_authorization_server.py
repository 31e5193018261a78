"""What the demo's authorization server does beside answering as the first provider does."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
import pytest_asyncio

from rotator.core.model import Secret
from rotator.demo.authorization_server import LARGEST_BODY, AuthorizationServer
from rotator.testing import FakeClock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

ASKS = {"grant_type": "client_credentials", "client_id": "billing", "client_secret": "first"}


@dataclass(frozen=True)
class World:
    server: AuthorizationServer
    clients: dict[str, Secret]
    clock: FakeClock
    session: aiohttp.ClientSession

    async def token(self, **asks: str) -> tuple[int, Any]:
        """Status and body of an answer to a token request."""
        async with self.session.post(self.server.token_url, data={**ASKS, **asks}) as answer:
            return answer.status, await answer.json(content_type=None)

    async def hello(self, authorization: str | None) -> tuple[int, Any, str]:
        """Status, body and challenge of an answer of the API."""
        headers = {} if authorization is None else {"Authorization": authorization}
        async with self.session.get(self.server.hello_url, headers=headers) as answer:
            return answer.status, await answer.json(), answer.headers.get("WWW-Authenticate", "")


@pytest_asyncio.fixture
async def world() -> AsyncIterator[World]:
    clock = FakeClock()
    clients = {"billing": Secret("first")}
    async with AuthorizationServer(clock, clients) as server, aiohttp.ClientSession() as session:
        yield World(server, clients, clock, session)


async def test_a_request_without_a_scope_gets_all_of_it(world: World) -> None:
    assert (await world.token())[1]["scope"] == "openid admin"


async def test_a_change_of_the_lifetime_holds_for_the_next_token(world: World) -> None:
    world.server.lifetime = 30
    assert (await world.token())[1]["expires_in"] == 30


async def test_a_secret_may_be_changed_while_it_runs(world: World) -> None:
    world.clients["billing"] = Secret("second")
    assert (await world.token())[0] == 401
    assert (await world.token(client_secret="second"))[0] == 200


async def test_it_counts_what_came_and_what_was_issued_to_whom(world: World) -> None:
    await world.token()
    await world.token()
    await world.token(client_secret="wrong")
    assert (world.server.received, dict(world.server.issued)) == (3, {"billing": 2})


async def test_in_an_outage_every_request_gets_its_status_and_is_counted_p08(world: World) -> None:
    world.server.outage = 503
    assert await world.token() == (503, None)
    assert await world.token(client_secret="wrong") == (503, None)
    world.server.outage = None
    assert (await world.token())[0] == 200
    assert (world.server.received, world.server.issued.total()) == (3, 1)


async def test_nobody_answers_while_it_is_stopped_and_its_address_stays_the_same_p01(world: World) -> None:
    address, token = world.server.issuer, (await world.token())[1]["access_token"]
    await world.server.stop()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", int(address.rpartition(":")[2]))
    await world.server.start()
    assert world.server.issuer == address
    assert (await world.hello(f"Bearer {token}"))[0] == 200


async def test_a_request_that_is_too_large_is_refused_unread(world: World) -> None:
    async with world.session.post(world.server.token_url, data={**ASKS, "padding": "x" * LARGEST_BODY}) as answer:
        assert answer.status == 413


async def test_only_post_asks_for_a_token(world: World) -> None:
    async with world.session.get(world.server.token_url, params=ASKS) as answer:
        assert (answer.status, answer.headers["Allow"]) == (405, "POST")


async def test_the_api_greets_the_holder_of_a_token(world: World) -> None:
    token = (await world.token())[1]["access_token"]
    world.clock.advance(100)
    status, body, _ = await world.hello(f"Bearer {token}")
    assert (status, body) == (200, {"hello": "billing", "scope": "openid admin", "valid_for": 500})


async def test_the_api_refuses_a_token_that_has_expired_and_says_so(world: World) -> None:
    token = (await world.token())[1]["access_token"]
    world.clock.advance(600)
    status, body, challenge = await world.hello(f"Bearer {token}")
    assert (status, body) == (401, {"refused": "the token has expired"})
    assert challenge.endswith('error="invalid_token", error_description="the token has expired"')


@pytest.mark.parametrize("authorization", [None, "Basic YTpi"], ids=["nothing", "another scheme"])
async def test_the_api_asks_who_brings_no_token_for_one_and_names_no_error(
    world: World, authorization: str | None
) -> None:
    status, _, challenge = await world.hello(authorization)
    assert status == 401
    assert challenge == f'Bearer realm="{world.server.issuer}"'


async def test_the_api_refuses_what_is_no_token_and_does_not_repeat_it(world: World) -> None:
    status, body, challenge = await world.hello("Bearer sesame")
    assert status == 401
    assert 'error="invalid_token"' in challenge
    assert "sesame" not in challenge + str(body)
