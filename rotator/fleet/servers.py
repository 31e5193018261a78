"""The authorization servers of a configuration, each with the gate before it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import TYPE_CHECKING

from rotator.engine.gate import Gate
from rotator.oauth.provider import Provider
from rotator.settings import translate

if TYPE_CHECKING:
    from rotator.core.ports import Clock, Journal
    from rotator.oauth.checks.commons import Commons
    from rotator.oauth.checks.keys import Keys
    from rotator.settings.model import Settings
    from rotator.settings.providers import Provider as ProviderSection


@dataclass(frozen=True)
class Server:
    """An authorization server and the gate before it."""

    section: ProviderSection
    provider: Provider
    gate: Gate
    commons: Commons
    clock: Clock
    turn: asyncio.Semaphore = field(default_factory=partial(asyncio.Semaphore, 1))
    """Who has it may revoke a token there."""

    @cached_property
    def keys(self) -> Keys:
        """What is known of its keys; asked for when a credential is put up whose tokens' signatures are checked."""
        from rotator.oauth.checks.keys import Keys  # noqa: PLC0415  a tenth of what a start costs, and few need it

        return Keys(self.provider, self.commons.outages, self.clock)


class Servers:
    """The authorization servers of one rotator.

    Args:
        clock: Time.
        journal: Where events are told.
        commons: What all checks share.

    Attributes:
        named: The servers, by name.
    """

    def __init__(self, clock: Clock, journal: Journal, commons: Commons) -> None:
        self.named: dict[str, Server] = {}
        self._clock = clock
        self._journal = journal
        self._commons = commons

    def replace(self, settings: Settings) -> list[Provider]:
        """Take over a configuration; what it does not have any more, or otherwise, is to be closed by the caller."""
        before = self.named
        self.named = {
            name: before[name] if name in before and before[name].section == section else self._server(name, section)
            for name, section in settings.providers.items()
        }
        for name, server in self.named.items():
            if name in before:
                server.gate.inherit(before[name].gate)
        return [server.provider for name, server in before.items() if self.named.get(name) is not server]

    async def close(self) -> None:
        """Close every connection."""
        for server in self.named.values():
            await server.provider.close()

    def tell_quota(self, gate: Gate) -> None:
        """Tell that a quota is nearly used up, if that is news."""
        spent = gate.spent(self._clock.now().elapsed)
        if spent is not None:
            quota, used = spent
            self._journal.event(
                "provider.quota",
                provider=gate.provider,
                used=used,
                limit=quota.count,
                span_s=quota.span,
                cure="Raise renew_at, or keep fewer credentials with this provider; `rotator check` reckons with it.",
            )

    def _server(self, name: str, section: ProviderSection) -> Server:
        provider = Provider(translate.provider(section), self._clock)
        return Server(section, provider, Gate(name, translate.limits(section)), self._commons, self._clock)
