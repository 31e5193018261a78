"""How the certified oidc-provider knows a client, and what it tells of itself and of tokens: by plain requests."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
import pytest_asyncio
from joserfc.jwk import ECKey, OctKey

from tests.support.authority import self_signed
from tests.support.oidc import Options
from tests.support.plain_client import PlainClient, claims, signed

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from joserfc.jwk import Key

    from tests.support.authority import Certificate
    from tests.support.oidc import OidcProvider

DEVICE_CODE = "urn:ietf:params:oauth:grant-type:device_code"
EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
ASSERTION = "urn:ietf:params:oauth:grant-type:jwt-bearer"
CLIENT_ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
CLIENT_CREDENTIALS = {"grant_type": "client_credentials", "scope": "openid admin"}
KEY = ECKey.generate_key("P-256")
KEYS = {"keys": [KEY.as_dict(private=False)]}


@pytest_asyncio.fixture
async def server(oidc_provider: OidcProvider) -> AsyncIterator[PlainClient]:
    async with aiohttp.ClientSession() as session:
        yield PlainClient(oidc_provider, session)


# Discovery


@pytest.mark.parametrize("document", ["openid-configuration", "oauth-authorization-server"])
async def test_both_discovery_documents_name_the_issuer_and_every_endpoint(server: PlainClient, document: str) -> None:
    provider = server.provider
    status, found = await server.get(f"{provider.issuer}/.well-known/{document}")
    assert status == 200
    assert found["issuer"] == provider.issuer
    assert found["token_endpoint"] == provider.token_url
    assert found["authorization_endpoint"] == provider.authorization_url
    assert found["device_authorization_endpoint"] == provider.device_authorization_url
    assert found["introspection_endpoint"] == provider.introspection_url
    assert found["revocation_endpoint"] == provider.revocation_url
    assert found["jwks_uri"] == provider.jwks_url
    assert found["mtls_endpoint_aliases"] == {"token_endpoint": provider.tls_token_url}
    assert {DEVICE_CODE, EXCHANGE, ASSERTION, "refresh_token"} < set(found["grant_types_supported"])


# Client authentication


@pytest.mark.parametrize(
    ("method", "alg", "key"),
    [("client_secret_jwt", "HS256", None), ("private_key_jwt", "ES256", KEY)],
    ids=["client_secret_jwt", "private_key_jwt"],
)
async def test_a_signed_assertion_names_a_client_once(
    server: PlainClient, method: str, alg: str, key: Key | None
) -> None:
    client = server.provider.register(method=method, options=Options(metadata={"jwks": KEYS} if key else {}))
    by = key or OctKey.import_key(client.secret.reveal())
    whose: dict[str, Any] = {"iss": client.client_id, "sub": client.client_id, "aud": server.provider.issuer}
    form = {
        **CLIENT_CREDENTIALS,
        "client_assertion_type": CLIENT_ASSERTION,
        "client_assertion": signed(by, alg, **whose),
    }
    assert (await server.post(server.provider.token_url, form))[0] == 200
    status, answer = await server.post(server.provider.token_url, form)
    assert (status, answer["error"]) == (401, "invalid_client")


@pytest.mark.parametrize("claim", [{"aud": "https://elsewhere.test"}, {"exp": 1}, {"jti": ""}, {"iss": "another"}])
async def test_an_assertion_with_a_wrong_claim_names_nobody(server: PlainClient, claim: dict[str, Any]) -> None:
    client = server.provider.register(method="private_key_jwt", options=Options(metadata={"jwks": KEYS}))
    right = {"iss": client.client_id, "sub": client.client_id, "aud": server.provider.issuer}
    assertion = signed(KEY, "ES256", **{**right, **claim})
    form = {**CLIENT_CREDENTIALS, "client_assertion_type": CLIENT_ASSERTION, "client_assertion": assertion}
    status, answer = await server.post(server.provider.token_url, form)
    assert (status, answer["error"]) == (401, "invalid_client")


async def test_a_client_of_another_method_is_refused(server: PlainClient) -> None:
    client = server.provider.register(method="client_secret_jwt")
    status, answer = await server.token(client, **CLIENT_CREDENTIALS)
    assert (status, answer["error"]) == (401, "invalid_client")


async def test_metadata_that_fit_no_client_are_refused_with_the_servers_reason(server: PlainClient) -> None:
    with pytest.raises(RuntimeError, match="jwks or jwks_uri is mandatory"):
        server.provider.register(method="private_key_jwt")


@pytest.fixture
def shows(server: PlainClient, tmp_path: Path) -> Any:
    """TLS settings that trust the server, and show a certificate if there is one."""

    def settings(certificate: Certificate | None = None) -> ssl.SSLContext:
        context = ssl.create_default_context(cadata=server.provider.authority.root.pem)
        if certificate is not None:
            certificate.write(tmp_path / "certificate.pem", tmp_path / "key.pem")
            context.load_cert_chain(tmp_path / "certificate.pem", tmp_path / "key.pem")
        return context

    return settings


async def test_a_certificate_of_the_authority_names_a_client_and_binds_its_token(
    server: PlainClient, shows: Any
) -> None:
    right, other = server.provider.authority.client("billing"), server.provider.authority.client("other")
    bound = {"tls_client_auth_subject_dn": right.subject, "tls_client_certificate_bound_access_tokens": True}
    client = server.provider.register(method="tls_client_auth", options=Options(metadata=bound))
    form = {**CLIENT_CREDENTIALS, "client_id": client.client_id}
    status, answer = await server.post(server.provider.tls_token_url, form, tls=shows(right))
    assert (status, answer["token_type"]) == (200, "Bearer")
    assert claims(answer["access_token"])["cnf"] == {"x5t#S256": right.thumbprint}
    for shown in (other, self_signed("billing"), None):
        assert (await server.post(server.provider.tls_token_url, form, tls=shows(shown)))[0] == 401
    assert (await server.post(server.provider.token_url, form))[0] == 401


async def test_a_certificate_by_its_dns_name_is_found_as_well(server: PlainClient, shows: Any) -> None:
    certificate = server.provider.authority.client("billing")
    metadata = {"tls_client_auth_san_dns": "billing.test"}
    client = server.provider.register(method="tls_client_auth", options=Options(metadata=metadata))
    form = {**CLIENT_CREDENTIALS, "client_id": client.client_id}
    assert (await server.post(server.provider.tls_token_url, form, tls=shows(certificate)))[0] == 200


async def test_a_certificate_that_nobody_vouches_for_names_the_client_that_registered_it(
    server: PlainClient, shows: Any
) -> None:
    mine, other = self_signed("mine"), self_signed("mine")
    metadata = {"jwks": mine.jwks()}
    client = server.provider.register(method="self_signed_tls_client_auth", options=Options(metadata=metadata))
    form = {**CLIENT_CREDENTIALS, "client_id": client.client_id}
    assert (await server.post(server.provider.tls_token_url, form, tls=shows(mine)))[0] == 200
    assert (await server.post(server.provider.tls_token_url, form, tls=shows(other)))[0] == 401


async def test_a_proof_of_possession_makes_a_token_that_is_no_bearer(server: PlainClient) -> None:
    metadata = {"dpop_bound_access_tokens": True}
    client = server.provider.register(method="client_secret_post", options=Options(metadata=metadata))
    form = {**CLIENT_CREDENTIALS, **server.identity(client)}
    header = {"typ": "dpop+jwt", "jwk": KEY.as_dict(private=False)}
    proof = signed(KEY, "ES256", header=header, htm="POST", htu=server.provider.token_url)
    status, answer = await server.post(server.provider.token_url, form, dpop=proof)
    assert (status, answer["token_type"]) == (200, "DPoP")
    assert claims(answer["access_token"])["cnf"] == {"jkt": KEY.thumbprint()}
    status, answer = await server.post(server.provider.token_url, form)
    assert (status, answer["error"]) == (400, "invalid_grant")


# Introspection and revocation


async def test_an_opaque_token_is_told_of_until_it_is_revoked(server: PlainClient) -> None:
    client = server.provider.register(method="client_secret_post", options=Options(opaque=True))
    token = (await server.token(client, **CLIENT_CREDENTIALS))[1]["access_token"]
    found = await server.introspect(client, token)
    assert (found["active"], found["scope"], found["client_id"]) == (True, "openid admin", client.client_id)
    revocation = await server.post(server.provider.revocation_url, {**server.identity(client), "token": token})
    assert revocation == (200, {})
    assert await server.introspect(client, token) == {"active": False}
    paths = [
        len(server.provider.requests(client.client_id, f"/token/{name}")) for name in ("introspection", "revocation")
    ]
    assert paths == [2, 1]


@pytest.mark.parametrize("endpoint", ["introspection_url", "revocation_url"])
async def test_a_jwt_can_be_neither_introspected_nor_revoked_here(server: PlainClient, endpoint: str) -> None:
    client = server.provider.register(method="client_secret_post")
    token = (await server.token(client, **CLIENT_CREDENTIALS))[1]["access_token"]
    form = {**server.identity(client), "token": token}
    status, answer = await server.post(getattr(server.provider, endpoint), form)
    assert (status, answer["error"]) == (400, "unsupported_token_type")
