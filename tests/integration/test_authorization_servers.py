"""What the certified oidc-provider and the demo's own authorization server have in common.

Whatever holds for both is how the first provider answers; a demo that drifted from it would show up here.
"""

from __future__ import annotations

import base64
import json
import uuid
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
from rotator.oauth.endpoint import EndpointSettings, HttpTokenEndpoint, Provider, ProviderSettings
from rotator.oauth.grants import GrantParameters

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from rotator.core.model import Grant
    from tests.support.oidc import OidcProvider

RESERVED = "a:b%/+ z&="
FORM = "grant_type=client_credentials&scope=openid+admin"
METHODS = ["client_secret_basic", "client_secret_post"]


@dataclass(frozen=True)
class Server:
    """One of the two. `register` takes id, secret and authentication method."""

    issuer: str
    register: Callable[[str, str, str], object]

    @property
    def token_url(self) -> str:
        return f"{self.issuer}/token"


@pytest_asyncio.fixture(params=["oidc-provider", "demo"])
async def server(request: pytest.FixtureRequest, oidc_provider: OidcProvider) -> AsyncIterator[Server]:
    if request.param == "oidc-provider":
        yield Server(oidc_provider.issuer, lambda name, secret, how: oidc_provider.register(name, secret, method=how))
        return
    clients: dict[str, Secret] = {}
    async with AuthorizationServer(SystemClock(), clients) as demo:
        yield Server(demo.issuer, lambda name, secret, _: clients.update({name: Secret(secret)}))


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


async def test_an_answer_has_the_first_providers_members_in_its_order(server: Server) -> None:
    client = registered(server)
    answer = await post(server, client, client)
    assert answer.status == 200
    assert answer.headers["Content-Type"].startswith("application/json")
    assert answer.headers["Cache-Control"] == "no-store"
    assert list(answer.body) == ["access_token", "expires_in", "token_type", "scope"]
    assert list(answer.body.values())[1:] == [600, "Bearer", "openid admin"]


async def test_a_token_has_the_first_providers_header_and_claims_in_its_order(server: Server) -> None:
    client = registered(server)
    header, claims, _ = (await post(server, client, client)).body["access_token"].split(".")
    assert list(decoded(header)) == ["alg", "typ", "kid"]
    assert (decoded(header)["alg"], decoded(header)["typ"]) == ("RS256", "JWT")
    found = decoded(claims)
    assert list(found) == ["jti", "iat", "exp", "scope", "iss", "aud"]
    assert found["exp"] - found["iat"] == 600
    assert (found["scope"], found["iss"], found["aud"]) == ("openid admin", server.issuer, client)


async def test_a_token_is_signed_with_a_key_that_the_server_publishes(server: Server) -> None:
    client = registered(server)
    token = (await post(server, client, client)).body["access_token"]
    async with aiohttp.ClientSession() as session, session.get(f"{server.issuer}/jwks") as answer:
        keys = KeySet.import_key_set(json.loads(await answer.read()))
    assert jwt.decode(token, keys, algorithms=["RS256"]).claims["aud"] == client


@pytest.mark.parametrize("method", METHODS)
async def test_rotator_gets_a_token_that_lives_as_long_as_the_answer_says(server: Server, method: str) -> None:
    client = registered(server, method)
    grant = await mint(server, client, client, method)
    assert (grant.lifetime, grant.scope) == (600.0, "openid admin")


@pytest.mark.parametrize("method", METHODS)
async def test_an_id_and_a_secret_of_reserved_characters_work_p46(server: Server, method: str) -> None:
    server.register(RESERVED, RESERVED, method)
    token = (await mint(server, RESERVED, RESERVED, method)).access_token.reveal()
    assert decoded(token.split(".")[1])["aud"] == RESERVED


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
    assert answer.headers["WWW-Authenticate"].startswith("Basic realm=")
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
        pytest.param("grant_type=password&scope=openid", "unsupported_grant_type", id="another grant"),
        pytest.param("scope=openid", "invalid_request", id="no grant"),
        pytest.param(f"{FORM}&grant_type=client_credentials", "invalid_request", id="the grant twice"),
        pytest.param(f"{FORM}&scope=openid", "invalid_request", id="the scope twice"),
    ],
)
async def test_a_request_that_is_wrong_gets_its_error_p15(server: Server, form: str, error: str) -> None:
    client = registered(server)
    answer = await post(server, client, client, form)
    assert (answer.status, answer.body["error"]) == (400, error)


async def test_a_scope_of_one_word_is_granted_as_asked(server: Server) -> None:
    client = registered(server)
    assert (await post(server, client, client, "grant_type=client_credentials&scope=openid")).body["scope"] == "openid"
