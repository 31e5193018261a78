"""A private key in Vault's transit engine as a signer (https://openbao.org/api-docs/secret/transit/#sign-data).

The key never leaves Vault, which is asked once per signature.
"""

from __future__ import annotations

import binascii
from base64 import b64encode, urlsafe_b64decode
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from rotator.core.errors import Code, RotationError
from rotator.vault.answers import NotFoundError, malformed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rotator.vault.answers import Document
    from rotator.vault.policies import Needs
    from rotator.vault.session import VaultSession

RSA = ("rsa-2048", "rsa-3072", "rsa-4096")


@dataclass(frozen=True, slots=True)
class Scheme:
    """How the engine is asked for signatures of one algorithm.

    Attributes:
        types: Of keys that can make them.
        sizes: The fewest and the most bytes that a signature has.
        asking: What is sent beside the input.
    """

    types: tuple[str, ...]
    sizes: tuple[int, int]
    asking: Mapping[str, str] = field(default_factory=dict)


def _rsa(bits: int, scheme: str) -> Scheme:
    # RFC 7518 section 3.5: a salt as long as the hash. Vault's own choice is the longest that fits.
    asking = {"hash_algorithm": f"sha2-{bits}", "signature_algorithm": scheme, "salt_length": "hash"}
    return Scheme(RSA, (256, 512), asking)


def _ecdsa(bits: int, curve: str, size: int) -> Scheme:
    return Scheme((f"ecdsa-{curve}",), (size, size), {"hash_algorithm": f"sha2-{bits}"})


SCHEMES: Mapping[str, Scheme] = {
    **{f"RS{bits}": _rsa(bits, "pkcs1v15") for bits in (256, 384, 512)},
    **{f"PS{bits}": _rsa(bits, "pss") for bits in (256, 384, 512)},
    "ES256": _ecdsa(256, "p256", 64),
    "ES384": _ecdsa(384, "p384", 96),
    "ES512": _ecdsa(512, "p521", 132),
    "EdDSA": Scheme(("ed25519",), (64, 64)),
    "Ed25519": Scheme(("ed25519",), (64, 64)),
}
"""What the engine can sign of RFC 7518 section 3.1, RFC 8037 section 3.1 and RFC 9864 section 2.2."""


class TransitSigner:
    """A key of the transit engine; see `rotator.core.ports.Signer`.

    Args:
        session: How Vault is asked.
        path: Mount and name of the key: `transit/rotator`.
        algorithm: One of `SCHEMES`.
        version: Of the key; 0 for the newest. A key that was rotated signs with the newest at once, which a provider
            may not know yet.
    """

    def __init__(self, session: VaultSession, path: str, algorithm: str = "RS256", version: int = 0) -> None:
        self.algorithm = algorithm
        self.session = session
        self._path = path
        self._mount, _, self._name = path.rpartition("/")
        self._version = version
        self._scheme = SCHEMES.get(algorithm)
        self._fits = False

    async def sign(self, payload: bytes) -> bytes:
        """See `rotator.core.ports.Signer`.

        Raises:
            RotationError: SIGNING_KEY_UNUSABLE when there is no such key or it makes other signatures; VAULT_*.
        """
        if self._scheme is None:
            raise self._unusable(f"cannot sign with {self.algorithm}; the engine can with {', '.join(SCHEMES)}")
        await self._check_type(self._scheme)
        body = {
            **self._scheme.asking,
            "input": b64encode(payload).decode(),
            "marshaling_algorithm": "jws",
            "prehashed": False,
            "key_version": self._version,
        }
        try:
            answer = await self.session.call(
                lambda client: client.adapter.post(self._url("sign"), json=body), await self.needs()
            )
        except RotationError as error:
            if isinstance(error, NotFoundError) or error.code is Code.VAULT_REFUSED:
                raise self._unusable(f"does not sign: {error.detail}. {self._cure()}") from None
            raise
        return self._signature(answer, self._scheme)

    async def needs(self) -> Needs:
        """What signing needs from the policies. Reading the key tells a wrong type early, and may be denied."""
        return {f"{self._mount}/sign/{self._name}": ("update",)}

    async def _check_type(self, scheme: Scheme) -> None:
        """See once that the key makes such signatures: Vault signs with what it has, and the provider would refuse."""
        if self._fits:
            return
        try:
            # Nothing is said to be needed, so that a denial is no alarm.
            document = await self.session.call(lambda client: client.adapter.get(self._url("keys")), {})
        except RotationError as error:
            if isinstance(error, NotFoundError):
                raise self._unusable(f"does not exist. {self._cure()}") from None
            if error.code is not Code.VAULT_DENIED:
                raise
        else:
            self._refuse_other_types(scheme, document.get("data"))
        self._fits = True

    def _refuse_other_types(self, scheme: Scheme, key: Any) -> None:
        match key:
            case {"type": str() as found} if found not in scheme.types:
                fitting = [name for name, other in SCHEMES.items() if found in other.types]
                cure = f"set assertion.algorithm to {' or '.join(fitting)}" if fitting else self._cure()
                raise self._unusable(f"is of type {found}, which does not sign with {self.algorithm}: {cure}")
            case {"type": str()}:
                return
            case _:
                raise malformed(f"the answer about the key {self._path} does not tell its type")

    def _signature(self, answer: Document, scheme: Scheme) -> bytes:
        match answer.get("data"):
            case {"signature": str() as text}:
                encoded = text.rpartition(":")[2]
            case _:
                raise malformed(f"the answer about a signature by {self._path} holds none")
        try:
            signature = urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4))
        except (binascii.Error, ValueError):
            signature = b""
        least, most = scheme.sizes
        if not least <= len(signature) <= most:
            raise self._unusable(
                f"made a signature of {len(signature)} bytes, which is none of {self.algorithm}: "
                "set assertion.algorithm to what its type signs with"
            )
        return signature

    def _url(self, operation: str) -> str:
        return f"/v1/{quote(self._mount)}/{operation}/{quote(self._name, safe='')}"

    def _cure(self) -> str:
        kind = self._scheme.types[0] if self._scheme is not None else RSA[0]
        return f"Make a key with `bao write -f {self._mount}/keys/{self._name} type={kind}`, or name another"

    def _unusable(self, what: str) -> RotationError:
        return RotationError(Code.SIGNING_KEY_UNUSABLE, f"the key {self._path} of Vault's transit engine {what}")
