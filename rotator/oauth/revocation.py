"""Telling a provider that a token is not wanted any more (RFC 7009)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rotator.core.errors import Code, RotationError
from rotator.oauth.answer import OK, refused
from rotator.oauth.as_client import client_request
from rotator.oauth.discovery import REVOCATION

if TYPE_CHECKING:
    from rotator.core.model import ClientCredentials, Secret
    from rotator.core.ports import Clock, Source
    from rotator.oauth.endpoint import EndpointSettings
    from rotator.oauth.provider import Provider

NO_CONTENT = 204
"""Section 2.2 has 200; what else could a server that answers so have done."""


class Revocation:
    """The revocation endpoint as one credential sees it.

    Args:
        provider: The authorization server.
        settings: How the client proves itself.
        source: Where its credentials are; read each time, so that no secret is kept for this.
        clock: Time.
    """

    __slots__ = ("_clock", "_provider", "_settings", "_source")

    def __init__(self, provider: Provider, settings: EndpointSettings, source: Source, clock: Clock) -> None:
        self._provider = provider
        self._settings = settings
        self._source = source
        self._clock = clock

    async def revoke(self, token: Secret) -> None:
        """Have an access token end now. One that has ended already, or that nobody knows, counts as revoked.

        Raises:
            RotationError: PROVIDER_*, DISCOVERY_INVALID, an error code of RFC 6749 section 5.2; whatever the source
                raises.
        """
        credentials = await self._source.read()
        failure = None
        for one in credentials.attempts():
            failure = await self._ask(one, token)
            if failure is None or failure.code is not Code.INVALID_CLIENT:
                break
        if failure is not None:
            raise failure

    async def _ask(self, credentials: ClientCredentials, token: Secret) -> RotationError | None:
        form = [("token", token.reveal()), ("token_type_hint", "access_token")]
        request = await client_request(form, credentials, self._provider, self._settings, self._clock.now())
        answer = await self._provider.ask(request, REVOCATION)
        return None if answer.status in {OK, NO_CONTENT} else refused(answer)
