"""Introspection, keys and revocation at two unlike authorization servers: what they say of their own tokens."""

from __future__ import annotations

import json
import uuid
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pytest
from joserfc.jwk import ECKey, KeySet

from rotator.core.errors import Code, RotationError
from rotator.core.model import ClientCredentials, Grant, Secret
from rotator.engine.clock import SystemClock
from rotator.oauth import discovery
from rotator.oauth.answer import Expectations
from rotator.oauth.checks.claims import Claims, Expected
from rotator.oauth.checks.introspection import Introspection
from rotator.oauth.checks.keys import Keys
from rotator.oauth.checks.outages import Outages
from rotator.oauth.client_auth import ClientAuthSettings
from rotator.oauth.endpoint import EndpointSettings, HttpTokenEndpoint
from rotator.oauth.grants import GrantParameters
from rotator.oauth.provider import Provider, ProviderSettings
from rotator.oauth.revocation import Revocation
from tests.support.oidc import Options
from tests.support.requests import client

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from rotator.oauth.checks.check import Check
    from tests.support.oidc import OidcProvider
    from tests.support.second_server import SecondServer

OPAQUE = Options(opaque=True)
SECRET = "a-secret-with+reserved%characters:and=length"
SCOPE = "openid admin"


@dataclass
class Kept:
    """A source that holds what it was given."""

    credentials: ClientCredentials

    async def read(self) -> ClientCredentials:
        return self.credentials


class Counter:
    """One client of one server, with everything that it may ask there."""

    def __init__(self, server: OidcProvider | SecondServer, credentials: ClientCredentials, method: str) -> None:
        self.clock = SystemClock()
        # The issuer alone leads to the first server's endpoints; the second one's metadata does not name them all.
        endpoints = {
            discovery.INTROSPECTION: server.introspection_url,
            discovery.REVOCATION: server.revocation_url,
            discovery.KEYS: server.jwks_url,
        }
        settings = ProviderSettings(server.token_url, server.issuer, endpoints=endpoints)
        self.provider = Provider(settings, self.clock)
        self.credentials = credentials
        auth, expected = ClientAuthSettings(method), Expectations(SCOPE)
        self.asked = EndpointSettings(GrantParameters(scope=SCOPE), auth, expected=expected)
        self.outages = Outages(self.clock)
        self.introspection = Introspection(self.provider, self.asked, self.outages, self.clock)

    async def mint(self) -> Grant:
        return await HttpTokenEndpoint(self.provider, self.asked, self.clock).mint(self.credentials.attempts()[-1])

    def claims(self, **expected: str) -> Claims:
        return Claims(Expected(**expected), Keys(self.provider, self.outages, self.clock))

    async def revoke(self, grant: Grant) -> None:
        await Revocation(self.provider, self.asked, Kept(self.credentials), self.clock).revoke(grant.access_token)

    async def finds(self, check: Check, grant: Grant) -> str:
        """`good`, or the code and the sentence of the error."""
        try:
            assert await check.verify(self.credentials.attempts()[-1], grant) == grant
        except RotationError as error:
            return str(error)
        return "good"


@asynccontextmanager
async def at(
    server: OidcProvider | SecondServer, credentials: ClientCredentials, method: str = "client_secret_basic"
) -> AsyncIterator[Counter]:
    counter = Counter(server, credentials, method)
    try:
        yield counter
    finally:
        await counter.provider.close()


def registered(server: OidcProvider | SecondServer, lifetime: int = 600, **options: object) -> ClientCredentials:
    """A new client whose tokens are opaque."""
    who = f"c-{uuid.uuid4().hex}"
    server.register(who, SECRET, lifetime=lifetime, **options)  # type: ignore[arg-type]  # of the caller's choice
    return client(who, SECRET)


async def revoked_is_told(counter: Counter) -> None:
    grant = await counter.mint()
    assert await counter.finds(counter.introspection, grant) == "good"
    await counter.revoke(grant)
    said = await counter.finds(counter.introspection, grant)
    assert said.startswith("verify_refused: the introspection endpoint ")
    assert said.endswith("says of the token that it is not active")
    await counter.revoke(grant)  # once more is no error (RFC 7009 section 2.2)


async def test_a_token_is_active_until_it_is_revoked(oidc_provider: OidcProvider) -> None:
    async with at(oidc_provider, registered(oidc_provider, options=OPAQUE)) as counter:
        await revoked_is_told(counter)


async def test_at_the_second_server_as_well(second_server: SecondServer) -> None:
    async with at(second_server, registered(second_server)) as counter:
        await revoked_is_told(counter)


@pytest.mark.parametrize("method", ["client_secret_post", "client_secret_jwt"])
async def test_the_client_proves_itself_as_it_does_for_tokens(oidc_provider: OidcProvider, method: str) -> None:
    credentials = registered(oidc_provider, method=method, options=OPAQUE)
    async with at(oidc_provider, credentials, method) as counter:
        await revoked_is_told(counter)


async def test_a_client_with_a_private_key_too(oidc_provider: OidcProvider) -> None:
    who, key = f"c-{uuid.uuid4().hex}", ECKey.generate_key("P-256")
    jwks = KeySet([key]).as_dict(private=False)
    metadata = {"jwks": jwks, "token_endpoint_auth_signing_alg": "ES256"}
    oidc_provider.register(who, None, method="private_key_jwt", options=replace(OPAQUE, metadata=metadata))
    text = json.dumps(key.as_dict(private=True))
    async with at(oidc_provider, client(who, text), "private_key_jwt") as counter:
        await revoked_is_told(counter)


async def test_p14_a_secret_that_is_not_accepted_yet_is_followed_by_the_one_before(oidc_provider: OidcProvider) -> None:
    credentials = registered(oidc_provider, options=OPAQUE)
    both = replace(credentials, secrets=(Secret("not yet"), *credentials.secrets))
    async with at(oidc_provider, both) as counter:
        await revoked_is_told(counter)


async def test_a_token_that_nobody_knows_is_not_active_and_not_shown(oidc_provider: OidcProvider) -> None:
    async with at(oidc_provider, registered(oidc_provider, options=OPAQUE)) as counter:
        made_up = replace(await counter.mint(), access_token=Secret("CANARY.made.up"))
        said = await counter.finds(counter.introspection, made_up)
    assert said.startswith("verify_refused: ")
    assert "CANARY" not in said


@pytest.mark.parametrize("which", ["oidc_provider", "second_server"])
async def test_c05_a_life_that_ends_earlier_than_the_answer_said_is_cut(
    which: str, request: pytest.FixtureRequest
) -> None:
    server, clock = request.getfixturevalue(which), SystemClock()
    options: dict[str, Any] = {"options": OPAQUE} if which == "oidc_provider" else {}
    async with at(server, registered(server, **options)) as counter:
        asked = clock.now().elapsed
        grant = await counter.mint()
        took = clock.now().elapsed - asked
        cut = await counter.introspection.verify(counter.credentials, replace(grant, lifetime=9000.0))
    # Counted from before the request, to the whole second at which the server has it end.
    assert 600 - 2.5 <= cut.lifetime <= 600 + took + 2.5


async def test_a_client_that_may_not_ask_leaves_it_open_whether_the_token_is_good(oidc_provider: OidcProvider) -> None:
    credentials = registered(oidc_provider, options=OPAQUE)
    async with at(oidc_provider, credentials) as counter:
        grant = await counter.mint()
        counter.credentials = client(credentials.client_id, "wrong")
        said = await counter.finds(counter.introspection, grant)
    assert said.startswith("verify_unavailable: ")
    assert said.endswith("answered with status 401 and error 'invalid_client'")


async def test_a_revocation_by_a_client_that_is_not_known_is_refused(oidc_provider: OidcProvider) -> None:
    credentials = registered(oidc_provider, options=OPAQUE)
    async with at(oidc_provider, credentials) as counter:
        grant = await counter.mint()
        counter.credentials = client(credentials.client_id, "wrong", "wrong too")
        with pytest.raises(RotationError) as caught:
            await counter.revoke(grant)
    assert caught.value.code is Code.INVALID_CLIENT


async def test_a_kind_of_token_that_the_server_does_not_revoke_is_told_as_such(oidc_provider: OidcProvider) -> None:
    async with at(oidc_provider, registered(oidc_provider)) as counter:
        with pytest.raises(RotationError, match="status 400 and error 'unsupported_token_type'") as caught:
            await counter.revoke(await counter.mint())
    assert caught.value.code is Code.PROVIDER_REFUSED


async def test_the_issuer_alone_leads_to_every_endpoint(oidc_provider: OidcProvider) -> None:
    async with at(oidc_provider, registered(oidc_provider, options=OPAQUE)) as counter:
        alone = Provider(ProviderSettings(issuer=oidc_provider.issuer), counter.clock)
        try:
            counter.provider = alone
            counter.introspection = Introspection(alone, counter.asked, counter.outages, counter.clock)
            await revoked_is_told(counter)
        finally:
            await alone.close()


async def test_a_signed_token_says_what_it_should(oidc_provider: OidcProvider) -> None:
    credentials = registered(oidc_provider)
    async with at(oidc_provider, credentials) as counter:
        grant = await counter.mint()
        good = {"issuer": oidc_provider.issuer, "audience": credentials.client_id, "scope": "admin"}
        assert await counter.finds(counter.claims(**good), grant) == "good"
        for name, words in (("issuer", "iss is another one"), ("audience", "aud is another one"), ("scope", "without")):
            said = await counter.finds(counter.claims(**{**good, name: "urn:another"}), grant)
            assert said.startswith("verify_refused: ")
            assert words in said


async def test_a_token_that_somebody_else_has_signed_is_refused(oidc_provider: OidcProvider) -> None:
    async with at(oidc_provider, registered(oidc_provider)) as counter:
        grant = await counter.mint()
        token = grant.access_token.reveal()
        head, payload, signature = token.split(".")
        forged = replace(grant, access_token=Secret(f"{head}.{payload}.{signature[::-1]}"))
        said = await counter.finds(counter.claims(), forged)
    assert said == "verify_refused: the signature of the token (RS256) is by none of the keys of its provider"


async def test_an_opaque_token_has_no_claims(oidc_provider: OidcProvider) -> None:
    async with at(oidc_provider, registered(oidc_provider, options=OPAQUE)) as counter:
        assert (await counter.finds(counter.claims(), await counter.mint())).startswith("verify_refused: ")


async def test_a_server_that_has_gone_leaves_it_open_whether_the_token_is_good(own_oidc_provider: OidcProvider) -> None:
    async with at(own_oidc_provider, registered(own_oidc_provider, options=OPAQUE)) as counter:
        grant = await counter.mint()
        own_oidc_provider.stop()
        for check in (counter.introspection, counter.claims()):
            said = await counter.finds(check, replace(grant, access_token=Secret("eyJhbGciOiJSUzI1NiJ9.e30.AAAA")))
            assert said.startswith("verify_unavailable: ")
            assert "ECONNREFUSED" in said
        with pytest.raises(RotationError) as caught:
            await counter.revoke(grant)
    assert caught.value.code is Code.PROVIDER_UNREACHABLE


async def test_new_keys_after_a_restart_of_the_server_are_read_once_a_minute_has_passed(
    own_oidc_provider: OidcProvider,
) -> None:
    async with at(own_oidc_provider, registered(own_oidc_provider)) as counter:
        claims = counter.claims()
        assert await counter.finds(claims, await counter.mint()) == "good"
        own_oidc_provider.stop()
        own_oidc_provider.start()
        said = await counter.finds(claims, await counter.mint())
    assert said.startswith("verify_unavailable: the token is signed with a key that the provider did not have")
