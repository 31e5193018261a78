"""The alarm clock, with the real APScheduler in real time; every wait ends with a ring or with its deadline."""

from __future__ import annotations

import asyncio
import threading
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest_asyncio

from rotator.core.model import Moment
from rotator.engine.clock import SystemClock
from rotator.engine.schedule import Schedule

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

SOON = 0.1
DEADLINE = 5.0


class SetClock(SystemClock):
    """The machine's clocks, with the wall clock set wrong by `wrong` seconds."""

    wrong = 0.0

    def now(self) -> Moment:
        now = super().now()
        return Moment(now.wall + timedelta(seconds=self.wrong), now.elapsed)


class Bell:
    """A schedule that rings, and who it rang for."""

    def __init__(self) -> None:
        self.clock = SetClock()
        self.schedule = Schedule(self._rang, self.clock)
        self.rung: list[str] = []
        self._changed = asyncio.Event()

    def _rang(self, name: str) -> None:
        self.rung.append(name)
        self._changed.set()

    def plan(self, name: str, after: float) -> float:
        """Plan a ring in `after` seconds; when that is."""
        at = self.clock.now().elapsed + after
        self.schedule.plan(name, at)
        return at

    async def rings(self, count: int) -> list[str]:
        """Who it rang for, once that are `count`."""
        async with asyncio.timeout(DEADLINE):
            while len(self.rung) < count:
                self._changed.clear()
                await self._changed.wait()
        return self.rung


@pytest_asyncio.fixture
async def bell() -> AsyncIterator[Bell]:
    bell = Bell()
    bell.schedule.start()
    yield bell
    bell.schedule.stop()


async def test_it_rings_at_its_date_and_not_before(bell: Bell) -> None:
    at = bell.plan("a", 0.3)
    assert await bell.rings(1) == ["a"]
    assert -0.01 < bell.clock.now().elapsed - at < 1


async def test_it_rings_at_once_for_a_date_that_has_passed(bell: Bell) -> None:
    bell.plan("a", -3600)
    assert await bell.rings(1) == ["a"]


async def test_it_rings_in_the_order_of_the_dates(bell: Bell) -> None:
    bell.plan("later", 3 * SOON)
    bell.plan("sooner", SOON)
    assert await bell.rings(2) == ["sooner", "later"]


async def test_a_new_date_takes_the_place_of_the_old_one_be_it_sooner_or_later(bell: Bell) -> None:
    bell.plan("sooner", 3600)
    bell.plan("later", SOON)
    bell.plan("sooner", 2 * SOON)
    bell.plan("later", 4 * SOON)
    assert await bell.rings(2) == ["sooner", "later"]


async def test_what_is_forgotten_does_not_ring(bell: Bell) -> None:
    bell.plan("forgotten", SOON)
    bell.plan("after it", 2 * SOON)
    bell.schedule.forget("forgotten")
    assert not bell.schedule.is_planned("forgotten")
    assert await bell.rings(1) == ["after it"]


async def test_forgetting_what_was_never_planned_is_no_error(bell: Bell) -> None:
    bell.schedule.forget("nobody")
    assert not bell.schedule.is_planned("nobody")


async def test_it_is_planned_until_it_has_rung(bell: Bell) -> None:
    bell.plan("a", SOON)
    assert bell.schedule.is_planned("a")
    await bell.rings(1)
    assert not bell.schedule.is_planned("a")


async def test_whoever_has_rung_can_be_planned_again(bell: Bell) -> None:
    bell.plan("a", SOON)
    await bell.rings(1)
    bell.plan("a", SOON)
    assert await bell.rings(2) == ["a", "a"]


async def test_what_was_planned_before_the_start_rings_after_it() -> None:
    bell = Bell()
    bell.plan("a", 0)
    bell.plan("a", SOON)
    bell.schedule.start()
    assert await bell.rings(1) == ["a"]
    bell.schedule.stop()


async def test_it_rings_in_the_thread_of_the_loop() -> None:
    rung = asyncio.get_running_loop().create_future()
    clock = SystemClock()
    schedule = Schedule(lambda _: rung.set_result(threading.current_thread()), clock)
    schedule.start()
    schedule.plan("a", clock.now().elapsed)
    assert await asyncio.wait_for(rung, DEADLINE) is threading.current_thread()
    schedule.stop()


async def test_a_thousand_dates_in_the_same_instant_all_ring_h04_r08(bell: Bell) -> None:
    names = [str(number) for number in range(1000)]
    at = bell.clock.now().elapsed + SOON
    for name in names:
        bell.schedule.plan(name, at)
    assert sorted(await bell.rings(1000)) == sorted(names)


async def test_dates_beyond_every_calendar_are_planned_all_the_same(bell: Bell) -> None:
    bell.plan("never", float("inf"))
    bell.plan("always", float("-inf"))
    assert await bell.rings(1) == ["always"]
    assert bell.schedule.is_planned("never")


async def test_a_loop_that_was_held_up_past_a_date_rings_late_and_not_never_c10(bell: Bell) -> None:
    at = bell.plan("a", SOON)
    while bell.clock.now().elapsed < at + 1.2:
        pass  # the loop is held up for longer than the second that APScheduler forgives by default
    assert await bell.rings(1) == ["a"]


async def test_a_clock_set_back_an_hour_delays_nobody_once_the_dates_are_laid_anew_c02(bell: Bell) -> None:
    bell.clock.wrong = 3600.0
    bell.plan("a", SOON)
    bell.clock.wrong = 0.0
    bell.schedule.replan()
    assert await bell.rings(1) == ["a"]


async def test_a_clock_set_on_an_hour_rings_nobody_early_once_the_dates_are_laid_anew_c01(bell: Bell) -> None:
    bell.clock.wrong = -3600.0
    bell.plan("in an hour", 3600)
    bell.clock.wrong = 0.0
    bell.schedule.replan()
    bell.plan("soon", 2 * SOON)
    assert await bell.rings(1) == ["soon"]
    assert bell.schedule.is_planned("in an hour")


async def test_it_rings_no_more_once_it_is_stopped_and_may_be_stopped_again() -> None:
    stopped, other = Bell(), Bell()
    stopped.schedule.start()
    other.schedule.start()
    stopped.plan("a", SOON)
    stopped.schedule.stop()
    stopped.schedule.stop()
    other.plan("b", 2 * SOON)
    await other.rings(1)
    other.schedule.stop()
    assert stopped.rung == []
