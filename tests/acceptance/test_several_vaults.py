"""Credentials in one Vault, tokens in another, and a key that signs in a third place: Vault's transit engine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest_asyncio
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from joserfc.jwk import KeySet, RSAKey

from rotator.demo.bao import BaoServer
from tests.support.http import status_of
from tests.support.oidc import Options
from tests.support.process import Rotator, rotator

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.support.process import Site

POLICY = 'path "secret/+/tokens/*" { capabilities = ["create", "read", "update"] }'


@pytest_asyncio.fixture
async def other() -> AsyncIterator[BaoServer]:
    """The Vault of the consumers."""
    async with BaoServer("raft") as bao:
        await bao.enable_approle()
        await bao.enable_kv("secret", 2)
        yield bao


async def with_another(site: Site, other: BaoServer, sink: str = "shared") -> None:
    """A site whose token goes to the other Vault, as a user who logs in with a password there."""
    await other.write_policy("writer", POLICY)
    await other.request("POST", "sys/auth/userpass", {"type": "userpass"})
    body = {"password": "a password", "token_policies": ["writer"]}
    await other.request("POST", "auth/userpass/users/rotator", body)
    password = site.home / "password"
    password.touch(mode=0o600)
    password.write_text("a password")
    site.extra = f"""
[vaults.shared]
address = "{other.address}"
auth = {{ method = "userpass", username = "rotator", password_file = "password" }}

[credentials.across]
provider = "thx"
source = {{ type = "vault", path = "secret/apps/billing" }}
sinks = [{{ type = "vault", vault = "{sink}", path = "secret/tokens/across" }}]
"""


async def held(bao: BaoServer, name: str) -> dict[str, Any]:
    document: dict[str, Any] = (await bao.request("GET", f"secret/data/tokens/{name}"))["data"]["data"]
    return document


async def test_a_source_here_and_a_sink_there(site: Site, other: BaoServer) -> None:
    await with_another(site, other)
    configuration = await site.prepare(["billing"])
    code, out, err = await rotator("check", "--live", "-c", configuration)
    assert code == 0, out + err
    assert f"log in to Vault shared at {other.address}" in out
    async with Rotator(configuration) as daemon:
        await daemon.says("daemon.ready")
        assert (await held(other, "across"))["token_type"] == "Bearer"
        assert (await held(site.bao, "billing"))["token_type"] == "Bearer"


async def test_one_vault_that_is_sealed_leaves_what_is_in_the_other_alone_v32(site: Site, other: BaoServer) -> None:
    site.lifetime = 20
    await with_another(site, other)
    configuration = await site.prepare(["billing"])
    async with Rotator(configuration) as daemon:
        await daemon.says("daemon.ready")
        await other.seal()
        before = (await held(site.bao, "billing"))["fingerprint"]
        await daemon.says("token.delivery_failed", credential="across")
        await daemon.says("token.delivered", credential="billing", count=4)
        assert (await held(site.bao, "billing"))["fingerprint"] != before
        assert daemon.named("token.delivery_failed", credential="billing") == []
        status = await status_of(site.home / "state" / "rotator.sock", "across")
        assert status["failure"]["error"] == "vault_unavailable"
        await other.unseal()
        assert (await daemon.says("vault.recovered"))["vault"] == "shared"
        await daemon.says("credential.recovered", credential="across", sink="vault:secret/tokens/across")


async def test_a_vault_that_no_table_has_is_refused_with_the_nearest_name(site: Site, other: BaoServer) -> None:
    await with_another(site, other, sink="sharde")
    configuration = await site.prepare(["billing"])
    code, _, err = await rotator("check", "-c", configuration)
    assert code == 2
    assert "credentials.across.sinks[0].vault" in err
    assert "did you mean shared?" in err


async def test_a_key_that_never_leaves_vault_signs_the_clients_assertions(site: Site) -> None:
    await site.bao.request("POST", "sys/mounts/transit", {"type": "transit"})
    await site.bao.request("POST", "transit/keys/rotator", {"type": "rsa-2048"})
    public = (await site.bao.request("GET", "transit/keys/rotator"))["data"]["keys"]["1"]["public_key"]
    assert load_pem_public_key(public.encode()).key_size == 2048  # type: ignore[union-attr]  # an RSA key
    jwks = KeySet([RSAKey.import_key(public)]).as_dict(private=False)
    metadata = {"jwks": jwks, "token_endpoint_auth_signing_alg": "RS256"}
    who = site.oidc.register(method="private_key_jwt", options=Options(metadata=metadata))
    site.extra = f"""
[credentials.signed]
provider = "thx"
client_auth = "private_key_jwt"
assertion = {{ transit_key = "transit/rotator" }}
source = {{ type = "public", client_id = "{who.client_id}" }}
sinks = [{{ type = "vault", path = "secret/tokens/signed" }}]
"""
    configuration = await site.prepare(["billing"])
    code, out, _ = await rotator("check", "--live", "-c", configuration)
    assert code == 1
    assert 'path "transit/sign/rotator" { capabilities = ["update"] }' in out
    policy = (await site.bao.request("GET", "sys/policies/acl/rotator"))["data"]["policy"]
    grant = 'path "transit/sign/rotator" { capabilities = ["update"] }'
    await site.bao.write_policy("rotator", f"{policy}\n{grant}")
    async with Rotator(configuration) as daemon:
        await daemon.says("token.delivered", credential="signed")
