"""Whether a token says what it should: the claims of a JSON Web Token (RFC 7519 section 4.1, RFC 9068)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rotator.oauth.answer import Answer, fields_or_none, jwt_claims
from rotator.oauth.checks.check import refused

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rotator.core.model import ClientCredentials, Grant
    from rotator.oauth.checks.keys import Keys

LATE_START = 60.0
"""Seconds after its iat from which a token may be good; consumers get it at once."""


@dataclass(frozen=True, slots=True)
class Expected:
    """What claims are held against; what is empty is not looked at.

    Attributes:
        issuer: `iss`, to the letter.
        audience: One that `aud` has.
        scope: Each of these, space-separated, is in `scope` (RFC 9068 section 2.2.3), or in `scp`.
    """

    issuer: str = ""
    audience: str = ""
    scope: str = ""


def check_claims(claims: Mapping[str, object], expected: Expected) -> None:
    """Hold claims against what is expected, and their dates against each other.

    Our own clock has no part in it: iat, exp and nbf are all by the provider's, however much it differs (C05).

    Raises:
        RotationError: VERIFY_REFUSED. Its message shows what was wanted, and of what was found only its kind: a token
            may say of its bearer what no log should hold.
    """
    if expected.issuer and claims.get("iss") != expected.issuer:
        raise refused(f"the token's iss {_found(claims, 'iss')}; wanted {expected.issuer!r}, to the letter")
    if expected.audience and expected.audience not in _words(claims.get("aud"), split=False):
        raise refused(f"the token's aud {_found(claims, 'aud')}; wanted {expected.audience!r} in it")
    granted = _words(claims.get("scope")) | _words(claims.get("scp"))
    missing = sorted(set(expected.scope.split()) - granted)
    if missing:
        raise refused(f"the token's scope is without {' '.join(missing)!r}")
    _check_dates(claims)


def _check_dates(claims: Mapping[str, object]) -> None:
    begins, ends, good_from = (_date(claims, name) for name in ("iat", "exp", "nbf"))
    if begins is not None and ends is not None and ends <= begins:
        raise refused(f"the token ends {begins - ends:.0f} s before it was issued, by its own exp and iat")
    if good_from is not None and ends is not None and ends <= good_from:
        raise refused("the token is never good: its exp is not after its nbf")
    if good_from is not None and begins is not None and good_from - begins > LATE_START:
        raise refused(
            f"the token is good only {good_from - begins:.0f} s after it was issued, by its own nbf and iat; consumers "
            f"would be refused until then"
        )


def _date(claims: Mapping[str, object], name: str) -> float | None:
    said = claims.get(name)
    if said is None:
        return None
    if not isinstance(said, float) or not math.isfinite(said):
        raise refused(f"the token's {name} is no number of seconds (RFC 7519 section 2)")
    return said


def _words(said: object, *, split: bool = True) -> set[str]:
    """The words of a claim that is a text or a list of texts."""
    texts = said if isinstance(said, list) else [said]
    plain = [text for text in texts if isinstance(text, str)]
    return {word for text in plain for word in (text.split() if split else [text])}


def _found(claims: Mapping[str, object], name: str) -> str:
    return "is another one" if name in claims else "is missing"


class Claims:
    """Looks at what a token says of itself; see `rotator.oauth.checks.check.Check`.

    Args:
        expected: What it should say.
        keys: Those of its provider, one of which must have signed it; None to believe the token without.
    """

    name = "claims"

    def __init__(self, expected: Expected, keys: Keys | None) -> None:
        self._expected = expected
        self._keys = keys

    async def verify(self, _: ClientCredentials, grant: Grant) -> Grant:
        """See `rotator.oauth.checks.check.Check`."""
        token = grant.access_token.reveal()
        claims = (
            jwt_claims(token)
            if self._keys is None
            else fields_or_none(Answer(200, await self._keys.payload(token), "the token"))
        )
        if claims is None:
            raise refused("the token is no JSON Web Token (RFC 7519): claims cannot be looked at")
        check_claims(claims, self._expected)
        return grant
