"""Watches the clocks and the schedule once a second: what a step, a suspend or a bug has upset is put right."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from rotator.core.model import Moment
    from rotator.core.ports import Clock, Journal
    from rotator.engine.dispatcher import Dispatcher

TICK = 1.0
"""Seconds between two looks."""

STEP = 2.0
"""Seconds by which the clocks may part in one tick before it counts; NTP slews by less than a millisecond."""

HELD_UP = 2.0
"""Seconds by which a tick may be late; beyond that APScheduler was held up with it, and gets until the next tick."""


class Book(Protocol):
    """Of a schedule, what the sentinel looks after."""

    def is_planned(self, name: str) -> bool:
        """Whether a wake-up of this credential is to come; one that is overdue is not."""

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
            for rotation in self._dispatcher.rotations():
                rotation.clock_was_set()
        if slept > STEP:
            self._journal.event("clock.resumed", slept_s=round(slept, 3))
            self._dispatcher.slept(slept)
        if abs(step) > STEP or slept > STEP:
            self._schedule.replan()
            self._dispatcher.submit_all()

    def mend(self) -> None:
        """Submit every credential that is neither planned nor busy: a wake-up of it has been lost.

        The schedule is laid anew as well: when APScheduler has stopped ringing, it is overdue wake-ups that tell.
        """
        names = [rotation.spec.name for rotation in self._dispatcher.rotations()]
        lost = [name for name in names if not self._schedule.is_planned(name) and not self._dispatcher.is_busy(name)]
        for name in lost:
            self._journal.event("schedule.mended", credential=name)
            self._dispatcher.submit(name)
        if lost:
            self._schedule.replan()
