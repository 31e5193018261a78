"""Exchanging a token of somebody for one of another kind: the subject token is read when it is needed (RFC 8693)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rotator.core.model import ClientCredentials, Grant
    from rotator.core.ports import Source, TokenEndpoint


class ExchangingEndpoint:
    """A token endpoint that is asked with what another source holds; see `rotator.core.ports.TokenEndpoint`.

    A subject token often lives for minutes only. That it has changed does not make the tokens wrong that were got for
    the one before, so it has no part in a credential's inputs.

    Args:
        endpoint: Where tokens are minted.
        subject: Where the subject token is, and the actor token where there is one.
    """

    __slots__ = ("_endpoint", "_subject")

    def __init__(self, endpoint: TokenEndpoint, subject: Source) -> None:
        self._endpoint = endpoint
        self._subject = subject

    async def mint(self, credentials: ClientCredentials) -> Grant:
        """See `rotator.core.ports.TokenEndpoint`; what the source raises besides."""
        subject = await self._subject.read()
        return await self._endpoint.mint(replace(credentials, further={**credentials.further, **subject.further}))
