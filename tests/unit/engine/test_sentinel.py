"""What watches the clocks and the schedule: a step, a suspend and a lost plan are put right."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from rotator.core import policy
from rotator.core.model import CredentialSpec, Moment
from rotator.core.observation import NEVER
from rotator.core.rotation import Rotation
from rotator.engine.clock import SystemClock
from rotator.engine.dispatcher import Dispatcher
from rotator.engine.gate import Gate, Limits
from rotator.engine.line import Need
from rotator.engine.schedule import LATE, Schedule
from rotator.engine.sentinel import SWEPT, TICK, Sentinel
from rotator.testing import (
    LoopClock,
    MemoryEndpoint,
    MemorySchedule,
    MemorySink,
    MemorySource,
    RecordingJournal,
    run_in_virtual_time,
)

if TYPE_CHECKING:
    from rotator.core.ports import Clock

HOUR = 3600.0


class MovableClock(LoopClock):
    """A clock for virtual time that can also sleep through some of it: both its clocks go on, the loop's does not."""

    slept = 0.0

    def now(self) -> Moment:
        now = super().now()
        return Moment(now.wall + timedelta(seconds=self.slept), now.elapsed + self.slept)

    def elapsed(self) -> float:
        return self.now().elapsed


class Watch:
    """One credential, served, with a sentinel beside it. Its schedule keeps a book and is not started."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.journal = RecordingJournal()
        self.loop = asyncio.get_running_loop()
        self.schedule = Schedule(self._due, clock)
        self.dispatcher = Dispatcher(clock, self.schedule.plan, self.journal)
        self.sentinel = Sentinel(clock, self.loop.time, self.schedule, self.dispatcher, self.journal)
        self.endpoint = MemoryEndpoint(clock)  # type: ignore[arg-type]  # takes any clock; its own two are named there
        self.sink = MemorySink()
        self.gate = Gate("thx", Limits(10_000))
        self.source = MemorySource()

    def _due(self, name: str, planned: float) -> None:
        self.dispatcher.submit(name, planned)

    async def serve(self, *more: str) -> None:
        for name in ("billing", *more):
            spec = CredentialSpec(name, "thx", ())
            sinks = [self.sink if name == "billing" else MemorySink(f"memory:{name}")]
            rotation = Rotation(spec, self.source, self.endpoint, sinks, self.clock, self.journal)
            self.dispatcher.add(rotation, self.gate)
        await self.dispatcher.first_round()
        self.journal.events.clear()

    async def end(self) -> None:
        self.schedule.stop()
        await self.dispatcher.drain(1)

    @property
    def valid_for(self) -> float:
        """Seconds until what the sink says is the token's end, by today's wall clock."""
        assert self.sink.record is not None
        return (self.sink.record.expires_at - self.clock.now().wall).total_seconds()

    @property
    def told(self) -> list[str]:
        return [name for name, _ in self.journal.events]


@pytest.mark.parametrize("step", [pytest.param(HOUR, id="C01 an hour on"), pytest.param(-HOUR, id="C02 an hour back")])
def test_a_step_of_the_wall_clock_is_told_once_and_dates_the_sinks_anew_without_a_mint(step: float) -> None:
    async def watched() -> tuple[Watch, float]:
        clock = MovableClock()
        watch = Watch(clock)
        await watch.serve()
        running = asyncio.create_task(watch.sentinel.run())
        await asyncio.sleep(40)
        clock.step(step)
        await asyncio.sleep(10)
        running.cancel()
        valid_for = watch.valid_for
        await watch.end()
        return watch, valid_for

    watch, valid_for = run_in_virtual_time(watched())
    assert watch.journal.named("clock.stepped") == [{"step_s": pytest.approx(step, abs=0.01)}]
    assert watch.told == ["clock.stepped", "token.delivered"]
    assert valid_for == pytest.approx(600 - 50, abs=1.5)
    assert len(watch.endpoint.requests) == 1


def test_what_expired_while_the_machine_slept_is_minted_within_a_tick_of_its_waking_c04_c08() -> None:
    async def sleeping() -> tuple[Watch, float, float]:
        clock = MovableClock()
        watch = Watch(clock)
        await watch.serve()
        running = asyncio.create_task(watch.sentinel.run())
        await asyncio.sleep(10.5)
        clock.slept += 1200
        slept_until = clock.now().elapsed
        await asyncio.sleep(TICK + 0.1)
        running.cancel()
        valid_for = watch.valid_for
        await watch.end()
        return watch, watch.endpoint.requests[-1][0] - slept_until, valid_for

    watch, took, valid_for = run_in_virtual_time(sleeping())
    assert watch.journal.named("clock.resumed") == [{"slept_s": pytest.approx(1200, abs=0.01)}]
    assert watch.told == ["clock.resumed", "token.expired", "token.minted", "token.delivered"]
    assert took <= TICK
    assert valid_for > 598


@pytest.mark.parametrize("drift", [-1.9, 1.9, 0.0005])
def test_clocks_that_part_by_a_little_are_nothing_to_tell_c07(drift: float) -> None:
    async def slewed() -> tuple[list[str], int]:
        clock = MovableClock()
        watch = Watch(clock)
        await watch.serve()
        reads = watch.source.reads
        running = asyncio.create_task(watch.sentinel.run())
        await asyncio.sleep(10.5)
        clock.step(drift)
        await asyncio.sleep(10)
        running.cancel()
        await watch.end()
        return watch.told, watch.source.reads - reads

    assert run_in_virtual_time(slewed()) == ([], 0)


def test_a_lost_plan_is_mended_within_a_tick_and_told_once_r07() -> None:
    async def lost() -> tuple[Watch, bool, bool]:
        watch = Watch(MovableClock())
        await watch.serve()
        running = asyncio.create_task(watch.sentinel.run())
        watch.schedule.forget("billing")
        before = watch.schedule.is_planned("billing")
        await asyncio.sleep(TICK + 0.1)
        after = watch.schedule.is_planned("billing")
        await asyncio.sleep(10)
        running.cancel()
        await watch.end()
        return watch, before, after

    watch, before, after = run_in_virtual_time(lost())
    assert (before, after) == (False, True)
    assert watch.journal.events == [("schedule.mended", {"credential": "billing"})]


MANY = [f"app-{number}" for number in range(3 * SWEPT)]


def test_a_lost_plan_is_mended_among_thousands_once_its_turn_has_come_r07() -> None:
    async def lost() -> list[dict[str, object]]:
        watch = Watch(MovableClock())
        await watch.serve(*MANY)
        running = asyncio.create_task(watch.sentinel.run())
        for name in (MANY[0], MANY[len(MANY) // 2], MANY[-1]):
            watch.schedule.forget(name)
        await asyncio.sleep(4 * TICK + 0.1)
        running.cancel()
        await watch.end()
        return watch.journal.named("schedule.mended")

    told = run_in_virtual_time(lost())
    assert {str(fields["credential"]) for fields in told} == {MANY[0], MANY[len(MANY) // 2], MANY[-1]}
    assert len(told) == 3


async def test_a_wake_up_that_gets_lost_on_its_way_to_a_pass_is_mended_within_a_tick_among_thousands_r07() -> None:
    watch = Watch(SystemClock())
    await watch.serve(*MANY)
    rung = asyncio.Event()
    watch.schedule = Schedule(lambda *_: rung.set(), watch.clock)  # it rings, and nobody is submitted
    watch.sentinel = Sentinel(watch.clock, watch.loop.time, watch.schedule, watch.dispatcher, watch.journal)
    watch.schedule.start()
    for name in ("billing", *MANY):
        watch.schedule.plan(name, watch.clock.now().elapsed + HOUR)
    watch.schedule.plan("billing", 0.0)
    await asyncio.wait_for(rung.wait(), 5)
    watch.sentinel.mend()
    await watch.end()
    assert watch.journal.named("schedule.mended") == [{"credential": "billing"}]


def test_an_overdue_plan_counts_as_lost_and_its_credential_is_looked_at_r07() -> None:
    async def overdue() -> tuple[Watch, float, list[int]]:
        watch = Watch(MovableClock())  # its schedule is never started: nothing rings
        await watch.serve()
        started, reads = watch.clock.now().elapsed, [watch.source.reads]
        running = asyncio.create_task(watch.sentinel.run())
        # The first wake-up is the look at source and sinks.
        while not watch.told:  # noqa: ASYNC110  in virtual time, where looking costs nothing
            await asyncio.sleep(0.1)
        told_after = watch.clock.now().elapsed - started
        await asyncio.sleep(0.1)
        reads.append(watch.source.reads)
        running.cancel()
        await watch.end()
        return watch, told_after, reads

    watch, told_after, reads = run_in_virtual_time(overdue())
    interval = policy.look_interval(watch.dispatcher.rotations()[0].spec)
    assert watch.journal.events == [("schedule.mended", {"credential": "billing"})]
    assert interval + LATE < told_after <= interval + LATE + TICK + 0.1
    assert reads[1] == reads[0] + 1


class Overdue(MemorySchedule):
    """A schedule whose alarm clock has stopped, until it gets another."""

    replanned = 0

    def overdue(self) -> list[str]:
        return [] if self.replanned else ["billing"]

    def replan(self) -> None:
        self.replanned += 1


def test_an_alarm_clock_that_has_stopped_is_replaced_once_also_when_whoever_is_overdue_is_busy_r07() -> None:
    async def stopped() -> tuple[int, list[str]]:
        clock = MovableClock()
        watch = Watch(clock)
        schedule = Overdue(clock)
        sentinel = Sentinel(clock, watch.loop.time, schedule, watch.dispatcher, watch.journal)
        spec = CredentialSpec("billing", "thx", ())
        rotation = Rotation(spec, watch.source, watch.endpoint, [watch.sink], clock, watch.journal)
        watch.dispatcher.add(rotation, watch.gate)
        sentinel.mend()
        sentinel.mend()
        await watch.end()
        return schedule.replanned, [name for name in watch.told if name == "schedule.mended"]

    assert run_in_virtual_time(stopped()) == (1, [])


def test_a_schedule_that_was_held_up_together_with_the_sentinel_has_lost_nothing_c08_r07() -> None:
    async def held_up() -> list[str]:
        clock = MovableClock()
        watch = Watch(clock)
        loop = asyncio.get_running_loop()
        # The loop's clock goes on as well: nobody slept, the process just got no processor.
        watch.sentinel = Sentinel(
            clock, lambda: loop.time() + clock.slept, watch.schedule, watch.dispatcher, watch.journal
        )
        await watch.serve()
        running = asyncio.create_task(watch.sentinel.run())
        await asyncio.sleep(1.5)
        clock.slept += 240  # past a look, and short of a renewal
        await asyncio.sleep(TICK)
        told = watch.told[:]
        running.cancel()
        await watch.end()
        return told

    assert run_in_virtual_time(held_up()) == []


def test_it_tells_when_it_last_looked() -> None:
    async def ticking() -> tuple[float, float]:
        watch = Watch(MovableClock())
        running = asyncio.create_task(watch.sentinel.run())
        await asyncio.sleep(10.5)
        running.cancel()
        return watch.sentinel.ticked_at, watch.clock.now().elapsed

    ticked, now = run_in_virtual_time(ticking())
    assert 0 < now - ticked <= TICK


def test_whoever_waits_at_its_gate_has_not_been_lost() -> None:
    async def waiting() -> list[str]:
        watch = Watch(MovableClock())
        watch.gate.join("somebody", Need(0.0, 0.0))
        watch.gate = Gate("shut", Limits(1, 1e6, 1))
        watch.gate.join("ahead", Need(NEVER, NEVER))
        watch.gate.admit(0.0)
        spec = CredentialSpec("billing", "thx", ())
        rotation = Rotation(spec, watch.source, watch.endpoint, [watch.sink], watch.clock, watch.journal)
        watch.dispatcher.add(rotation, watch.gate)
        await asyncio.sleep(0.1)
        watch.schedule.forget("billing")
        watch.sentinel.mend()
        await watch.end()
        return watch.told

    assert run_in_virtual_time(waiting()) == []


class SetClock(SystemClock):
    """The machine's clocks, with the wall clock set wrong by `wrong` seconds."""

    wrong = 0.0

    def now(self) -> Moment:
        now = super().now()
        return Moment(now.wall + timedelta(seconds=self.wrong), now.elapsed)


async def test_a_wake_up_planned_before_the_clock_was_set_back_an_hour_is_not_an_hour_late_c02() -> None:
    clock, journal = SetClock(), RecordingJournal()
    rung = asyncio.Event()
    schedule = Schedule(lambda *_: rung.set(), clock)
    dispatcher = Dispatcher(clock, schedule.plan, journal)
    sentinel = Sentinel(clock, asyncio.get_running_loop().time, schedule, dispatcher, journal)
    schedule.start()
    clock.wrong = HOUR
    before = clock.now()
    schedule.plan("billing", before.elapsed + 0.1)
    clock.wrong = 0.0
    sentinel.compare(before, clock.now(), awake=0.0)
    await asyncio.wait_for(rung.wait(), 5)
    schedule.stop()
