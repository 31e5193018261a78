"""Signatures by keys of a real transit engine, checked by another library with the public keys that Vault gives out."""

from __future__ import annotations

import base64
import itertools
import json
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio
from joserfc import jws
from joserfc.errors import BadSignatureError
from joserfc.jwk import ECKey, OKPKey, RSAKey

from rotator.core.errors import Code, RotationError
from rotator.engine.clock import SystemClock
from rotator.oauth.assertions import assertion
from rotator.vault.policies import stanza
from rotator.vault.transit import SCHEMES, TransitSigner
from tests.integration.vault.visits import settings, visiting

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from joserfc.jwk import Key

    from rotator.demo.bao import BaoServer
    from rotator.vault.session import VaultSession
    from tests.integration.vault.administration import Admin

NUMBERS = itertools.count()
TYPES = {
    **dict.fromkeys(("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"), "rsa-2048"),
    "ES256": "ecdsa-p256",
    "ES384": "ecdsa-p384",
    "ES512": "ecdsa-p521",
    **dict.fromkeys(("EdDSA", "Ed25519"), "ed25519"),
}


@pytest_asyncio.fixture
async def mount(admin: Admin) -> str:
    """A transit engine of its own; its path has two segments, as they may have."""
    path = f"transit/of-test-{next(NUMBERS)}"
    await admin.api.write_data(f"sys/mounts/{path}", data={"type": "transit"})
    return path


@pytest.fixture
async def session(bao: BaoServer) -> AsyncIterator[VaultSession]:
    async with visiting(settings(bao)) as visit:
        yield visit.session


async def make(admin: Admin, mount: str, kind: str, **options: object) -> str:
    """A new key, by mount and name."""
    await admin.api.write_data(f"{mount}/keys/{kind}", data={"type": kind, **options})
    return f"{mount}/{kind}"


async def public(admin: Admin, mount: str, kind: str, version: int = 1) -> Key:
    """The public half of a key's version."""
    document = (await admin.api.adapter.get(f"/v1/{mount}/keys/{kind}"))["data"]
    text = document["keys"][str(version)]["public_key"]
    if kind == "ed25519":
        x = base64.urlsafe_b64encode(base64.b64decode(text)).decode().rstrip("=")
        return OKPKey.import_key({"kty": "OKP", "crv": "Ed25519", "x": x})
    return (RSAKey if kind.startswith("rsa") else ECKey).import_key(text)


def verified(text: str, key: Key, algorithm: str) -> Any:
    """The header of a JWT whose signature is right.

    Raises:
        BadSignatureError: It is not.
    """
    return jws.deserialize_compact(text, key, algorithms=[algorithm]).headers()


async def token(signer: TransitSigner) -> str:
    """An assertion as rotator makes it for a provider."""
    made = await assertion({"iss": "me", "sub": "me", "aud": "them"}, signer, "key-1", SystemClock().now())
    return made.reveal()


async def refusal(signer: TransitSigner) -> RotationError:
    with pytest.raises(RotationError) as caught:
        await signer.sign(b"header.claims")
    return caught.value


def test_every_algorithm_of_the_engine_is_tried_here() -> None:
    assert TYPES.keys() == SCHEMES.keys()


@pytest.mark.filterwarnings("ignore:EdDSA is deprecated")  # by RFC 9864, for Ed25519; providers still ask for it
@pytest.mark.parametrize("algorithm", TYPES)
async def test_an_assertion_is_verified_with_the_public_key(
    session: VaultSession, admin: Admin, mount: str, algorithm: str
) -> None:
    kind = TYPES[algorithm]
    signer = TransitSigner(session, await make(admin, mount, kind), algorithm)
    header = verified(await token(signer), await public(admin, mount, kind), algorithm)
    assert header == {"alg": algorithm, "typ": "JWT", "kid": "key-1"}


async def test_the_private_key_cannot_leave_vault(session: VaultSession, admin: Admin, mount: str) -> None:
    path = await make(admin, mount, "rsa-2048")
    assert await token(TransitSigner(session, path, "RS256"))
    for way in ("export/signing-key", "export/encryption-key", "backup"):
        with pytest.raises(RotationError, match="was answered"):
            await admin.api.adapter.get(f"/v1/{mount}/{way}/rsa-2048")
    key = (await admin.api.adapter.get(f"/v1/{mount}/keys/rsa-2048"))["data"]
    assert (key["exportable"], key["allow_plaintext_backup"]) == (False, False)


async def test_after_a_rotation_the_newest_version_signs(session: VaultSession, admin: Admin, mount: str) -> None:
    signer = TransitSigner(session, await make(admin, mount, "ecdsa-p256"), "ES256")
    before = await token(signer)
    await admin.api.write_data(f"{mount}/keys/ecdsa-p256/rotate")
    after = await token(signer)
    first, second = [await public(admin, mount, "ecdsa-p256", version) for version in (1, 2)]
    assert verified(before, first, "ES256")
    assert verified(after, second, "ES256")
    with pytest.raises(BadSignatureError):
        verified(after, first, "ES256")


async def test_a_version_may_be_held_on_to_until_the_provider_knows_the_next_one(
    session: VaultSession, admin: Admin, mount: str
) -> None:
    path = await make(admin, mount, "ed25519")
    await admin.api.write_data(f"{mount}/keys/ed25519/rotate")
    held = await token(TransitSigner(session, path, "Ed25519", version=1))
    assert verified(held, await public(admin, mount, "ed25519", 1), "Ed25519")


async def test_a_version_that_there_is_not_is_told_and_no_outage(
    session: VaultSession, admin: Admin, mount: str
) -> None:
    """Vault answers 500, which would otherwise raise doubts about Vault itself."""
    error = await refusal(TransitSigner(session, await make(admin, mount, "ed25519"), "Ed25519", version=7))
    assert error.code is Code.SIGNING_KEY_UNUSABLE
    assert "was answered 500: the key has no such version, or it may sign no more" in error.detail
    assert session.trouble is None


async def test_a_key_of_another_type_is_refused_with_what_it_signs_with(
    session: VaultSession, admin: Admin, mount: str
) -> None:
    """Vault would sign all the same, and the provider would call it a wrong secret."""
    path = await make(admin, mount, "ecdsa-p256")
    error = await refusal(TransitSigner(session, path, "RS256"))
    assert error.code is Code.SIGNING_KEY_UNUSABLE
    assert error.detail == (
        f"the key {path} of Vault's transit engine is of type ecdsa-p256, which does not sign with RS256: "
        "set assertion.algorithm to ES256"
    )


@pytest.mark.parametrize("kind", ["aes256-gcm96", "chacha20-poly1305"])
async def test_a_key_that_signs_nothing_is_told_with_the_command_that_makes_one(
    session: VaultSession, admin: Admin, mount: str, kind: str
) -> None:
    error = await refusal(TransitSigner(session, await make(admin, mount, kind), "ES256"))
    assert error.code is Code.SIGNING_KEY_UNUSABLE
    assert f"is of type {kind}, which does not sign with ES256" in error.detail
    assert f"`bao write -f {mount}/keys/{kind} type=ecdsa-p256`" in error.detail


async def test_a_missing_key_is_told_with_the_command_that_makes_it_and_works_once_it_is_there(
    session: VaultSession, admin: Admin, mount: str
) -> None:
    signer = TransitSigner(session, f"{mount}/late", "Ed25519")
    error = await refusal(signer)
    assert error.code is Code.SIGNING_KEY_UNUSABLE
    command = f"bao write -f {mount}/keys/late type=ed25519"
    assert f"does not exist. Make a key with `{command}`" in error.detail
    await admin.cli(*command.split()[1:])
    assert await signer.sign(b"header.claims")


async def test_a_mount_that_is_not_there_is_told(session: VaultSession) -> None:
    error = await refusal(TransitSigner(session, "nowhere/key"))
    assert (error.code, "nowhere/key" in error.detail) == (Code.SIGNING_KEY_UNUSABLE, True)


async def test_a_derived_key_is_told_as_one_that_signs_no_jws(session: VaultSession, admin: Admin, mount: str) -> None:
    error = await refusal(TransitSigner(session, await make(admin, mount, "ed25519", derived=True), "Ed25519"))
    assert (error.code, "a derived one" in error.detail) == (Code.SIGNING_KEY_UNUSABLE, True)


async def test_an_algorithm_that_the_engine_has_not_is_told(session: VaultSession) -> None:
    error = await refusal(TransitSigner(session, "transit/key", "HS256"))
    assert error.code is Code.SIGNING_KEY_UNUSABLE
    assert "cannot sign with HS256; the engine can with RS256, " in error.detail


class TestWithAPolicyThatLetsItSignAndNothingElse:
    @pytest_asyncio.fixture
    async def visit(self, admin: Admin, mount: str) -> AsyncIterator[Any]:
        await make(admin, mount, "ecdsa-p256")
        needs = {f"{mount}/sign/ecdsa-p256": ("update",)}
        async with visiting(settings(admin.bao, await admin.token(stanza(needs)))) as visit:
            assert await TransitSigner(visit.session, f"{mount}/ecdsa-p256").needs() == needs
            yield visit

    async def test_what_needs_names_suffices_and_no_alarm_is_raised(self, visit: Any, admin: Admin, mount: str) -> None:
        signer = TransitSigner(visit.session, f"{mount}/ecdsa-p256", "ES256")
        key = await public(admin, mount, "ecdsa-p256")
        for _ in range(2):
            assert verified(await token(signer), key, "ES256")
        assert visit.told() == ["vault.login"]

    async def test_a_signature_of_the_wrong_size_is_not_sent_out(self, visit: Any, mount: str) -> None:
        error = await refusal(TransitSigner(visit.session, f"{mount}/ecdsa-p256", "RS256"))
        assert error.code is Code.SIGNING_KEY_UNUSABLE
        assert "made a signature of 64 bytes, which is none of RS256" in error.detail

    async def test_a_key_that_it_may_not_use_is_a_denial_with_the_policy_to_add(self, visit: Any, mount: str) -> None:
        error = await refusal(TransitSigner(visit.session, f"{mount}/other", "ES256"))
        assert error.code is Code.VAULT_DENIED
        assert f'path "{mount}/sign/other" {{ capabilities = ["update"] }}' in error.detail


async def test_what_is_signed_reaches_no_message(session: VaultSession, admin: Admin, mount: str) -> None:
    signer = TransitSigner(session, await make(admin, mount, "ed25519"), "Ed25519", version=7)
    with pytest.raises(RotationError) as caught:
        await signer.sign(json.dumps({"iss": "canary"}).encode())
    assert "canary" not in f"{caught.value!r}{caught.value.detail}"
    assert base64.b64encode(b'{"iss": "canary"}').decode() not in caught.value.detail
