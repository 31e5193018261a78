"""The public keys of an authorization server, and what is signed with them (RFC 7515, RFC 7517).

Only signatures that a public key can check are taken: `none` proves nothing, and of an HMAC "checked" with a public key
anybody could have made the signature (RFC 8725 section 2.1).
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from joserfc import jws
from joserfc.errors import JoseError, UnsupportedAlgorithmError
from joserfc.jwk import RSAKey

from rotator.core.errors import RotationError
from rotator.oauth.answer import LONGEST_TOKEN, OK, json_object
from rotator.oauth.assertions import PRIVATE_KEY_ALGORITHMS
from rotator.oauth.checks.check import refused, unavailable
from rotator.oauth.discovery import KEYS
from rotator.oauth.private_key import KINDS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from joserfc.jwa import JWSAlgModel
    from joserfc.jwk import Key

    from rotator.core.ports import Clock
    from rotator.oauth.answer import Answer
    from rotator.oauth.checks.outages import Outages
    from rotator.oauth.provider import Provider

ALLOWED = frozenset(name for names in PRIVATE_KEY_ALGORITHMS.values() for name in names)
"""Algorithms of signatures; nothing that a token says of itself adds to them."""

LIFE, AGAIN = 3600.0, 60.0
"""Seconds for which keys are good, and between two readings at least, whatever tokens come along."""


class _Registry(jws.JWSRegistry):
    """As joserfc has it, for tokens of the size that ours may have; headers of their own are not looked at."""

    max_header_length = max_payload_length = max_signature_length = LONGEST_TOKEN

    def get_alg(self, name: str) -> JWSAlgModel:
        """One of `ALLOWED`; without the warning that joserfc has for EdDSA, which got another name in RFC 9864."""
        if name not in ALLOWED:
            raise UnsupportedAlgorithmError(name)
        return self.algorithms[name]


_REGISTRY = _Registry(strict_check_header=False)

_KINDS = {kind.key_type: kind for kind in KINDS}
_SHORTEST = 342
"""Digits of base64url: 2048 bits, the least that an RSA key may have (RFC 7518 section 3.3)."""


class _Known(NamedTuple):
    """Keys, and when they were read, on the elapsed clock."""

    keys: tuple[Key, ...]
    read_at: float


class Keys:
    """What is known of the keys of one authorization server, shared by all its credentials.

    Args:
        provider: The server.
        outages: Shared by all checks.
        clock: Time.
    """

    def __init__(self, provider: Provider, outages: Outages, clock: Clock) -> None:
        self._provider = provider
        self._outages = outages
        self._clock = clock
        self._known: _Known | None = None
        self._reading = asyncio.Lock()

    async def payload(self, token: str) -> bytes:
        """What a signed token says.

        A key that is not known may be a new one: they are read anew for it, but not within a minute of the last time.

        Raises:
            RotationError: VERIFY_REFUSED when none of the keys has signed it; VERIFY_UNAVAILABLE when the keys could
                not be read, or not yet.
        """
        algorithm, key_id = _header(token)
        known = await self._fresh(LIFE, or_old=True)
        found = _signed(token, known.keys)
        if found is None:
            before, known = known, await self._fresh(AGAIN)
            found = _signed(token, known.keys)
            if found is None and known is before and not any(key.kid == key_id for key in known.keys):
                ahead = known.read_at + AGAIN - self._clock.now().elapsed
                raise unavailable(
                    f"the token is signed with a key that the provider did not have when its keys were last read; they "
                    f"are read again in {max(ahead, 0):.0f} s"
                )
        if found is None:
            raise refused(f"the signature of the token ({algorithm}) is by none of the keys of its provider")
        return found

    async def _fresh(self, life: float, *, or_old: bool = False) -> _Known:
        """Keys that were read no longer ago than this, or as long ago as it may be when there are no others."""
        async with self._reading:
            known = self._known
            if known is not None and self._clock.now().elapsed - known.read_at < life:
                return known
            try:
                keys = await self._outages.ask(f"the keys of {self._provider.audience}", self._read)
            except RotationError:
                if known is None or not or_old:
                    raise
                return known
            self._known = _Known(keys, self._clock.now().elapsed)
            return self._known

    async def _read(self) -> tuple[Key, ...]:
        try:
            answer = await self._provider.get(await self._provider.url(KEYS), "the keys at")
            if answer.status != OK:
                raise unavailable(f"{answer.where} answered with status {answer.status}; wanted 200", answer.wait)
            return read_keys(answer)
        except RotationError as error:
            raise unavailable(error.detail, error.retry_after) from None


def read_keys(answer: Answer) -> tuple[Key, ...]:
    """The keys in a JSON Web Key Set that can check a signature (RFC 7517 section 5); others are left out.

    Raises:
        RotationError: VERIFY_UNAVAILABLE when there is none; ANSWER_NOT_JSON, ANSWER_CONTRADICTORY.
    """
    listed = json_object(answer).get("keys")
    keys = tuple(key for one in (listed if isinstance(listed, list) else ()) if (key := _key(one)) is not None)
    if not keys:
        raise unavailable(f"{answer.where} answered with no key of type RSA, EC or OKP that can check a signature")
    return keys


def _key(said: object) -> Key | None:
    if not isinstance(said, dict):
        return None
    kind = _KINDS.get(str(said.get("kty")))
    if kind is None or (kind is RSAKey and len(str(said.get("n"))) < _SHORTEST):
        return None
    try:
        return kind.import_key(said)
    except (JoseError, ValueError, TypeError, KeyError):
        return None  # one that we do not understand: RFC 7517 section 5 has us leave it out


def _header(token: str) -> tuple[str, str | None]:
    """Which algorithm and which key a token says that it is signed with.

    Raises:
        RotationError: VERIFY_REFUSED when it is no signed token, or not signed with one of `ALLOWED`.
    """
    said: dict[str, object] | None = None
    with suppress(JoseError, ValueError, TypeError, RecursionError):  # their text may hold the token
        said = jws.extract_compact(token.encode(), registry=_REGISTRY).headers()
    if said is None:
        raise refused("the token is no JSON Web Token that is signed (RFC 7519): claims cannot be looked at")
    algorithm, key_id = said.get("alg"), said.get("kid")
    if not isinstance(algorithm, str) or algorithm not in ALLOWED:
        raise refused(f"the token is not signed with one of {', '.join(sorted(ALLOWED))}, and no other proves anything")
    return algorithm, key_id if isinstance(key_id, str) else None


def _signed(token: str, keys: Sequence[Key]) -> bytes | None:
    """What the token says, if one of the keys has signed it; joserfc asks whether a key is for that algorithm and use.

    All of them are tried: there are few, and some servers name none in their tokens.
    """
    for key in keys:
        with suppress(JoseError, ValueError, TypeError):
            return jws.deserialize_compact(token, key, registry=_REGISTRY).payload
    return None
