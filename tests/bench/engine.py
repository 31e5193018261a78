"""What planning, ringing, mending, submitting and removing cost among 1,000, 10,000 and 100,000 credentials.

With the real APScheduler, schedule, sentinel and dispatcher, and with rotations that do nothing. Figures are processor
time of the one thread, so that what else runs on the machine hardly disturbs them.

.venv/bin/python -m tests.bench.engine
"""

from __future__ import annotations

import asyncio
import gc
import time
from typing import TYPE_CHECKING, NamedTuple

from rotator.core.model import CredentialSpec
from rotator.core.policy import Reason, Wait
from rotator.core.rotation import Rotation
from rotator.engine.clock import SystemClock, awake
from rotator.engine.dispatcher import Dispatcher
from rotator.engine.gate import Gate, Limits
from rotator.engine.schedule import Schedule
from rotator.engine.sentinel import Sentinel
from rotator.testing import LoopClock, MemoryEndpoint, MemorySink, MemorySource, RecordingJournal

if TYPE_CHECKING:
    from collections.abc import Callable

    from rotator.core.observation import Surroundings

SIZES = (1_000, 10_000, 100_000)
SAMPLE = 1_000
"""So many are planned, rung and removed at any size."""

TICKS = 50
"""So often it is mended."""

RATE = 500.0
"""Rings in a second, about as many as a hundred thousand credentials need."""

HOUR = 3600.0
FAR = 10 * HOUR


class Resting(Rotation):
    """A rotation whose passes find nothing to do for hours."""

    async def run(self, _: Surroundings) -> Wait:
        return Wait(self._clock.elapsed() + FAR, Reason.NOT_DUE)


class Costs(NamedTuple):
    """Microseconds, but for the last: milliseconds for which the loop had no turn while all were submitted."""

    plan: float
    ring: float
    mend: float
    submit: float
    remove: float
    stall: float


class Fleet:
    """Credentials that rest."""

    def __init__(self, count: int) -> None:
        self.clock = SystemClock()
        self.rung = 0
        self.schedule = Schedule(self._count, self.clock)
        journal = RecordingJournal()
        self.dispatcher = Dispatcher(self.clock, self.schedule.plan, journal)
        self.sentinel = Sentinel(self.clock, awake, self.schedule, self.dispatcher, journal)
        self.gate = Gate("thx", Limits())
        self.names = [f"app-{number}" for number in range(count)]
        endpoint = MemoryEndpoint(LoopClock())
        for name in self.names:
            parts = MemorySource(name), endpoint, [MemorySink()], self.clock, journal
            self.dispatcher.add(Resting(CredentialSpec(name, "thx", ()), *parts), self.gate)

    def _count(self, _: str, __: float) -> None:
        self.rung += 1

    def plan(self) -> int:
        """Plan a sample anew, later than all others."""
        for name in self.names[:SAMPLE]:
            self.schedule.plan(name, self.clock.elapsed() + 2 * FAR)
        return SAMPLE

    async def ring(self) -> int:
        """Have a sample ring, one after another, at the rate."""
        now = self.clock.elapsed()
        for number, name in enumerate(self.names[:SAMPLE]):
            self.schedule.plan(name, now + number / RATE)
        while self.rung < SAMPLE:  # noqa: ASYNC110  nothing is measured here but what rings
            await asyncio.sleep(0.1)
        return SAMPLE

    def mend(self) -> int:
        """Let the sentinel look at them, some times."""
        for _ in range(TICKS):
            self.sentinel.mend()
        return TICKS

    async def submit(self) -> int:
        """Have everybody pass."""
        self.dispatcher.submit_all()
        await self.dispatcher.idle()
        return len(self.names)

    async def remove(self) -> int:
        """Take out a sample."""
        for name in self.names[-SAMPLE // 2 :]:
            await self.dispatcher.remove(name)
            self.schedule.forget(name)
        return SAMPLE // 2


async def _each(work: Callable[[], object]) -> float:
    """Microseconds for one of what `work` does, with the turns of the loop that it causes."""
    began = time.thread_time()
    done = work()
    if asyncio.iscoroutine(done):
        done = await done
    for _ in range(3):
        await asyncio.sleep(0)
    assert isinstance(done, int)
    return (time.thread_time() - began) / done * 1e6


async def _longest_turn(stop: asyncio.Event) -> float:
    """Milliseconds of processor time between two turns of this task, the longest."""
    longest, before = 0.0, time.thread_time()
    while not stop.is_set():
        await asyncio.sleep(0)
        now = time.thread_time()
        longest, before = max(longest, now - before), now
    return longest * 1e3


async def _costs(count: int) -> Costs:
    fleet = Fleet(count)
    await fleet.dispatcher.first_round()
    gc.collect()
    gc.freeze()
    gc.disable()
    fleet.schedule.start()
    plan = await _each(fleet.plan)
    mend = await _each(fleet.mend)
    submit = await _each(fleet.submit)
    stop = asyncio.Event()
    watching = asyncio.create_task(_longest_turn(stop))
    await fleet.submit()
    stop.set()
    stall = await watching
    ring = await _each(fleet.ring)
    remove = await _each(fleet.remove)
    fleet.schedule.stop()
    await fleet.dispatcher.drain(1)
    gc.enable()
    return Costs(plan, ring, mend, submit, remove, stall)


def main() -> None:
    """Measure and print; last how many times as much it is among the most as among the fewest."""
    print(f"{'credentials':>11}" + "".join(f"{name:>10}" for name in Costs._fields))
    rows = []
    for count in SIZES:
        rows.append(asyncio.run(_costs(count)))
        print(f"{count:>11,}" + "".join(f"{cost:>10.1f}" for cost in rows[-1]), flush=True)
    ratios = (most / fewest for fewest, most in zip(rows[0], rows[-1], strict=True))
    print(f"{'times':>11}" + "".join(f"{ratio:>10.2f}" for ratio in ratios))


if __name__ == "__main__":
    main()
