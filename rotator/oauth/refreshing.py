"""Going on by a refresh token that is used once and never twice (RFC 6749 section 6, RFC 9700 section 4.14.2).

A server that rotates refresh tokens takes the second use of one for a theft and revokes all that came of the sign-in.
So before a refresh token is sent it is claimed, by check-and-set where it is stored; of two rotators one wins, and the
other takes over from the sinks what the winner gets. What the answer brings is stored before anything else is done with
it. See docs/adr/0019-refresh-tokens-are-claimed.md.
"""

from __future__ import annotations

import secrets
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from rotator.core.errors import Code, RotationError
from rotator.core.model import Consent
from rotator.oauth.grants import REFRESH_TOKEN

if TYPE_CHECKING:
    from datetime import datetime

    from rotator.core.model import ClientCredentials, Grant, Secret
    from rotator.core.ports import Clock, ConsentStore, Source, TokenEndpoint

CLAIM = 90.0
"""Seconds for which another's claim is respected, counted by our own clock from when it is first seen: longer than a
token request and a write to Vault may take together."""


KEEPING = 5
"""How often a new sign-in is written over what others write meanwhile; a refresh writes twice within seconds."""


async def keep_sign_in(store: ConsentStore, refresh_token: Secret, signed_in_at: datetime) -> Consent:
    """Store what a person has just agreed to, in place of any sign-in before.

    A rotator that refreshes the one before meanwhile must not cost the new one: its writes are written over, and it
    goes on with what it finds then.

    Raises:
        RotationError: SINK_FOREIGN; GRANT_CLAIMED when others write all the time; VAULT_*.
    """
    consent = Consent(refresh_token, secrets.token_hex(8), signed_in_at)
    for _ in range(KEEPING - 1):
        try:
            return await store.write(replace(consent, version=await store.vacant()))
        except RotationError as error:
            if error.code is not Code.GRANT_CLAIMED:
                raise
    return await store.write(replace(consent, version=await store.vacant()))


class Consented:
    """What a person agreed to, as one process goes on by it.

    Args:
        store: Where it is kept.
        clock: Time.
        name: Of the credential, for messages.

    Attributes:
        store: Where it is kept.
    """

    __slots__ = ("_clock", "_me", "_name", "_others", "_unsaved", "store")

    def __init__(self, store: ConsentStore, clock: Clock, name: str) -> None:
        self.store = store
        self._clock = clock
        self._name = name
        # A new one for each process: what a killed one was about is not known.
        self._me = secrets.token_hex(8)
        self._unsaved: Consent | None = None
        self._others: tuple[int, float] = (0, 0.0)

    async def login(self) -> str:
        """The name of the sign-in; what could not be stored before is stored now.

        Raises:
            RotationError: LOGIN_MISSING, SINK_FOREIGN, VAULT_*.
        """
        return (await self._current()).login

    async def close(self) -> None:
        """Store what could not be stored before, if it can be now."""
        if self._unsaved is not None:
            with suppress(RotationError):
                await self._save(self._unsaved)

    async def mint(self, credentials: ClientCredentials, endpoint: TokenEndpoint) -> Grant:
        """A token for the refresh token that is stored.

        A request whose answer was lost is made again with the same refresh token: either it was never used, or its
        successor is lost with the answer, and some servers accept it for a while all the same. No other way leads on.

        Raises:
            RotationError: LOGIN_MISSING; LOGIN_ENDED when the server does not accept it; GRANT_CLAIMED when another
                process uses it now; and whatever the endpoint raises.
        """
        claimed = await self._claim()
        sent = replace(credentials, further={**credentials.further, REFRESH_TOKEN: claimed.refresh_token})
        try:
            grant = await endpoint.mint(sent)
        except RotationError as error:
            if error.code is Code.INVALID_GRANT:
                raise await self._ended(claimed, error) from None
            raise
        await self._keep(replace(claimed, refresh_token=grant.refresh_token or claimed.refresh_token, claimed_by=""))
        return replace(grant, refresh_token=None)

    async def _current(self) -> Consent:
        """What is stored, or what should be: an answer that could not be stored yet comes first."""
        if self._unsaved is not None:
            await self._save(self._unsaved)
        stored = await self.store.read()
        if stored is None:
            raise RotationError(
                Code.LOGIN_MISSING, f"nobody has signed in for {self._name}: there is nothing at {self.store.place}"
            )
        return stored

    async def _claim(self) -> Consent:
        stored = await self._current()
        if stored.claimed_by not in {"", self._me} and not self._has_lapsed(stored):
            raise RotationError(
                Code.GRANT_CLAIMED, f"another rotator has claimed the refresh token at {self.store.place}"
            )
        # Written also where the claim is ours: whoever saw it lapse meanwhile has another version by now.
        return await self.store.write(replace(stored, claimed_by=self._me))

    def _has_lapsed(self, stored: Consent) -> bool:
        """Whether another's claim has stood unchanged for so long that its process must be gone."""
        now = self._clock.elapsed()
        version, since = self._others
        if version != stored.version:
            self._others = (stored.version, now)
            return False
        return now - since >= CLAIM

    async def _keep(self, consent: Consent) -> None:
        """Store what an answer brought. A store that is away costs no token: it is tried again at the next look."""
        self._unsaved = consent
        with suppress(RotationError):  # the next look tells what it was
            await self._save(consent)

    async def _save(self, consent: Consent) -> None:
        try:
            await self.store.write(consent)
        except RotationError as error:
            if error.code is not Code.GRANT_CLAIMED:
                raise
            # Somebody signed in anew, or took a claim of ours for lapsed: theirs is the newer one, or the same write
            # of ours, whose answer was lost.
        self._unsaved = None

    async def _ended(self, claimed: Consent, refused: RotationError) -> RotationError:
        """Why a refresh token is refused: because there is a newer one by now, or because all is over."""
        try:
            stored = await self.store.read()
        except RotationError:
            stored = None
        if stored is not None and stored.version != claimed.version:
            return RotationError(Code.GRANT_CLAIMED, f"there is a newer refresh token at {self.store.place}")
        when = f"{claimed.signed_in_at:%Y-%m-%d %H:%M} UTC"
        return RotationError(Code.LOGIN_ENDED, f"{refused.detail}; the sign-in for {self._name} was at {when}")


class ConsentedSource:
    """A source whose credentials count as others once somebody has signed in anew; see `rotator.core.ports.Source`."""

    __slots__ = ("_consented", "_source")

    def __init__(self, source: Source, consented: Consented) -> None:
        self._source = source
        self._consented = consented

    async def read(self) -> ClientCredentials:
        """See `rotator.core.ports.Source`; LOGIN_MISSING when nobody has signed in."""
        credentials = await self._source.read()
        return replace(credentials, version=f"{credentials.version}+{await self._consented.login()}")


class ConsentedEndpoint:
    """A token endpoint that is asked with the refresh token; see `rotator.core.ports.TokenEndpoint`."""

    __slots__ = ("_consented", "_endpoint")

    def __init__(self, endpoint: TokenEndpoint, consented: Consented) -> None:
        self._endpoint = endpoint
        self._consented = consented

    async def mint(self, credentials: ClientCredentials) -> Grant:
        """See `rotator.core.ports.TokenEndpoint`; LOGIN_MISSING, LOGIN_ENDED, GRANT_CLAIMED besides."""
        return await self._consented.mint(credentials, self._endpoint)
