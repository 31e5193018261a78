"""Places that could not be asked a moment ago.

Thousands of tokens may wait for one API. If each of them found out for itself that it hangs, they would hold up the
passes of all other credentials; and when it is back, it would meet them all at once. So whoever finds a place away says
so here, and everybody leaves it alone for a while; then one goes first. The others are told when to come, one by one.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from rotator.core.errors import Code, RotationError
from rotator.core.observation import NEVER
from rotator.oauth.checks.check import unavailable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from rotator.core.ports import Clock

T = TypeVar("T")

PAUSE = 5.0
"""Seconds for which a place that did not answer is left alone, unless it asked for more (Retry-After)."""

SPACING = 0.01
"""Seconds between two that were told to come again: a hundred in a second, however many wait."""


@dataclass(slots=True)
class _Away:
    """A place that did not answer.

    Attributes:
        until: When somebody may ask again, on the elapsed clock.
        detail: What is told meanwhile.
        turn: For when the last one who came was told to come again.
    """

    until: float
    detail: str
    turn: float = NEVER

    def next_turn(self, now: float) -> float:
        """Seconds until the next one may come again."""
        self.turn = max(self.turn, self.until) + SPACING
        return self.turn - now


class Outages:
    """What is known of the places that checks ask, shared by all credentials."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._away: dict[str, _Away] = {}

    async def ask(self, place: str, work: Callable[[], Awaitable[T]]) -> T:
        """What `work` brings, unless `place` is known to be away.

        Args:
            place: Who is asked; equal for all that would find out the same.
            work: Asks. It raises VERIFY_UNAVAILABLE when the place does not answer, whoever wants to know.

        Raises:
            RotationError: VERIFY_UNAVAILABLE, which says when to come again; and whatever else `work` raises.
        """
        now = self._clock.now().elapsed
        away = self._away.get(place)
        if away is not None:
            if now < away.until:
                raise unavailable(away.detail, away.next_turn(now))
            away.until = now + PAUSE  # this one goes first
        try:
            answer = await work()
        except RotationError as error:
            if error.code is not Code.VERIFY_UNAVAILABLE:
                self._away.pop(place, None)
                raise
            later = self._note(place, error.detail, max(PAUSE, error.retry_after or 0.0))
            raise unavailable(error.detail, later) from None
        except asyncio.CancelledError:
            self._note(place, f"{place} did not answer in time", PAUSE)
            raise
        self._away.pop(place, None)
        return answer

    def _note(self, place: str, detail: str, seconds: float) -> float:
        """Remember that it is away; seconds until the one who found out may come again."""
        now = self._clock.now().elapsed
        away = self._away.setdefault(place, _Away(now, detail))
        away.until, away.detail = now + seconds, detail
        return away.next_turn(now)
