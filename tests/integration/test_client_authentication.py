"""Every way in which a client proves itself, at the certified authorization server."""

from __future__ import annotations

import json
import uuid
from base64 import urlsafe_b64decode
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import parse_qsl

import pytest
from joserfc.jwk import ECKey, KeySet, OKPKey, RSAKey

from rotator.core.errors import Code, RotationError
from rotator.engine.clock import SystemClock
from rotator.oauth.answer import Expectations
from rotator.oauth.client_auth import CLIENT_AUTHENTICATION, ClientAuthSettings
from rotator.oauth.endpoint import EndpointSettings, HttpTokenEndpoint
from rotator.oauth.grants import GrantParameters
from rotator.oauth.provider import Provider, ProviderSettings
from tests.support.oidc import Options
from tests.support.requests import client

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from rotator.core.model import ClientCredentials, Grant
    from tests.support.oidc import OidcProvider

AsymmetricKey: TypeAlias = "RSAKey | ECKey | OKPKey"

SECRET = "a-secret-with+reserved%characters:and=length"
ASKED = GrantParameters(scope="openid admin")


def name() -> str:
    return f"c-{uuid.uuid4().hex}"


async def mint(
    settings: ProviderSettings, auth: ClientAuthSettings, credentials: ClientCredentials, expected: Expectations
) -> Grant:
    provider = Provider(settings, SystemClock())
    try:
        asked = EndpointSettings(ASKED, auth, expected=expected)
        return await HttpTokenEndpoint(provider, asked, SystemClock()).mint(credentials)
    finally:
        await provider.close()


async def at(
    server: OidcProvider, method: str, credentials: ClientCredentials, ca_file: Path | None = None, **auth: Any
) -> Grant:
    url = server.token_url if ca_file is None else server.tls_token_url
    settings = ProviderSettings(url, server.issuer, ca_file=ca_file)
    return await mint(settings, ClientAuthSettings(method, **auth), credentials, Expectations("openid admin"))


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post", "client_secret_jwt"])
async def test_a_client_secret_proves_the_client(oidc_provider: OidcProvider, method: str) -> None:
    who = name()
    oidc_provider.register(who, SECRET, method=method)
    grant = await at(oidc_provider, method, client(who, SECRET))
    assert (grant.lifetime, grant.scope) == (600.0, "openid admin")


KEYS: dict[str, Callable[[], AsymmetricKey]] = {
    "RS256": lambda: RSAKey.generate_key(2048),
    "PS256": lambda: RSAKey.generate_key(2048),
    "ES256": lambda: ECKey.generate_key("P-256"),
    "EdDSA": lambda: OKPKey.generate_key("Ed25519"),
}


def registered_key(server: OidcProvider, algorithm: str) -> tuple[str, AsymmetricKey]:
    who, key = name(), KEYS[algorithm]()
    jwks = KeySet([key]).as_dict(private=False)
    server.register(
        who,
        None,
        method="private_key_jwt",
        options=Options(metadata={"jwks": jwks, "token_endpoint_auth_signing_alg": algorithm}),
    )
    return who, key


@pytest.mark.parametrize("algorithm", KEYS)
@pytest.mark.parametrize("form", ["PEM", "JWK"])
async def test_a_private_key_proves_the_client_whatever_its_type_and_form(
    oidc_provider: OidcProvider, algorithm: str, form: str
) -> None:
    who, key = registered_key(oidc_provider, algorithm)
    text = key.as_pem(private=True).decode() if form == "PEM" else json.dumps(key.as_dict(private=True))
    grant = await at(oidc_provider, "private_key_jwt", client(who, text), algorithm=algorithm)
    assert grant.lifetime == 600.0


async def test_another_private_key_is_refused_as_the_wrong_client_and_is_not_shown(oidc_provider: OidcProvider) -> None:
    who, _ = registered_key(oidc_provider, "ES256")
    other = ECKey.generate_key("P-256").as_pem(private=True).decode()
    with pytest.raises(RotationError) as caught:
        await at(oidc_provider, "private_key_jwt", client(who, other))
    assert caught.value.code is Code.INVALID_CLIENT
    assert "PRIVATE" not in str(caught.value)


async def test_a_key_that_cannot_sign_as_configured_is_told_of_before_anybody_is_asked(
    oidc_provider: OidcProvider,
) -> None:
    who, key = registered_key(oidc_provider, "ES256")
    with pytest.raises(RotationError, match="cannot sign with RS256") as caught:
        await at(oidc_provider, "private_key_jwt", client(who, key.as_pem(private=True).decode()), algorithm="RS256")
    assert caught.value.code is Code.SECRET_MALFORMED
    assert oidc_provider.requests(who) == []


@pytest.fixture
def ca_file(oidc_provider: OidcProvider, tmp_path: Path) -> Path:
    file = tmp_path / "ca.pem"
    file.write_text(oidc_provider.authority.root.pem)
    return file


@pytest.mark.parametrize("method", ["tls_client_auth", "self_signed_tls_client_auth"])
async def test_a_certificate_on_the_connection_proves_the_client(
    oidc_provider: OidcProvider, ca_file: Path, method: str
) -> None:
    who = name()
    mine = oidc_provider.authority.client(who)
    metadata: dict[str, Any] = (
        {"tls_client_auth_subject_dn": mine.subject} if method == "tls_client_auth" else {"jwks": mine.jwks()}
    )
    oidc_provider.register(who, None, method=method, options=Options(metadata=metadata))
    grant = await at(oidc_provider, method, client(who, mine.key_pem, certificate=mine.pem), ca_file)
    assert grant.lifetime == 600.0
    other = oidc_provider.authority.client(name())
    with pytest.raises(RotationError) as caught:
        await at(oidc_provider, method, client(who, other.key_pem, certificate=other.pem), ca_file)
    assert caught.value.code is Code.INVALID_CLIENT


async def test_a_certificate_whose_key_is_another_is_told_of_and_neither_is_shown(
    oidc_provider: OidcProvider, ca_file: Path
) -> None:
    mine, other = (oidc_provider.authority.client(name()) for _ in range(2))
    with pytest.raises(RotationError, match="holds the key of another than") as caught:
        await at(oidc_provider, "tls_client_auth", client("x", other.key_pem, certificate=mine.pem), ca_file)
    assert caught.value.code is Code.SECRET_MALFORMED
    assert "/proc" not in str(caught.value)


async def test_a_token_that_is_bound_to_the_certificate_is_not_published_as_a_bearer(
    oidc_provider: OidcProvider, ca_file: Path
) -> None:
    who = name()
    mine = oidc_provider.authority.client(who)
    metadata = {"tls_client_auth_subject_dn": mine.subject, "tls_client_certificate_bound_access_tokens": True}
    oidc_provider.register(who, None, method="tls_client_auth", options=Options(metadata=metadata))
    with pytest.raises(RotationError, match="bound to") as caught:
        await at(oidc_provider, "tls_client_auth", client(who, mine.key_pem, certificate=mine.pem), ca_file)
    assert caught.value.code is Code.TOKEN_BOUND


@pytest.mark.parametrize("method", [name for name, how in CLIENT_AUTHENTICATION.items() if how.field])
async def test_credentials_without_the_proof_are_told_of_and_nobody_is_asked(
    oidc_provider: OidcProvider, method: str
) -> None:
    bare = client("nobody")
    bare = type(bare)(bare.client_id, (), bare.version)
    with pytest.raises(RotationError, match="the source holds no") as caught:
        await at(oidc_provider, method, bare)
    assert caught.value.code is Code.SECRET_MALFORMED


async def test_the_issuer_alone_leads_to_the_token_endpoint(oidc_provider: OidcProvider) -> None:
    who = name()
    oidc_provider.register(who, SECRET)
    settings = ProviderSettings(issuer=oidc_provider.issuer)
    grant = await mint(settings, ClientAuthSettings(), client(who, SECRET), Expectations("openid admin"))
    assert grant.scope == "openid admin"


async def test_for_clients_with_a_certificate_the_issuer_leads_to_where_it_asks_for_one_if_that_is_allowed(
    oidc_provider: OidcProvider, ca_file: Path
) -> None:
    who = name()
    mine = oidc_provider.authority.client(who)
    oidc_provider.register(
        who, None, method="tls_client_auth", options=Options(metadata={"tls_client_auth_subject_dn": mine.subject})
    )
    how, credentials = ClientAuthSettings("tls_client_auth"), client(who, mine.key_pem, certificate=mine.pem)
    settings = ProviderSettings(issuer=oidc_provider.issuer, ca_file=ca_file)
    with pytest.raises(RotationError, match="allowed_hosts may name more") as caught:
        await mint(settings, how, credentials, Expectations())
    assert caught.value.code is Code.DISCOVERY_INVALID
    allowed = replace(settings, allowed_hosts=(oidc_provider.tls_token_url.split("/")[2],))
    assert (await mint(allowed, how, credentials, Expectations())).lifetime == 600.0


async def test_an_issuer_that_is_written_otherwise_is_another_one(oidc_provider: OidcProvider) -> None:
    who = name()
    oidc_provider.register(who, SECRET)
    settings = ProviderSettings(issuer=f"{oidc_provider.issuer}/")
    with pytest.raises(RotationError, match="wanted exactly") as caught:
        await mint(settings, ClientAuthSettings(), client(who, SECRET), Expectations())
    assert caught.value.code is Code.DISCOVERY_INVALID
    assert oidc_provider.requests(who) == []


async def test_a_certificate_beside_the_key_is_named_in_the_assertions_header_as_entra_wants_it(
    oidc_provider: OidcProvider,
) -> None:
    who, key = registered_key(oidc_provider, "ES256")
    mine = oidc_provider.authority.client(who)
    pem = key.as_pem(private=True).decode()
    await at(oidc_provider, "private_key_jwt", client(who, pem, certificate=mine.pem))
    (received,) = oidc_provider.requests(who)
    sent = dict(parse_qsl(received.body))["client_assertion"].partition(".")[0]
    header = json.loads(urlsafe_b64decode(sent + "=" * (-len(sent) % 4)))
    assert header["x5t#S256"] == mine.thumbprint
    with pytest.raises(RotationError, match="the certificate is none"):
        await at(oidc_provider, "private_key_jwt", client(who, pem, certificate="nonsense"))
