"""JSON Web Tokens that a client signs to prove who it is, or whom it acts for (RFC 7521, RFC 7523, RFC 7515)."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import secrets
import ssl
from base64 import urlsafe_b64encode
from types import MappingProxyType
from typing import TYPE_CHECKING

from rotator.core.errors import Code, RotationError
from rotator.core.model import Secret

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rotator.core.model import ClientCredentials, Moment
    from rotator.core.ports import Signer

PRIVATE_KEY = "private_key"
"""The field of a client's document that holds one."""

_CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----")

LIFE, DRIFT = 270, 30
"""Seconds for which an assertion is good, and by which it is dated back, for a provider whose clock is behind ours.

Both together are the five minutes that common providers allow at most."""

PRIVATE_KEY_ALGORITHMS: Mapping[str, tuple[str, ...]] = {
    "RSA": ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    "EC": ("ES256", "ES384", "ES512"),
    "OKP": ("EdDSA", "Ed25519"),
}
"""What a key of each type (`kty`) can sign with (RFC 7518 section 3.1, RFC 8037 section 3.1); the first is the usual
one."""

ALGORITHMS = ("HS256", "HS384", "HS512", *(name for names in PRIVATE_KEY_ALGORITHMS.values() for name in names))
"""All that may be configured."""


class SharedKey:
    """A client secret as the key of an HMAC (RFC 7518 section 3.2); see `rotator.core.ports.Signer`."""

    def __init__(self, secret: Secret, algorithm: str) -> None:
        self.algorithm = algorithm
        self._secret = secret

    async def sign(self, payload: bytes) -> bytes:
        """See `rotator.core.ports.Signer`."""
        # Not by joserfc, which warns on standard error of secrets that it finds short.
        return hmac.digest(self._secret.reveal().encode(), payload, f"sha{self.algorithm.removeprefix('HS')}")


def signing_key(credentials: ClientCredentials, signer: Signer | None, algorithm: str) -> Signer:
    """What signs an assertion of the client: a key that is kept elsewhere, or the private key in its document.

    Raises:
        RotationError: SECRET_MALFORMED when there is none, or it does not fit the algorithm.
    """
    if signer is not None:
        return signer
    if PRIVATE_KEY not in credentials.further:
        raise RotationError(Code.SECRET_MALFORMED, f"the source holds no {PRIVATE_KEY}")
    return local_key(credentials.further[PRIVATE_KEY], algorithm)


def local_key(secret: Secret, algorithm: str) -> Signer:
    """A private key that is at hand; see `rotator.oauth.private_key.LocalKey`.

    Raises:
        RotationError: SECRET_MALFORMED when it is no private key, or none for that algorithm.
    """
    from rotator.oauth.private_key import LocalKey  # noqa: PLC0415  see `load_private_keys`

    return LocalKey(secret, algorithm)


def load_private_keys() -> None:
    """Load the code that `local_key` needs, for whoever will need it: no mint is to wait for that, or to fail by it.

    It is a tenth of what a start costs, and most configurations have no private keys.
    """
    import rotator.oauth.private_key  # noqa: F401, PLC0415  that it is loaded is all that is wanted


def thumbprint(certificate: Secret) -> str:
    """The SHA-256 of the first certificate in a PEM text, as a header names it (RFC 7515 section 4.1.8).

    Raises:
        RotationError: SECRET_MALFORMED when it holds none.
    """
    block = _CERTIFICATE.search(certificate.reveal())
    try:
        der = ssl.PEM_cert_to_DER_cert(block[0]) if block is not None else b""
    except ValueError:
        der = b""
    if not der:
        raise RotationError(Code.SECRET_MALFORMED, "the certificate is none: wanted X.509 in PEM")
    return urlsafe_b64encode(hashlib.sha256(der).digest()).decode().rstrip("=")


async def assertion(
    claims: Mapping[str, object],
    signer: Signer,
    key_id: str,
    now: Moment,
    further: Mapping[str, str] = MappingProxyType({}),
) -> Secret:
    """A signed assertion.

    Args:
        claims: Who says it of whom to whom: `iss`, `sub`, `aud`, and what else a provider wants.
        signer: The key.
        key_id: Its `kid`; empty for none.
        further: More of its header.
        now: The time. The claims `iat`, `exp` and `jti` are added (RFC 7523 section 3).

    Raises:
        RotationError: Whatever the signer raises.
    """
    issued = int(now.wall.timestamp()) - DRIFT
    # The random part keeps one assertion from being taken for a replay of another (RFC 7523 section 3, point 7).
    dated = {**claims, "iat": issued, "exp": issued + DRIFT + LIFE, "jti": secrets.token_urlsafe(16)}
    header = {"alg": signer.algorithm, "typ": "JWT", **({"kid": key_id} if key_id else {}), **further}
    signing_input = f"{_encoded(header)}.{_encoded(dated)}".encode()
    signature = urlsafe_b64encode(await signer.sign(signing_input)).decode().rstrip("=")
    return Secret(f"{signing_input.decode()}.{signature}")


def _encoded(part: Mapping[str, object]) -> str:
    return urlsafe_b64encode(json.dumps(part, separators=(",", ":")).encode()).decode().rstrip("=")
