"""The tokens that are served: in memory, one for each credential, and gone when the process ends."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Container

    from rotator.core.model import TokenRecord
    from rotator.core.ports import Clock


class _Held(NamedTuple):
    """A record, and when its token ends, on the elapsed clock: a step of the wall clock changes no life."""

    record: TokenRecord
    expires: float


class Shelf:
    """Holds the freshest record of each credential.

    Args:
        clock: Time.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._held: dict[str, _Held] = {}
        self._news: dict[str, asyncio.Event] = {}

    def record(self, name: str) -> TokenRecord | None:
        """What is held for a credential; also when it has expired."""
        held = self._held.get(name)
        return None if held is None else held.record

    def fresh(self, name: str) -> TokenRecord | None:
        """What is held for a credential, as long as it has not expired."""
        held = self._held.get(name)
        return held.record if held is not None and self._clock.now().elapsed < held.expires else None

    def put(self, name: str, record: TokenRecord) -> TokenRecord:
        """Hold a record, unless a better one is held; the one that is held then."""
        held = self._held.get(name)
        if held is not None and held.record.stays_before(record):
            return held.record
        self._held[name] = _Held(record, record.token(self._clock.now()).expires)
        self._wake(name)
        return record

    def keep(self, names: Container[str]) -> None:
        """Forget those of all other credentials."""
        self._held = {name: held for name, held in self._held.items() if name in names}
        self.wake()

    def wake(self) -> None:
        """Let all who wait look again."""
        for name in list(self._news):
            self._wake(name)

    async def news(self, name: str, within: float) -> None:
        """Wait until there is something new about a credential, or so many seconds have passed."""
        event = self._news.setdefault(name, asyncio.Event())
        try:
            async with asyncio.timeout(within):
                await event.wait()
        except TimeoutError:
            return

    def _wake(self, name: str) -> None:
        event = self._news.pop(name, None)
        if event is not None:
            event.set()
