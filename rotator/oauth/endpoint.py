"""A token endpoint as one credential sees it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from rotator.oauth.answer import Expectations
from rotator.oauth.client_auth import ClientAuthSettings
from rotator.oauth.grants import GRANTS, GrantParameters, ask_for

if TYPE_CHECKING:
    from rotator.core.model import ClientCredentials, Grant
    from rotator.core.ports import Clock
    from rotator.oauth.provider import Provider


@dataclass(frozen=True, slots=True)
class EndpointSettings:
    """What one credential asks its provider for, and how its client proves itself.

    Attributes:
        parameters: What is asked for.
        client_auth: How the client proves itself.
        assertion_audience: Whom its assertions are for; empty for what the provider has.
        expected: What an answer is held against.
    """

    parameters: GrantParameters = field(default_factory=GrantParameters)
    client_auth: ClientAuthSettings = field(default_factory=ClientAuthSettings)
    assertion_audience: str = ""
    expected: Expectations = field(default_factory=Expectations)


class HttpTokenEndpoint:
    """A token endpoint as one credential sees it; see `rotator.core.ports.TokenEndpoint`."""

    __slots__ = ("_clock", "_provider", "_settings")

    def __init__(self, provider: Provider, settings: EndpointSettings, clock: Clock) -> None:
        self._provider = provider
        self._settings = settings
        self._clock = clock

    async def mint(self, credentials: ClientCredentials) -> Grant:
        """See `rotator.core.ports.TokenEndpoint`."""
        now = self._clock.now()
        audience = self._settings.assertion_audience or self._provider.audience
        asked = self._settings.parameters
        request = await ask_for(credentials, asked, self._settings.client_auth, audience, now)
        issued = self._clock.now()
        answer = await self._provider.ask(request)
        grant = GRANTS[asked.grant].read(answer, self._settings.expected, issued)
        # A scope is shown and stored where no secret belongs, and servers have been seen to echo (P44).
        sent = {secret.reveal() for secret in (*credentials.secrets, *credentials.further.values())}
        return replace(grant, scope="") if sent & set(grant.scope.split()) else grant
