"""How the certified oidc-provider answers clients of people: codes, refresh tokens, devices; by plain requests."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
import pytest_asyncio
from joserfc import jwt
from joserfc.jwk import KeySet

from tests.support.oidc import Options
from tests.support.person import Person
from tests.support.plain_client import OFFLINE, PERSON, REDIRECT, PlainClient, claims, person_client

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.support.oidc import Client, OidcProvider

DEVICE_CODE = "urn:ietf:params:oauth:grant-type:device_code"


@pytest_asyncio.fixture
async def server(oidc_provider: OidcProvider) -> AsyncIterator[PlainClient]:
    async with aiohttp.ClientSession() as session:
        yield PlainClient(oidc_provider, session)


# Authorization code and refresh token


async def test_a_person_who_consents_gives_tokens_for_the_scope_that_was_asked(server: PlainClient) -> None:
    client = person_client(server)
    back = await server.consented(client)
    assert str(back).startswith(f"{REDIRECT}?")
    assert (back.query["state"], back.query["iss"]) == ("of-this-test", server.provider.issuer)
    status, answer = await server.exchange(client, back.query["code"])
    assert (status, answer["token_type"], answer["expires_in"], answer["scope"]) == (200, "Bearer", 600, OFFLINE)
    found = claims(answer["access_token"])
    assert (found["sub"], found["aud"]) == ("ada", client.client_id)
    keys = KeySet.import_key_set((await server.get(server.provider.jwks_url))[1])  # type: ignore[arg-type]
    assert jwt.decode(answer["id_token"], keys, algorithms=["RS256"]).claims["sub"] == "ada"


async def test_a_person_who_refuses_sends_the_client_an_error(server: PlainClient) -> None:
    back = await server.consented(person_client(server), consents=False)
    assert (back.query["error"], back.query["state"]) == ("access_denied", "of-this-test")


async def test_a_code_is_exchanged_with_its_verifier_only(server: PlainClient) -> None:
    client = person_client(server)
    code = (await server.consented(client)).query["code"]
    status, answer = await server.exchange(client, code, "another-verifier-of-forty-three-characters-")
    assert (status, answer["error"]) == (400, "invalid_grant")


async def test_a_code_that_comes_twice_takes_its_tokens_along(server: PlainClient) -> None:
    client = person_client(server)
    code = (await server.consented(client)).query["code"]
    await server.exchange(client, code)
    assert len(server.provider.refresh_tokens(client.client_id)) == 1
    assert (await server.exchange(client, code))[1]["error"] == "invalid_grant"
    assert server.provider.refresh_tokens(client.client_id) == []


@pytest.mark.parametrize("lacking", ["code_challenge", "redirect_uri"])
async def test_a_request_without_pkce_or_to_another_address_is_refused(server: PlainClient, lacking: str) -> None:
    more = {lacking: "" if lacking == "code_challenge" else "http://127.0.0.1:43210/elsewhere"}
    async with server.session.get(server.authorization(person_client(server), **more), allow_redirects=False) as answer:
        refused = answer.headers.get("Location", await answer.text())
    assert ("invalid_request" if lacking == "code_challenge" else "invalid_redirect_uri") in refused


@pytest.mark.parametrize("prompt", ["consent", "login"])
async def test_offline_access_needs_consent_to_be_asked_for(server: PlainClient, prompt: str) -> None:
    client = person_client(server)
    code = (await server.consented(client, prompt=prompt)).query["code"]
    answer = (await server.exchange(client, code))[1]
    assert ("refresh_token" in answer, answer["scope"]) == (
        (True, OFFLINE) if prompt == "consent" else (False, "openid user")
    )


async def test_a_server_may_give_a_refresh_token_unasked(server: PlainClient) -> None:
    client = person_client(server, Options(grants=PERSON.grants, unasked=True))
    answer = await server.tokens(client, "openid user")
    assert (answer["scope"], "refresh_token" in answer) == ("openid user", True)


async def test_a_refresh_token_is_rotated_and_its_second_use_kills_the_family(server: PlainClient) -> None:
    client = person_client(server)
    first = (await server.tokens(client))["refresh_token"]
    status, answer = await server.refresh(client, first)
    second = answer["refresh_token"]
    assert (status, answer["scope"], first == second) == (200, OFFLINE, False)
    known = {one.token.reveal(): one.used for one in server.provider.refresh_tokens(client.client_id)}
    assert known == {first: True, second: False}
    assert (await server.refresh(client, first))[1]["error"] == "invalid_grant"
    assert server.provider.refresh_tokens(client.client_id) == []
    assert (await server.refresh(client, second))[1]["error"] == "invalid_grant"


async def test_a_refresh_token_may_stay_the_same(server: PlainClient) -> None:
    client = person_client(server, Options(grants=PERSON.grants, rotation=False))
    first = (await server.tokens(client))["refresh_token"]
    assert [(await server.refresh(client, first))[1]["refresh_token"] for _ in range(2)] == [first, first]


async def test_two_who_refresh_at_once_are_not_told_apart_from_a_thief(server: PlainClient) -> None:
    client = person_client(server)
    first = (await server.tokens(client))["refresh_token"]
    answers = await asyncio.gather(*(server.refresh(client, first) for _ in range(2)))
    assert sorted(status for status, _ in answers) == [200, 400]
    assert server.provider.refresh_tokens(client.client_id) == []


async def test_a_consent_that_is_withdrawn_ends_the_grant(server: PlainClient) -> None:
    client = person_client(server)
    first = (await server.tokens(client))["refresh_token"]
    assert [server.provider.withdraw(client.client_id) for _ in range(2)] == [1, 0]
    assert (await server.refresh(client, first))[1]["error"] == "invalid_grant"


async def test_a_revoked_refresh_token_ends_the_grant(server: PlainClient) -> None:
    client = person_client(server)
    first = (await server.tokens(client))["refresh_token"]
    form = {**server.identity(client), "token": first, "token_type_hint": "refresh_token"}
    assert (await server.post(server.provider.revocation_url, form))[0] == 200
    assert (await server.refresh(client, first))[1]["error"] == "invalid_grant"


async def test_lifetimes_are_what_the_client_was_registered_with(server: PlainClient) -> None:
    client = person_client(server, Options(grants=PERSON.grants, refresh_lifetime=1), lifetime=7)
    answer = await server.tokens(client)
    assert answer["expires_in"] == 7
    async with asyncio.timeout(10):
        while (await server.introspect(client, answer["refresh_token"]))["active"]:  # noqa: ASYNC110  it is another process
            await asyncio.sleep(0.1)
    assert (await server.refresh(client, answer["refresh_token"]))[1]["error"] == "invalid_grant"


# Device code


async def device(server: PlainClient) -> tuple[Client, dict[str, Any]]:
    client = person_client(server, Options(grants=(DEVICE_CODE, "refresh_token")))
    form = {**server.identity(client), "scope": OFFLINE}
    status, answer = await server.post(server.provider.device_authorization_url, form)
    assert status == 200, answer
    return client, answer


@pytest.mark.parametrize("consents", [True, False])
async def test_a_device_waits_for_a_person_who_confirms_or_aborts(server: PlainClient, consents: bool) -> None:  # noqa: FBT001  a table
    client, started = await device(server)
    assert started["expires_in"] == 600
    assert "interval" not in started  # RFC 8628 section 3.2: five seconds then
    ask = {"grant_type": DEVICE_CODE, "device_code": started["device_code"]}
    assert (await server.token(client, **ask))[1]["error"] == "authorization_pending"
    async with Person() as person:
        await person.approve(started["verification_uri_complete"], consents=consents)
    status, answer = await server.token(client, **ask)
    if consents:
        assert (status, answer["scope"], "refresh_token" in answer) == (200, OFFLINE, True)
    else:
        assert (status, answer["error"]) == (400, "access_denied")


async def test_a_device_code_that_nobody_confirms_expires(server: PlainClient) -> None:
    options = Options(grants=(DEVICE_CODE, "refresh_token"), device_lifetime=1)
    client = person_client(server, options)
    form = {**server.identity(client), "scope": OFFLINE}
    code = (await server.post(server.provider.device_authorization_url, form))[1]["device_code"]
    said = "authorization_pending"
    async with asyncio.timeout(10):
        while said == "authorization_pending":
            await asyncio.sleep(0.1)
            said = (await server.token(client, grant_type=DEVICE_CODE, device_code=code))[1]["error"]
    assert said == "expired_token"
