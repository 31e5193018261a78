"""How django-oauth-toolkit answers what rotator asks of it, told by plain requests: it is unlike the first server."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import aiohttp
import pytest
import pytest_asyncio

from tests.support.person import Person
from tests.support.second_server import SecondOptions

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from yarl import URL

    from tests.support.controlled import Client
    from tests.support.second_server import SecondServer

DEVICE_CODE = "urn:ietf:params:oauth:grant-type:device_code"
SCOPE = "openid user"
REDIRECT = "http://127.0.0.1:43210/callback"  # the client is registered without a port
VERIFIER = "a-verifier-of-forty-three-characters-or-more-"

Answer = tuple[int, dict[str, Any]]


@dataclass(frozen=True)
class Server:
    second: SecondServer
    session: aiohttp.ClientSession

    async def post(self, url: str, client: Client, **form: str) -> Answer:
        """Status and body of an answer to a client that sends its id and its secret."""
        whose = {"client_id": client.client_id, "client_secret": client.secret.reveal()}
        async with self.session.post(url, data={**whose, **form}) as answer:
            return answer.status, await answer.json() if answer.content_type == "application/json" else {}

    async def token(self, client: Client, **form: str) -> Answer:
        return await self.post(self.second.token_url, client, **form)

    async def consented(self, client: Client, *, consents: bool = True) -> URL:
        challenge = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
        asked = {
            "client_id": client.client_id, "response_type": "code", "redirect_uri": REDIRECT, "scope": SCOPE,
            "state": "of-this-test", "code_challenge": challenge, "code_challenge_method": "S256",
        }  # fmt: skip
        async with Person() as person:
            return await person.answer(f"{self.second.authorization_url}?{urlencode(asked)}", consents=consents)

    async def tokens(self, client: Client) -> dict[str, Any]:
        """What a person's consent gives."""
        code = (await self.consented(client)).query["code"]
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": REDIRECT, "code_verifier": VERIFIER}
        status, answer = await self.token(client, **form)
        assert status == 200, answer
        return answer

    async def refresh(self, client: Client, refresh_token: str) -> Answer:
        return await self.token(client, grant_type="refresh_token", refresh_token=refresh_token)


@pytest_asyncio.fixture
async def server(second_server: SecondServer) -> AsyncIterator[Server]:
    async with aiohttp.ClientSession() as session:
        yield Server(second_server, session)


def person_client(server: Server) -> Client:
    return server.second.register(scope=SCOPE, options=SecondOptions("authorization_code"))


async def metadata(server: Server, document: str) -> dict[str, Any]:
    async with server.session.get(f"{server.second.issuer}/.well-known/{document}") as answer:
        found: dict[str, Any] = await answer.json()
        return found


async def test_its_two_discovery_documents_do_not_say_the_same(server: Server) -> None:
    openid, oauth = [await metadata(server, name) for name in ("openid-configuration", "oauth-authorization-server")]
    for found in (openid, oauth):
        assert found["issuer"] == server.second.issuer
        assert found["token_endpoint"] == server.second.token_url
        assert found["jwks_uri"] == server.second.jwks_url
        assert "device_authorization_endpoint" not in found
    assert oauth["introspection_endpoint"] == server.second.introspection_url
    assert oauth["revocation_endpoint"] == server.second.revocation_url
    assert not {"introspection_endpoint", "revocation_endpoint", "grant_types_supported"} & set(openid)


async def test_a_token_is_told_of_until_it_is_revoked(server: Server) -> None:
    client = server.second.register()
    token = (await server.token(client, grant_type="client_credentials"))[1]["access_token"]
    status, found = await server.post(server.second.introspection_url, client, token=token)
    assert (status, found["active"], found["scope"]) == (200, True, "openid admin")
    assert (await server.post(server.second.revocation_url, client, token=token))[0] == 200
    assert await server.post(server.second.introspection_url, client, token=token) == (200, {"active": False})


async def test_a_stranger_who_asks_of_a_token_is_turned_away(server: Server) -> None:
    async with server.session.post(server.second.introspection_url, data={"token": "any"}) as answer:
        assert answer.status == 403


async def test_a_person_who_consents_gives_a_refresh_token_unasked(server: Server) -> None:
    answer = await server.tokens(person_client(server))
    assert (answer["expires_in"], answer["token_type"], answer["scope"]) == (600, "Bearer", SCOPE)
    assert {"refresh_token", "id_token"} < set(answer)


async def test_a_person_who_refuses_sends_the_client_an_error(server: Server) -> None:
    back = await server.consented(person_client(server), consents=False)
    assert (back.query["error"], back.query["state"]) == ("access_denied", "of-this-test")


async def test_a_refresh_token_is_rotated_and_its_second_use_kills_the_family(server: Server) -> None:
    client = person_client(server)
    first = (await server.tokens(client))["refresh_token"]
    status, answer = await server.refresh(client, first)
    assert (status, answer["refresh_token"] == first) == (200, False)
    assert (await server.refresh(client, first))[1]["error"] == "invalid_grant"
    assert (await server.refresh(client, answer["refresh_token"]))[1]["error"] == "invalid_grant"


@pytest.mark.parametrize("consents", [True, False])
async def test_a_device_waits_for_a_person_who_accepts_or_denies(server: Server, consents: bool) -> None:  # noqa: FBT001  a table
    client = server.second.register(method="none", scope=SCOPE, options=SecondOptions(DEVICE_CODE))
    started = (await server.post(server.second.device_authorization_url, client, scope=SCOPE))[1]
    ask = {"grant_type": DEVICE_CODE, "device_code": started["device_code"]}
    assert (await server.token(client, **ask))[1]["error"] == "authorization_pending"
    async with Person() as person:
        await person.approve(started["verification_uri_complete"], consents=consents)
    status, answer = await server.token(client, **ask)
    assert (status, answer.get("error")) == ((200, None) if consents else (400, "access_denied"))


async def test_what_fits_no_client_is_refused_with_the_servers_reason(server: Server) -> None:
    with pytest.raises(RuntimeError, match="redirect_uris cannot be empty"):
        server.second.register(options=SecondOptions("authorization_code", ()))
