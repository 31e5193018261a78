"""The client_credentials suite, over every authorization server that there is here.

What takes `server` holds for each, whoever wrote it: it is what RFC 6749 makes of the grant, and all that rotator may
rely on. What takes `first` is how the first provider answers beyond that, and a demo that drifted from it shows up
there; django-oauth-toolkit does otherwise, and is in its right, but where a test says that it is not.
"""

from __future__ import annotations

import base64
import json
import uuid
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
import pytest_asyncio
from joserfc import jwt
from joserfc.jwk import KeySet

from rotator.core.errors import Code, RotationError
from rotator.core.model import ClientCredentials, Secret
from rotator.demo.authorization_server import AuthorizationServer
from rotator.engine.clock import SystemClock
from rotator.oauth.answer import Expectations
from rotator.oauth.client_auth import ClientAuthSettings, basic_credentials
from rotator.oauth.endpoint import EndpointSettings, HttpTokenEndpoint
from rotator.oauth.grants import GrantParameters
from rotator.oauth.provider import Provider, ProviderSettings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from rotator.core.model import Grant
    from tests.support.oidc import OidcProvider
    from tests.support.second_server import SecondServer

RESERVED = "a:b%/+ z&="
FORM = "grant_type=client_credentials&scope=openid+admin"
METHODS = ["client_secret_basic", "client_secret_post"]


@dataclass(frozen=True)
class Server:
    """One of them. `register` takes id, secret and authentication method."""

    issuer: str
    token_url: str
    register: Callable[[str, str, str], object]


@asynccontextmanager
async def demo_server() -> AsyncIterator[Server]:
    clients: dict[str, Secret] = {}
    async with AuthorizationServer(SystemClock(), clients) as demo:
        yield Server(demo.issuer, demo.token_url, lambda name, secret, _: clients.update({name: Secret(secret)}))


def controlled(server: OidcProvider | SecondServer) -> Server:
    return Server(server.issuer, server.token_url, lambda name, secret, how: server.register(name, secret, method=how))


@pytest_asyncio.fixture(params=["oidc-provider", "demo", "django-oauth-toolkit"])
async def server(
    request: pytest.FixtureRequest, oidc_provider: OidcProvider, second_server: SecondServer
) -> AsyncIterator[Server]:
    """Each of them."""
    if request.param == "demo":
        async with demo_server() as demo:
            yield demo
    else:
        yield controlled(oidc_provider if request.param == "oidc-provider" else second_server)


@pytest_asyncio.fixture(params=["oidc-provider", "demo"])
async def first(request: pytest.FixtureRequest, oidc_provider: OidcProvider) -> AsyncIterator[Server]:
    """Those that answer as the first provider does."""
    if request.param == "demo":
        async with demo_server() as demo:
            yield demo
    else:
        yield controlled(oidc_provider)


def registered(server: Server, method: str = "client_secret_basic") -> str:
    """A new client whose secret is its id, for brevity."""
    name = f"c-{uuid.uuid4().hex}"
    server.register(name, name, method)
    return name


async def mint(server: Server, client_id: str, secret: str, method: str, scope: str = "openid admin") -> Grant:
    clock = SystemClock()
    provider = Provider(ProviderSettings(server.token_url), clock)
    asked = EndpointSettings(
        GrantParameters(scope=scope), ClientAuthSettings(method), expected=Expectations(scope=scope)
    )
    endpoint = HttpTokenEndpoint(provider, asked, clock)
    try:
        return await endpoint.mint(ClientCredentials(client_id, (Secret(secret),), "v1"))
    finally:
        await provider.close()


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: Any


async def post(server: Server, client_id: str, secret: str, form: str = FORM) -> Answer:
    headers = {
        "Authorization": basic_credentials(client_id, Secret(secret), "rfc6749"),
        "Content-Type": "application/x-www-form-urlencoded",
    }
    async with (
        aiohttp.ClientSession() as session,
        session.post(server.token_url, data=form.encode(), headers=headers) as answer,
    ):
        return Answer(answer.status, answer.headers, json.loads(await answer.read()))


def decoded(part: str) -> dict[str, Any]:
    members: dict[str, Any] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return members


# For every server


async def test_an_answer_says_what_it_gives_and_is_kept_by_nobody(server: Server) -> None:
    client = registered(server)
    answer = await post(server, client, client)
    assert answer.status == 200
    assert answer.headers["Content-Type"].startswith("application/json")
    assert answer.headers["Cache-Control"] == "no-store"
    said = {name: value for name, value in answer.body.items() if name != "access_token"}
    assert said == {"expires_in": 600, "token_type": "Bearer", "scope": "openid admin"}


@pytest.mark.parametrize("method", METHODS)
async def test_rotator_gets_a_token_that_lives_as_long_as_the_answer_says(server: Server, method: str) -> None:
    client = registered(server, method)
    grant = await mint(server, client, client, method)
    assert (grant.lifetime, grant.scope) == (600.0, "openid admin")


async def test_each_request_gets_a_token_of_its_own(server: Server) -> None:
    client = registered(server)
    first, second = [await post(server, client, client) for _ in range(2)]
    assert first.body["access_token"] != second.body["access_token"]


@pytest.mark.parametrize("method", METHODS)
async def test_an_id_and_a_secret_of_reserved_characters_work_p46(server: Server, method: str) -> None:
    server.register(RESERVED, RESERVED, method)
    assert (await mint(server, RESERVED, RESERVED, method)).lifetime == 600.0


async def test_an_id_of_reserved_characters_with_another_secret_is_refused_p46(server: Server) -> None:
    server.register(RESERVED, RESERVED, "client_secret_basic")
    assert (await post(server, RESERVED, RESERVED + "=")).status == 401


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("known", [True, False], ids=["a wrong secret", "an unknown client"])
async def test_rotator_finds_an_invalid_client_p14(server: Server, method: str, known: bool) -> None:  # noqa: FBT001  a table
    client = registered(server, method) if known else f"c-{uuid.uuid4().hex}"
    with pytest.raises(RotationError) as caught:
        await mint(server, client, "another-one", method)
    assert caught.value.code is Code.INVALID_CLIENT
    assert client not in str(caught.value)
    assert "another-one" not in str(caught.value)


async def test_an_invalid_client_is_refused_with_a_challenge_p14(server: Server) -> None:
    answer = await post(server, registered(server), "wrong")
    assert (answer.status, answer.body["error"]) == (401, "invalid_client")
    assert "WWW-Authenticate" in answer.headers
    assert answer.headers["Cache-Control"] == "no-store"


async def test_rotator_finds_an_invalid_scope_p15(server: Server) -> None:
    client = registered(server)
    with pytest.raises(RotationError) as caught:
        await mint(server, client, client, "client_secret_basic", scope="openid user")
    assert caught.value.code is Code.INVALID_SCOPE


@pytest.mark.parametrize(
    ("form", "error"),
    [
        pytest.param(
            "grant_type=client_credentials&scope=user", "invalid_scope", id="a scope that is not the client's"
        ),
        pytest.param("grant_type=urn:example:none&scope=openid", "unsupported_grant_type", id="a grant of nobody's"),
    ],
)
async def test_a_request_that_is_wrong_gets_its_error_p15(server: Server, form: str, error: str) -> None:
    client = registered(server)
    answer = await post(server, client, client, form)
    assert (answer.status, answer.body["error"]) == (400, error)


async def test_a_scope_of_one_word_is_granted_as_asked(server: Server) -> None:
    client = registered(server)
    assert (await post(server, client, client, "grant_type=client_credentials&scope=openid")).body["scope"] == "openid"


async def test_a_changed_secret_holds_at_once(server: Server) -> None:
    client = registered(server)
    server.register(client, "changed", "client_secret_basic")
    assert [(await post(server, client, secret)).status for secret in (client, "changed")] == [401, 200]


# As the first provider does


async def test_an_answer_has_the_first_providers_members_in_its_order(first: Server) -> None:
    client = registered(first)
    answer = await post(first, client, client)
    assert list(answer.body) == ["access_token", "expires_in", "token_type", "scope"]


async def test_a_token_has_the_first_providers_header_and_claims_in_its_order(first: Server) -> None:
    client = registered(first)
    header, claims, _ = (await post(first, client, client)).body["access_token"].split(".")
    assert list(decoded(header)) == ["alg", "typ", "kid"]
    assert (decoded(header)["alg"], decoded(header)["typ"]) == ("RS256", "JWT")
    found = decoded(claims)
    assert list(found) == ["jti", "iat", "exp", "scope", "iss", "aud"]
    assert found["exp"] - found["iat"] == 600
    assert (found["scope"], found["iss"], found["aud"]) == ("openid admin", first.issuer, client)


async def test_a_token_is_signed_with_a_key_that_the_server_publishes(first: Server) -> None:
    client = registered(first)
    token = (await post(first, client, client)).body["access_token"]
    async with aiohttp.ClientSession() as session, session.get(f"{first.issuer}/jwks") as answer:
        keys = KeySet.import_key_set(json.loads(await answer.read()))
    assert jwt.decode(token, keys, algorithms=["RS256"]).claims["aud"] == client


async def test_a_token_is_for_an_id_of_reserved_characters_as_it_is_p46(first: Server) -> None:
    first.register(RESERVED, RESERVED, "client_secret_basic")
    token = (await post(first, RESERVED, RESERVED)).body["access_token"]
    assert decoded(token.split(".")[1])["aud"] == RESERVED


async def test_the_challenge_is_of_the_scheme_that_was_tried(first: Server) -> None:
    # RFC 6749 section 5.2 has it so; django-oauth-toolkit 3.4 answers Basic with `Bearer error="invalid_client"`.
    answer = await post(first, registered(first), "wrong")
    assert answer.headers["WWW-Authenticate"].startswith("Basic realm=")


@pytest.mark.parametrize(
    "form",
    [
        pytest.param("scope=openid", id="no grant"),
        pytest.param(f"{FORM}&grant_type=client_credentials", id="the grant twice"),
        pytest.param(f"{FORM}&scope=openid", id="the scope twice"),
    ],
)
async def test_what_is_missing_or_comes_twice_is_an_invalid_request(first: Server, form: str) -> None:
    # RFC 6749 section 5.2 has it so; django-oauth-toolkit 3.4 says unsupported_grant_type, and takes the last of two.
    client = registered(first)
    answer = await post(first, client, client, form)
    assert (answer.status, answer.body["error"]) == (400, "invalid_request")


async def test_a_grant_that_the_server_does_not_have_is_told_as_such(first: Server) -> None:
    client = registered(first)
    answer = await post(first, client, client, "grant_type=password&scope=openid")
    assert (answer.status, answer.body["error"]) == (400, "unsupported_grant_type")
