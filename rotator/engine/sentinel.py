"""Watches the clocks and the schedule once a second: what a step, a suspend or a bug has upset is put right."""

from __future__ import annotations

import asyncio
from itertools import islice
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from rotator.core.model import Moment
    from rotator.core.ports import Clock, Journal
    from rotator.engine.dispatcher import Dispatcher

TICK = 1.0
"""Seconds between two looks."""

STEP = 2.0
"""Seconds by which the clocks may part in one tick before it counts; NTP slews by less than a millisecond."""

HELD_UP = 2.0
"""Seconds by which a tick may be late; beyond that APScheduler was held up with it, and gets until the next tick."""

SWEPT = 1000
"""Credentials that are gone through in one tick: of a hundred thousand, each is within two minutes."""


class Book(Protocol):
    """Of a schedule, what the sentinel looks after."""

    def is_planned(self, name: str) -> bool:
        """Whether a wake-up of this credential is to come."""

    def unplanned(self) -> Collection[str]:
        """The credentials that have been woken up and not been planned anew since."""

    def overdue(self) -> list[str]:
        """The credentials whose wake-up should have come some seconds ago."""

    def replan(self) -> None:
        """Lay every wake-up anew, on clocks that have changed and on an alarm clock that may have stopped."""


class Sentinel:
    """Looks after the schedule.

    Args:
        clock: Time.
        monotonic: A clock that stands still during suspend: the event loop's own.
        schedule: Laid anew when the wall clock was set or the machine slept.
        dispatcher: Its credentials must each be planned or busy.
        journal: Told `clock.stepped`, `clock.resumed` and `schedule.mended`.

    Attributes:
        ticked_at: When it last looked, on the elapsed clock: it tells whether the loop makes progress.
        awake_at: The same on `monotonic`.
        advanced_at: When the elapsed clock was last seen to go on, on `monotonic`.
        turned_at: When the wall clock was last seen to show another time, on `monotonic`.
        steps: How often the wall clock has been set.
    """

    def __init__(
        self,
        clock: Clock,
        monotonic: Callable[[], float],
        schedule: Book,
        dispatcher: Dispatcher,
        journal: Journal,
    ) -> None:
        self.ticked_at = clock.now().elapsed
        self.awake_at = self.advanced_at = self.turned_at = monotonic()
        self.steps = 0
        self._clock = clock
        self._monotonic = monotonic
        self._schedule = schedule
        self._dispatcher = dispatcher
        self._journal = journal
        self._unswept: list[str] = []

    async def run(self) -> None:
        """Watch until cancelled."""
        before, awake_before = self._clock.now(), self._monotonic()
        while True:
            await asyncio.sleep(TICK)
            now, awake = self._clock.now(), self._monotonic()
            self.compare(before, now, awake - awake_before)
            if now.elapsed - before.elapsed < TICK + HELD_UP:
                self.mend()
            self.ticked_at, self.awake_at = now.elapsed, awake
            if now.elapsed > before.elapsed:
                self.advanced_at = awake
            if now.wall != before.wall:
                self.turned_at = awake
            before, awake_before = now, awake

    def compare(self, before: Moment, now: Moment, awake: float) -> None:
        """Re-plan when, between two moments, the wall clock was set or the machine slept.

        Args:
            before: The earlier moment.
            now: The later one.
            awake: Seconds that passed in between on a clock that stands still during suspend.
        """
        passed = now.elapsed - before.elapsed
        step = (now.wall - before.wall).total_seconds() - passed
        slept = passed - awake
        if abs(step) > STEP:
            self.steps += 1
            self._journal.event("clock.stepped", step_s=round(step, 3))
        if slept > STEP:
            self._journal.event("clock.resumed", slept_s=round(slept, 3))
            self._dispatcher.slept(slept)
        if abs(step) > STEP or slept > STEP:
            self._schedule.replan()
            self._dispatcher.submit_all(clock_was_set=abs(step) > STEP)

    def mend(self) -> None:
        """Submit every credential that is neither planned nor busy: a wake-up of it has been lost.

        Those that were woken up and are to be planned anew are asked each time, all others in turn. When wake-ups are
        overdue, APScheduler has stopped ringing, and the schedule gets another one.
        """
        overdue = self._schedule.overdue()
        asked = [*islice(self._schedule.unplanned(), SWEPT), *self._sweep()]
        suspects = [*overdue, *(name for name in asked if not self._schedule.is_planned(name))]
        for name in self._dispatcher.resting(dict.fromkeys(suspects)):
            self._journal.event("schedule.mended", credential=name)
            self._dispatcher.submit(name)
        if overdue:
            self._schedule.replan()

    def _sweep(self) -> list[str]:
        """The next of all credentials."""
        if not self._unswept:
            self._unswept = self._dispatcher.names()
        swept = self._unswept[-SWEPT:]
        del self._unswept[-SWEPT:]
        return swept
