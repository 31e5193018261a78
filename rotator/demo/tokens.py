"""Access tokens as the first provider makes them: signed with RS256, their claims and header in its order."""

from __future__ import annotations

import secrets
from functools import cache
from typing import TYPE_CHECKING, Any

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import RSAKey

if TYPE_CHECKING:
    from rotator.core.ports import Clock

ALGORITHM = "RS256"
KEY_BITS = 2048


class InvalidTokenError(Exception):
    """The token is not one of ours, or has expired; the text says which."""


@cache
def signing_key() -> RSAKey:
    """The key of this process; making one takes a tenth of a second, so there is one only."""
    return RSAKey.generate_key(KEY_BITS, {"use": "sig", "alg": ALGORITHM}, private=True, auto_kid=True)


def published_keys() -> dict[str, Any]:
    """The JWK set with the public half (RFC 7517 section 5)."""
    return {"keys": [signing_key().as_dict(private=False)]}


def issue(clock: Clock, issuer: str, client_id: str, scope: str, lifetime: int) -> str:
    """A new access token.

    Args:
        clock: Its wall time is the token's `iat`.
        issuer: `iss`.
        client_id: `aud`; the first provider puts the client there.
        scope: As granted.
        lifetime: Seconds from `iat` to `exp`.
    """
    now = int(clock.now().wall.timestamp())
    header = {"alg": ALGORITHM, "typ": "JWT", "kid": signing_key().kid}
    claims = {
        "jti": secrets.token_urlsafe(16),
        "iat": now,
        "exp": now + lifetime,
        "scope": scope,
        "iss": issuer,
        "aud": client_id,
    }
    return jwt.encode(header, claims, signing_key(), default_type=None)


def verify(clock: Clock, issuer: str, token: str) -> dict[str, Any]:
    """The claims of a token that `issue` made for this issuer and that has not expired.

    Raises:
        InvalidTokenError: Anything else.
    """
    try:
        claims = jwt.decode(token, signing_key(), algorithms=[ALGORITHM]).claims
    except (JoseError, ValueError):
        raise InvalidTokenError("the token is not signed by this server") from None
    if claims["iss"] != issuer:
        raise InvalidTokenError("the token is from another issuer")
    if claims["exp"] <= clock.now().wall.timestamp():
        raise InvalidTokenError("the token has expired")
    return claims
