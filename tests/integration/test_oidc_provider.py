"""Tokens from the certified oidc-provider, which answers client credentials as the first provider does."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from rotator.core.errors import Code, RotationError
from rotator.core.model import Secret
from rotator.engine.clock import SystemClock
from rotator.oauth.answer import Expectations
from rotator.oauth.endpoint import EndpointSettings, HttpTokenEndpoint, Provider, ProviderSettings
from rotator.oauth.request import GrantParameters

if TYPE_CHECKING:
    from rotator.core.model import Grant
    from tests.support.oidc import OidcProvider

SEED_ID = "_lntZMrYTLdoc_Eqxd1mZ"
SEED_SECRET = "3LlIsWk5Ef2DU_OOERbLqrXEhtMru8hxuMZ7fo8WD8E5aJAXDVLppdkoMMgxcPbktzlgps5fe_SyjQH8CWv6XQ"
SEED_HEADER = (
    "Basic X2xudFpNcllUTGRvY19FcXhkMW1aOjNMbElzV2s1RWYyRFVfT09FUmJMcXJYRWh0TXJ1OGh4dU1aN2ZvOFdEOEU1YUpBWERWTHBwZGtvTU1n"
    "eGNQYmt0emxncHM1ZmVfU3lqUUg4Q1d2NlhR"
)
RESERVED = "a:b%/+ z&="


async def mint(
    server: OidcProvider,
    client_id: str,
    secret: str,
    *,
    method: str = "client_secret_basic",
    scope: str = "openid admin",
) -> Grant:
    clock = SystemClock()
    provider = Provider(ProviderSettings(server.token_url, client_auth=method), clock)
    settings = EndpointSettings(GrantParameters(scope=scope), Expectations(scope=scope))
    try:
        return await HttpTokenEndpoint(provider, settings, clock).mint(client_id, Secret(secret))
    finally:
        await provider.close()


async def test_the_first_providers_example_works_with_its_own_id_and_secret(oidc_provider: OidcProvider) -> None:
    oidc_provider.register(SEED_ID, SEED_SECRET)
    grant = await mint(oidc_provider, SEED_ID, SEED_SECRET)
    (received,) = oidc_provider.requests(SEED_ID)
    assert (received.method, received.target) == ("POST", "/token")
    assert received.header("Authorization") == [SEED_HEADER]
    assert received.header("Content-Type") == ["application/x-www-form-urlencoded"]
    assert received.body == "grant_type=client_credentials&scope=openid+admin"
    assert (grant.lifetime, grant.scope) == (600.0, "openid admin")
    assert grant.access_token.reveal().count(".") == 2


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
async def test_an_id_and_a_secret_of_reserved_characters_work_p46(oidc_provider: OidcProvider, method: str) -> None:
    oidc_provider.register(RESERVED, RESERVED, method=method)
    assert (await mint(oidc_provider, RESERVED, RESERVED, method=method)).lifetime == 600.0


async def test_a_wrong_secret_is_an_invalid_client_p14(oidc_provider: OidcProvider) -> None:
    client = oidc_provider.register()
    with pytest.raises(RotationError) as caught:
        await mint(oidc_provider, client.client_id, "wrong")
    assert caught.value.code is Code.INVALID_CLIENT
    assert client.client_id not in str(caught.value)


async def refused_scope(server: OidcProvider, registered: str, asked: str) -> Code:
    client = server.register(scope=registered)
    with pytest.raises(RotationError) as caught:
        await mint(server, client.client_id, client.secret.reveal(), scope=asked)
    return caught.value.code


async def test_a_scope_that_the_client_may_not_have_is_an_invalid_scope_p15(oidc_provider: OidcProvider) -> None:
    assert await refused_scope(oidc_provider, "openid", "openid admin") is Code.INVALID_SCOPE


async def test_a_scope_that_the_server_silently_drops_is_noticed_p35(oidc_provider: OidcProvider) -> None:
    assert await refused_scope(oidc_provider, "openid admin", "openid nonsense") is Code.SCOPE_NARROWER
