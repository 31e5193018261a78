"""Places that could not be asked a moment ago.

A thousand tokens may wait for one API. If each of them found out for itself that it hangs, they would hold up the
passes of all other credentials. So whoever finds a place away says so here, and everybody leaves it alone for a while;
then one goes first.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

from rotator.core.errors import Code, RotationError
from rotator.oauth.checks.check import unavailable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from rotator.core.ports import Clock

T = TypeVar("T")

PAUSE = 5.0
"""Seconds for which a place that did not answer is left alone, unless it asked for more (Retry-After)."""


class Outages:
    """What is known of the places that checks ask, shared by all credentials."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._away: dict[str, tuple[float, str]] = {}

    async def ask(self, place: str, work: Callable[[], Awaitable[T]]) -> T:
        """What `work` brings, unless `place` is known to be away.

        Args:
            place: Who is asked; equal for all that would find out the same.
            work: Asks. It raises VERIFY_UNAVAILABLE when the place does not answer, whoever wants to know.

        Raises:
            RotationError: VERIFY_UNAVAILABLE, and whatever `work` raises.
        """
        now = self._clock.now().elapsed
        until, known = self._away.get(place, (now, ""))
        if now < until:
            raise unavailable(known)
        if known:
            self._away[place] = (now + PAUSE, known)  # this one goes first
        try:
            answer = await work()
        except RotationError as error:
            if error.code is Code.VERIFY_UNAVAILABLE:
                self._note(place, error.detail, max(PAUSE, error.retry_after or 0.0))
            else:
                self._away.pop(place, None)
            raise
        except asyncio.CancelledError:
            self._note(place, f"{place} did not answer in time", PAUSE)
            raise
        self._away.pop(place, None)
        return answer

    def _note(self, place: str, detail: str, seconds: float) -> None:
        self._away[place] = (self._clock.now().elapsed + seconds, detail)
