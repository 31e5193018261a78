"""Tokens that have to stand checks before they are published."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rotator.core import policy
from rotator.core.errors import Code, RotationError
from rotator.core.model import EARLIEST_RENEWAL

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rotator.core.model import ClientCredentials, Grant
    from rotator.core.ports import Clock, TokenEndpoint
    from rotator.oauth.checks.check import Check

WITHIN = 10.0
"""Seconds for all checks of a token together; a pass waits for them."""

SLACK = 1.0
"""Seconds by which a token is kept longer than is said, so that whoever comes for it in time does not miss it."""


@dataclass(frozen=True, slots=True)
class _Kept:
    """A token that waits for its checks, and until when it is worth it, on the elapsed clock."""

    credentials: ClientCredentials
    grant: Grant
    until: float

    def serves(self, credentials: ClientCredentials, now: float) -> bool:
        """Whether it is what somebody with these credentials would get: the same document, whatever the secret."""
        mine = (self.credentials.client_id, self.credentials.version)
        return mine == (credentials.client_id, credentials.version) and now < self.until + SLACK


class VerifyingEndpoint:
    """A token endpoint whose tokens have stood every check; see `rotator.core.ports.TokenEndpoint`.

    A token that could not be checked is kept, and checked at the next attempt instead of asking for another: a provider
    may count them. It is kept until a token of its age would be renewed at the earliest, so that checks that fail for
    hours cost no more tokens than checks that are passed; not beyond its end; and not for other credentials. A token
    that is refused is dropped. What is kept is lost with this object: a restart, or another configuration of the
    credential, asks for a new one.

    It has its place outside all that counts requests to the provider, which checks are not, and outside what stores a
    refresh token, which must not wait for them.

    Args:
        endpoint: Where tokens are minted.
        checks: In the order in which they are made.
        clock: Time.
        share: Of the life, after which the credential's tokens are renewed; see `CredentialSpec.renewal_share`.
    """

    __slots__ = ("_checks", "_clock", "_endpoint", "_kept", "_share")

    def __init__(
        self, endpoint: TokenEndpoint, checks: Sequence[Check], clock: Clock, share: float = EARLIEST_RENEWAL
    ) -> None:
        self._endpoint = endpoint
        self._checks = checks
        self._clock = clock
        self._share = share
        self._kept: _Kept | None = None

    async def mint(self, credentials: ClientCredentials) -> Grant:
        """See `rotator.core.ports.TokenEndpoint`; VERIFY_UNAVAILABLE says until when the token is kept."""
        kept = self._kept
        if kept is None or not kept.serves(credentials, self._clock.elapsed()):
            self._kept = None
            kept = self._kept = self._keep(credentials, await self._endpoint.mint(credentials))
        try:
            grant = await self._verified(kept)
        except RotationError as error:
            if error.code is Code.VERIFY_UNAVAILABLE:
                later = error.retry_after
                raise RotationError(error.code, error.detail, retry_after=later, kept_until=kept.until) from None
            self._kept = None
            raise
        self._kept = None
        return grant

    def _keep(self, credentials: ClientCredentials, grant: Grant) -> _Kept:
        young = min(policy.shortest_interval(self._share, grant.lifetime), grant.lifetime)
        return _Kept(credentials, grant, grant.issued.elapsed + young)

    async def _verified(self, kept: _Kept) -> Grant:
        grant, asking = kept.grant, ""
        try:
            async with asyncio.timeout(WITHIN):
                for check in self._checks:
                    asking = check.name
                    grant = await check.verify(kept.credentials, grant)
        except TimeoutError:
            late = True
        else:
            late = False
        if late:
            raise RotationError(Code.VERIFY_UNAVAILABLE, f"{asking} had not ended when {WITHIN:g} s were over")
        return grant
