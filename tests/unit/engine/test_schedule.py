"""The alarm clock, with the real APScheduler in real time; every wait ends with a ring or with its deadline."""

from __future__ import annotations

import asyncio
import threading
from datetime import timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio

from rotator.core.model import Moment
from rotator.engine.clock import SystemClock
from rotator.engine.schedule import BEAT, HANDFUL, LATE, PAUSE, Schedule
from rotator.testing import FakeClock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from contextvars import Context
    from datetime import datetime

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

    def __init__(self, beat: timedelta = BEAT) -> None:
        self.clock = SetClock()
        self.schedule = Schedule(self._rang, self.clock, beat)
        self.rung: list[str] = []
        self._changed = asyncio.Event()

    def _rang(self, name: str, _: float) -> None:
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
    schedule = Schedule(lambda *_: rung.set_result(threading.current_thread()), clock)
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


async def test_a_ring_that_is_on_its_way_when_it_is_stopped_does_not_arrive() -> None:
    stopped, other = Bell(), Bell()
    stopped.schedule.start()
    other.schedule.start()
    stopped.plan("a", 0)
    asyncio.get_running_loop().call_soon(stopped.schedule.stop)  # after APScheduler has rung
    other.plan("b", SOON)
    await other.rings(1)
    other.schedule.stop()
    assert stopped.rung == []


async def test_whoever_has_rung_and_is_never_planned_anew_rings_again_after_a_beat_r07() -> None:
    bell = Bell(beat=timedelta(seconds=SOON))
    bell.schedule.start()
    bell.plan("a", 0)
    assert await bell.rings(3) == ["a", "a", "a"]
    bell.schedule.stop()


async def test_who_is_planned_while_a_ring_is_still_on_its_way_is_not_put_off_r07(bell: Bell) -> None:
    def plan() -> None:
        bell.plan("a", 0)
        bell.plan("b", -3600)  # APScheduler is to ring once more, before its last ring has arrived

    bell.plan("a", 0)
    asyncio.get_running_loop().call_soon(plan)  # after APScheduler has rung
    assert await bell.rings(2) == ["b", "a"]


async def test_whoever_has_rung_is_told_of_until_it_is_planned_anew_or_forgotten_r07(bell: Bell) -> None:
    for name in ("a", "b", "c"):
        bell.plan(name, 0)
    await bell.rings(3)
    before = list(bell.schedule.unplanned())
    bell.plan("b", 3600)
    bell.schedule.forget("c")
    assert (before, list(bell.schedule.unplanned())) == (["a", "b", "c"], ["a"])


async def test_of_many_dates_in_the_same_instant_a_handful_rings_before_the_loop_has_its_turn_h04(bell: Bell) -> None:
    at = bell.clock.now().elapsed + SOON
    for number in range(3 * HANDFUL):
        bell.schedule.plan(str(number), at)
    seen = [0]
    while seen[-1] < 3 * HANDFUL:
        await asyncio.sleep(0)
        seen.append(len(bell.rung))
    assert max(later - earlier for earlier, later in pairwise(seen)) == HANDFUL
    assert bell.clock.now().elapsed - at < 1


async def test_dates_that_follow_one_another_closely_ring_together_and_hardly_later(bell: Bell) -> None:
    first = bell.clock.now().elapsed + SOON
    late: list[float] = []
    schedule = Schedule(lambda _, date: late.append(schedule.rang_at - date), bell.clock)
    schedule.start()
    for number in range(500):
        schedule.plan(str(number), first + number * PAUSE / 100)
    rang = set()
    async with asyncio.timeout(DEADLINE):
        while len(late) < 500:
            rang.add(schedule.rang_at)
            await asyncio.sleep(0)
    schedule.stop()
    assert len(rang) < 2 + 500 / 100 * 2
    assert sorted(late)[250] < 2 * PAUSE


def test_a_date_that_should_have_rung_5_s_ago_is_overdue_whatever_apscheduler_says_r07() -> None:
    clock = FakeClock()
    schedule = Schedule(lambda *_: None, clock)
    for name, after in (("b", 20.0), ("a", 10.0), ("c", 30.0)):
        schedule.plan(name, clock.now().elapsed + after)
    overdue = []
    for seconds in (10 + LATE, 0.1, 10.0, 1000.0):
        clock.advance(seconds)
        overdue.append(sorted(schedule.overdue()))
    assert overdue == [[], ["a"], ["a", "b"], ["a", "b", "c"]]


class ForgetfulLoop(asyncio.SelectorEventLoop):
    """A loop on which APScheduler's timer never rings while `forgets` holds."""

    forgets = True

    def call_later(  # type: ignore[override]  # typeshed's variadic generics are not repeated here
        self, delay: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        its_own = callback.__module__.startswith("apscheduler")
        return super().call_later(3600.0 if its_own and self.forgets else delay, callback, *args, context=context)


def test_an_alarm_clock_whose_timer_died_is_replaced_when_the_dates_are_laid_anew_r07() -> None:
    async def mended() -> tuple[list[str], list[str]]:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, ForgetfulLoop)
        bell = Bell()
        bell.schedule.start()
        bell.plan("a", SOON)
        await asyncio.sleep(3 * SOON)
        before = bell.rung[:]
        loop.forgets = False
        bell.schedule.replan()
        await bell.rings(1)
        bell.plan("a", SOON)
        after = await bell.rings(2)
        bell.schedule.stop()
        return before, after

    with asyncio.Runner(loop_factory=ForgetfulLoop) as runner:
        assert runner.run(mended()) == ([], ["a", "a"])


class BrokenOnce:
    """A beat that cannot be added to a date the first time."""

    broken = True

    def total_seconds(self) -> float:
        return BEAT.total_seconds()

    def __radd__(self, date: datetime) -> datetime:
        if self.broken:
            self.broken = False
            raise OverflowError
        return date + BEAT


def test_an_alarm_clock_whose_trigger_raised_is_replaced_when_the_dates_are_laid_anew_r07() -> None:
    complaints = []

    async def mended() -> tuple[list[str], list[str]]:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context["exception"]))
        bell = Bell(beat=BrokenOnce())  # type: ignore[arg-type]  # its sum with a date and its seconds are asked for
        bell.schedule.start()
        bell.plan("a", SOON)
        bell.plan("b", 2 * SOON)
        await asyncio.sleep(4 * SOON)
        before = bell.rung[:]
        bell.schedule.replan()
        after = await bell.rings(2)
        bell.schedule.stop()
        return before, after

    with asyncio.Runner() as runner:
        assert runner.run(mended()) == ([], ["a", "b"])
    assert [type(error) for error in complaints] == [OverflowError]


def _exit(_: str, __: float) -> None:
    raise SystemExit(3)


def _fail(_: str, __: float) -> None:
    raise ZeroDivisionError


def test_what_ends_a_process_is_not_swallowed_by_apscheduler_r06() -> None:
    with asyncio.Runner() as runner, pytest.raises(SystemExit):
        runner.run(_ring_for(_exit))


def test_what_breaks_in_a_ring_reaches_the_handler_of_the_loop_r06() -> None:
    caught: list[BaseException] = []
    with asyncio.Runner() as runner:
        runner.get_loop().set_exception_handler(lambda _, context: caught.append(context["exception"]))
        runner.run(_ring_for(_fail))
    assert [type(error) for error in caught] == [ZeroDivisionError]


def test_what_breaks_in_the_ring_for_one_keeps_nobody_else_from_ringing_r06() -> None:
    rung: list[str] = []

    def due(name: str, _: float) -> None:
        rung.append(name)
        raise ZeroDivisionError

    with asyncio.Runner() as runner:
        runner.get_loop().set_exception_handler(lambda *_: None)
        runner.run(_ring_for(due, "a", "b", "c"))
    assert rung == ["a", "b", "c"]


async def _ring_for(due: Callable[[str, float], None], *names: str) -> None:
    schedule = Schedule(due, SystemClock())
    schedule.start()
    for name in names or ("a",):
        schedule.plan(name, 0.0)
    await asyncio.sleep(3 * SOON)
    schedule.stop()


async def test_it_tells_when_it_was_last_planned_and_when_it_last_rang(bell: Bell) -> None:
    started = bell.schedule.rang_at
    bell.plan("a", SOON)
    planned = bell.schedule.planned_at
    await bell.rings(1)
    assert started <= planned < bell.schedule.rang_at <= bell.clock.now().elapsed
