"""No wake-up is ever lost: many credentials in virtual time, without the sentinel that would mend it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from rotator.core.errors import Code, RotationError
from rotator.core.model import CredentialSpec
from rotator.core.rotation import Rotation
from rotator.engine.dispatcher import Dispatcher
from rotator.engine.gate import Gate, Limits
from rotator.engine.gated import GatedEndpoint
from rotator.testing import (
    LoopClock,
    MemoryEndpoint,
    MemorySchedule,
    MemorySink,
    MemorySource,
    RecordingJournal,
    run_in_virtual_time,
)


@dataclass
class World:
    """Many credentials of one provider, with a schedule that rings in virtual time."""

    count: int
    lifetime: float
    limits: Limits = field(default_factory=Limits)

    def __post_init__(self) -> None:
        self.clock = LoopClock()
        self.journal = RecordingJournal()
        self.schedule = MemorySchedule(self.clock)
        self.gate = Gate("thx", self.limits)
        self.endpoint = MemoryEndpoint(self.clock, self.lifetime)
        self.endpoint.latency = 0.01
        self.sinks = [MemorySink(f"memory:{number}") for number in range(self.count)]

    def start(self) -> Dispatcher:
        dispatcher = Dispatcher(self.clock, self.schedule.plan, self.journal)
        self.schedule.dispatch = dispatcher.submit
        endpoint = GatedEndpoint(self.endpoint, self.gate, self.clock, dispatcher.provider_recovered)
        for number, sink in enumerate(self.sinks):
            spec = CredentialSpec(f"app-{number}", "thx", ())
            source = MemorySource(f"client-{number}")
            dispatcher.add(Rotation(spec, source, endpoint, [sink], self.clock, self.journal), self.gate)
        return dispatcher

    def unserved(self) -> list[str]:
        now = self.clock.now().wall
        return [sink.name for sink in self.sinks if sink.record is None or sink.record.expires_at <= now]


def test_nobody_is_unserved_in_ten_minutes_of_short_tokens() -> None:
    async def ten_minutes() -> list[str]:
        world = World(count=40, lifetime=20)
        dispatcher = world.start()
        await dispatcher.first_round()
        unserved: list[str] = []
        for _ in range(600):
            await asyncio.sleep(1)
            unserved += world.unserved()
        world.schedule.stop()
        await dispatcher.drain(1)
        return unserved

    assert run_in_virtual_time(ten_minutes()) == []


def test_the_first_round_of_more_than_the_rate_allows_ends_with_everybody_served() -> None:
    async def start() -> tuple[float, list[str]]:
        world = World(count=50, lifetime=600)
        dispatcher = world.start()
        await dispatcher.first_round()
        world.schedule.stop()
        await dispatcher.drain(1)
        return world.clock.now().elapsed, world.unserved()

    took, unserved = run_in_virtual_time(start())
    assert unserved == []
    assert 2.0 <= took <= 2.5


def test_after_an_outage_everybody_is_served_within_five_seconds_and_the_rate_h05() -> None:
    async def outage() -> tuple[list[str], int]:
        world = World(count=60, lifetime=60)
        dispatcher = world.start()
        await dispatcher.first_round()
        with world.endpoint.faults.on("mint", RotationError(Code.PROVIDER_UNREACHABLE, "nobody there")):
            await asyncio.sleep(200)
        before = len(world.endpoint.requests)
        await asyncio.sleep(5 + 60 / 20 * 1.05)
        world.schedule.stop()
        await dispatcher.drain(1)
        times = [at for at, _ in world.endpoint.requests[before:]]
        return world.unserved(), max(sum(at <= other < at + 1 for other in times) for at in times)

    unserved, peak = run_in_virtual_time(outage())
    assert unserved == []
    assert peak <= 20
