"""What `demo --break` does: a part goes wrong again and again, first briefly and then for longer than a token lives."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from itertools import cycle
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rotator.core.model import Moment
    from rotator.core.ports import Clock
    from rotator.demo.stage import Stage

QUIET = 0.75
"""Share of a token's life between two mishaps, and before the first."""

BRIEF, LONG = 0.4, 1.3
"""Shares of a life that mishaps last, by turns: nobody notices the first kind, the second one outlives every token."""

STEP = timedelta(hours=1)
"""How far the wall clock is set ahead."""

UNAVAILABLE = 503


class Part(StrEnum):
    """What goes wrong."""

    PROVIDER = "provider"
    VAULT = "vault"
    CLOCK = "clock"


class MovedClock:
    """A clock whose wall time can be set; the elapsed time goes on as it does."""

    def __init__(self, clock: Clock) -> None:
        self.ahead = timedelta()
        self._clock = clock

    def now(self) -> Moment:
        """See `rotator.core.ports.Clock`."""
        now = self._clock.now()
        return type(now)(now.wall + self.ahead, now.elapsed)

    def elapsed(self) -> float:
        """See `rotator.core.ports.Clock`."""
        return self._clock.elapsed()

    async def sleep(self, seconds: float) -> None:
        """See `rotator.core.ports.Clock`."""
        await self._clock.sleep(seconds)


@dataclass
class Mishap:
    """One part that goes wrong, and what is to be said of it.

    Attributes:
        part: Which one.
        stage: What it belongs to.
        clock: The daemon's.
        said: What goes on, for the screen.
    """

    part: Part
    stage: Stage
    clock: MovedClock
    said: str = ""

    async def run(self, lifetime: float) -> None:
        """Let it go wrong and right by turns, until cancelled."""
        for share in cycle((BRIEF, LONG)):
            await self._wait(QUIET * lifetime, f"all is well; {self._what()} in")
            await self._begin()
            try:
                await self._wait(share * lifetime, f"{self._what()} now, for")
            finally:
                await self._end()

    def _what(self) -> str:
        words = {
            Part.PROVIDER: "the provider answers 503",
            Part.VAULT: "Vault is sealed",
            Part.CLOCK: "the wall clock is an hour ahead",
        }
        return words[self.part]

    async def _wait(self, seconds: float, what: str) -> None:
        for left in range(round(seconds), 0, -1):
            self.said = f"{what} {left} s"
            await asyncio.sleep(1)

    async def _begin(self) -> None:
        if self.part is Part.PROVIDER:
            self.stage.provider.outage = UNAVAILABLE
        elif self.part is Part.VAULT:
            await self.stage.bao.seal()
        else:
            self.clock.ahead = STEP

    async def _end(self) -> None:
        if self.part is Part.PROVIDER:
            self.stage.provider.outage = None
        elif self.part is Part.VAULT:
            await self.stage.bao.unseal()
        else:
            self.clock.ahead = timedelta()
