"""Private keys among a client's credentials, in PEM or as JSON Web Keys (RFC 7517), and what is signed with them."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import TYPE_CHECKING

from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey, RSAKey, import_key
from joserfc.jws import JWSRegistry

from rotator.core.errors import Code, RotationError
from rotator.oauth.assertions import PRIVATE_KEY_ALGORITHMS

if TYPE_CHECKING:
    from joserfc.jwk import Key

    from rotator.core.model import Secret

KINDS: tuple[type[Key], ...] = (RSAKey, ECKey, OKPKey)

CURVES = {"P-256": "ES256", "P-384": "ES384", "P-521": "ES512"}
"""RFC 7518 section 3.4: a curve has one algorithm."""


class LocalKey:
    """A private key among the client's credentials, in PEM or as a JWK; see `rotator.core.ports.Signer`.

    Args:
        secret: The key.
        algorithm: Empty for the usual one of such a key.

    Raises:
        RotationError: SECRET_MALFORMED when it is no private key, or none for that algorithm.
    """

    def __init__(self, secret: Secret, algorithm: str = "") -> None:
        self._key = _private_key(secret)
        fitting = _algorithms(self._key)
        if algorithm and algorithm not in fitting:
            raise RotationError(
                Code.SECRET_MALFORMED,
                f"the private key cannot sign with {algorithm}, which assertion.algorithm asks for; "
                f"it can with {', '.join(fitting)}",
            )
        self.algorithm = algorithm or fitting[0]

    async def sign(self, payload: bytes) -> bytes:
        """See `rotator.core.ports.Signer`."""
        return JWSRegistry.algorithms[self.algorithm].sign(payload, self._key)


@lru_cache(maxsize=1024)
def _private_key(secret: Secret) -> Key:
    """The key in a secret; kept, for to check an RSA key takes many times as long as to sign with it."""
    text = secret.reveal().strip()
    key: Key | None = None
    try:
        parsed = import_key(json.loads(text)) if text.startswith("{") else _pem(text)
        key = parsed if isinstance(parsed, KINDS) and parsed.is_private else None
    except (ValueError, TypeError, KeyError, RecursionError, JoseError):
        pass  # what is raised below must not carry this one along: its text may hold the key
    if key is None:
        raise RotationError(
            Code.SECRET_MALFORMED,
            "the private key is none: wanted an unencrypted RSA, EC or Ed25519 key in PEM (PKCS #8), or a private JWK",
        )
    return key


def _pem(text: str) -> Key:
    for kind in KINDS:
        try:
            return kind.import_key(text)
        except (ValueError, TypeError, JoseError):
            continue
    raise ValueError("not a key")


def _algorithms(key: Key) -> tuple[str, ...]:
    curve = key.curve_name if isinstance(key, ECKey) else ""
    return (CURVES[curve],) if curve in CURVES else PRIVATE_KEY_ALGORITHMS[key.key_type]
