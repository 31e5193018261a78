"""How the certified oidc-provider, with two grants of ours, exchanges tokens and takes assertions."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
import pytest_asyncio
from joserfc.jwk import ECKey

from tests.support.oidc import Options
from tests.support.plain_client import PlainClient, claims, signed

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.support.oidc import OidcProvider

EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
ASSERTION = "urn:ietf:params:oauth:grant-type:jwt-bearer"
ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"
JWT = "urn:ietf:params:oauth:token-type:jwt"
CLIENT_CREDENTIALS = {"grant_type": "client_credentials", "scope": "openid admin"}
KEY = ECKey.generate_key("P-256")
KEYS = {"keys": [KEY.as_dict(private=False)]}


@pytest_asyncio.fixture
async def server(oidc_provider: OidcProvider) -> AsyncIterator[PlainClient]:
    async with aiohttp.ClientSession() as session:
        yield PlainClient(oidc_provider, session)


# Token exchange and assertions


async def test_a_token_is_exchanged_for_one_to_another_audience(server: PlainClient) -> None:
    options = Options(grants=("client_credentials", EXCHANGE), audiences=("https://api.test",))
    client = server.provider.register(method="client_secret_post", options=options)
    mine = (await server.token(client, **CLIENT_CREDENTIALS))[1]["access_token"]
    ask = {"grant_type": EXCHANGE, "subject_token": mine, "subject_token_type": ACCESS_TOKEN}
    status, answer = await server.token(client, **ask, audience="https://api.test", scope="openid")
    assert (status, answer["issued_token_type"], answer["token_type"]) == (200, ACCESS_TOKEN, "Bearer")
    found = claims(answer["access_token"])
    assert (found["aud"], found["sub"], found["scope"]) == ("https://api.test", client.client_id, "openid")
    delegated = await server.token(client, **ask, actor_token=mine, actor_token_type=ACCESS_TOKEN)
    assert claims(delegated[1]["access_token"])["act"] == {"sub": client.client_id}


@pytest.mark.parametrize(
    ("more", "error"),
    [
        ({"audience": "https://elsewhere.test"}, "invalid_target"),
        ({"scope": "user"}, "invalid_scope"),
        ({"subject_token": "nonsense"}, "invalid_request"),
        ({"subject_token_type": "urn:ietf:params:oauth:token-type:saml2"}, "invalid_request"),
        ({"requested_token_type": "urn:ietf:params:oauth:token-type:saml2"}, "invalid_request"),
        ({"actor_token": "alone"}, "invalid_request"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else value,
)
async def test_an_exchange_that_is_not_to_be_is_refused(server: PlainClient, more: dict[str, str], error: str) -> None:
    options = Options(grants=("client_credentials", EXCHANGE))
    client = server.provider.register(method="client_secret_post", options=options)
    mine = (await server.token(client, **CLIENT_CREDENTIALS))[1]["access_token"]
    ask = {"grant_type": EXCHANGE, "subject_token": mine, "subject_token_type": ACCESS_TOKEN}
    status, answer = await server.token(client, **{**ask, **more})
    assert (status, answer["error"]) == (400, error)


async def test_a_jwt_of_a_registered_issuer_is_exchanged(server: PlainClient) -> None:
    options = Options(grants=(EXCHANGE,), issuers={"https://cluster.test": KEYS})
    client = server.provider.register(method="client_secret_post", options=options)
    token = signed(KEY, "ES256", iss="https://cluster.test", sub="workload", aud=server.provider.issuer)
    status, answer = await server.token(client, grant_type=EXCHANGE, subject_token=token, subject_token_type=JWT)
    assert (status, claims(answer["access_token"])["sub"]) == (200, "workload")


async def test_an_assertion_is_taken_once_for_whom_it_speaks_of(server: PlainClient) -> None:
    options = Options(grants=(ASSERTION,), issuers={"https://issuer.test": KEYS})
    client = server.provider.register(method="client_secret_post", options=options)
    assertion = signed(KEY, "ES256", iss="https://issuer.test", sub="robot", aud=server.provider.token_url)
    status, answer = await server.token(client, grant_type=ASSERTION, assertion=assertion, scope="openid")
    assert (status, answer["scope"], claims(answer["access_token"])["sub"]) == (200, "openid", "robot")
    assert "issued_token_type" not in answer
    assert (await server.token(client, grant_type=ASSERTION, assertion=assertion))[1]["error"] == "invalid_grant"


async def test_an_assertion_alone_names_the_client_that_signed_it(server: PlainClient) -> None:
    issuer = f"robot-{uuid.uuid4().hex}@project.test"
    server.provider.register(issuer, method="none", options=Options(grants=(ASSERTION,), issuers={issuer: KEYS}))
    assertion = signed(KEY, "ES256", iss=issuer, sub=issuer, aud=server.provider.token_url)
    form = {"grant_type": ASSERTION, "assertion": assertion}
    assert (await server.post(server.provider.token_url, form))[0] == 200


@pytest.mark.parametrize("claim", [{"aud": "https://elsewhere.test"}, {"exp": 1}, {"iss": "another"}, {"sub": None}])
async def test_an_assertion_with_a_wrong_claim_is_no_grant(server: PlainClient, claim: dict[str, Any]) -> None:
    options = Options(grants=(ASSERTION,), issuers={"https://issuer.test": KEYS})
    client = server.provider.register(method="client_secret_post", options=options)
    right = {"iss": "https://issuer.test", "sub": "robot", "aud": server.provider.token_url}
    assertion = signed(KEY, "ES256", **{**right, **claim})
    status, answer = await server.token(client, grant_type=ASSERTION, assertion=assertion)
    assert (status, answer["error"]) == (400, "invalid_grant")
