"""What only the certified oidc-provider shows: the first provider's example, and its own way with scopes.

What it shares with the demo's authorization server is in test_authorization_servers.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from rotator.core.errors import Code, RotationError
from rotator.engine.clock import SystemClock
from rotator.oauth.answer import Expectations
from rotator.oauth.client_auth import ClientAuthSettings
from rotator.oauth.endpoint import EndpointSettings, HttpTokenEndpoint
from rotator.oauth.grants import GrantParameters
from rotator.oauth.provider import Provider, ProviderSettings
from tests.support.requests import client

if TYPE_CHECKING:
    from rotator.core.model import Grant
    from rotator.oauth.client_auth import BasicEncoding
    from tests.support.oidc import OidcProvider

SEED_ID = "_lntZMrYTLdoc_Eqxd1mZ"
SEED_SECRET = "3LlIsWk5Ef2DU_OOERbLqrXEhtMru8hxuMZ7fo8WD8E5aJAXDVLppdkoMMgxcPbktzlgps5fe_SyjQH8CWv6XQ"
SEED_HEADER = (
    "Basic X2xudFpNcllUTGRvY19FcXhkMW1aOjNMbElzV2s1RWYyRFVfT09FUmJMcXJYRWh0TXJ1OGh4dU1aN2ZvOFdEOEU1YUpBWERWTHBwZGtvTU1n"
    "eGNQYmt0emxncHM1ZmVfU3lqUUg4Q1d2NlhR"
)


async def mint(
    server: OidcProvider,
    client_id: str,
    secret: str,
    *,
    encoding: BasicEncoding = "rfc6749",
    scope: str = "openid admin",
) -> Grant:
    clock = SystemClock()
    provider = Provider(ProviderSettings(server.token_url), clock)
    settings = EndpointSettings(
        GrantParameters(scope=scope), ClientAuthSettings(basic_encoding=encoding), expected=Expectations(scope=scope)
    )
    try:
        return await HttpTokenEndpoint(provider, settings, clock).mint(client(client_id, secret))
    finally:
        await provider.close()


@pytest.mark.parametrize("encoding", ["rfc6749", "raw"])
async def test_the_first_providers_example_works_with_its_own_id_and_secret(
    own_oidc_provider: OidcProvider, encoding: BasicEncoding
) -> None:
    own_oidc_provider.register(SEED_ID, SEED_SECRET)
    grant = await mint(own_oidc_provider, SEED_ID, SEED_SECRET, encoding=encoding)
    (received,) = own_oidc_provider.requests()
    assert (received.method, received.target, received.status) == ("POST", "/token", 200)
    assert received.header("Authorization") == [SEED_HEADER]
    assert received.header("Content-Type") == ["application/x-www-form-urlencoded"]
    assert received.body == "grant_type=client_credentials&scope=openid+admin"
    assert (grant.lifetime, grant.scope) == (600.0, "openid admin")
    assert grant.access_token.reveal().count(".") == 2


async def test_raw_credentials_of_reserved_characters_are_refused_and_not_tried_in_another_way_p46(
    own_oidc_provider: OidcProvider,
) -> None:
    client = own_oidc_provider.register(secret="100%+x")
    with pytest.raises(RotationError):
        await mint(own_oidc_provider, client.client_id, client.secret.reveal(), encoding="raw")
    assert [received.status for received in own_oidc_provider.requests()] == [400]


async def refused_scope(server: OidcProvider, registered: str, asked: str) -> Code:
    client = server.register(scope=registered)
    with pytest.raises(RotationError) as caught:
        await mint(server, client.client_id, client.secret.reveal(), scope=asked)
    return caught.value.code


async def test_a_scope_that_the_client_may_not_have_is_an_invalid_scope_p15(oidc_provider: OidcProvider) -> None:
    assert await refused_scope(oidc_provider, "openid", "openid admin") is Code.INVALID_SCOPE


async def test_a_scope_that_the_server_silently_drops_is_noticed_p35(oidc_provider: OidcProvider) -> None:
    assert await refused_scope(oidc_provider, "openid admin", "openid nonsense") is Code.SCOPE_NARROWER
