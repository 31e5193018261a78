"""A start, or the time after an outage, that lasts longer than the shortest tokens live: who has one keeps one."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import pytest

from rotator.core.model import ClientCredentials, CredentialSpec
from rotator.core.rotation import Rotation
from rotator.engine.dispatcher import PASSES, Dispatcher
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

SHORT, LONG = 40.0, 1200.0
"""Seconds that tokens live."""

FEW = 20


class SlowSource(MemorySource):
    """A source in a Vault that has much to do."""

    def __init__(self, client_id: str, takes: float) -> None:
        super().__init__(client_id)
        self._takes = takes

    async def read(self) -> ClientCredentials:
        await asyncio.sleep(self._takes)
        return await super().read()


@dataclass
class Start:
    """A few credentials with short tokens and many with long ones, behind one gate, none of which has a token yet."""

    many: int
    limits: Limits
    takes: float = 0.0
    clock: LoopClock = field(default_factory=LoopClock)
    journal: RecordingJournal = field(default_factory=RecordingJournal)

    def __post_init__(self) -> None:
        self.schedule = MemorySchedule(self.clock)
        self.dispatcher = Dispatcher(self.clock, self.schedule.plan, self.journal)
        self.schedule.dispatch = self.dispatcher.submit
        self.gate = Gate("thx", self.limits)
        self.endpoints = {life: MemoryEndpoint(self.clock, life) for life in (SHORT, LONG)}
        for number in range(FEW):
            self._add(f"short-{number}", SHORT)
        for number in range(self.many):
            self._add(f"long-{number}", LONG)

    def _add(self, name: str, life: float) -> None:
        endpoint = GatedEndpoint(self.endpoints[life], self.gate, self.clock, self.dispatcher.provider_recovered)
        spec = CredentialSpec(name, "thx", (), recheck_interval=LONG)
        source, sinks = SlowSource(name, self.takes), [MemorySink(f"memory:{name}")]
        self.dispatcher.add(Rotation(spec, source, endpoint, sinks, self.clock, self.journal), self.gate)

    async def end(self) -> None:
        self.schedule.stop()
        await self.dispatcher.drain(1)


RATE = Limits(5, 1.0, 8)
"""The few need 0.9 renewals in a second."""

SLOW = 4.0
"""Seconds for a look, `PASSES` of which are under way at once."""


@pytest.mark.parametrize(
    ("many", "limits", "takes"),
    [
        pytest.param(600, RATE, 0.0, id="a provider's rate"),
        pytest.param(25 * PASSES, Limits(1000, 1.0, 1000), SLOW, id="a slow Vault"),
    ],
)
def test_no_renewal_expires_in_a_start_that_lasts_longer_than_a_life_r03(
    many: int, limits: Limits, takes: float
) -> None:
    async def start() -> tuple[list[dict[str, object]], float, int]:
        world = Start(many, limits, takes)
        await world.dispatcher.first_round()
        took, asked = world.clock.elapsed(), len(world.endpoints[SHORT].requests)
        await asyncio.sleep(SHORT)
        await world.end()
        return world.journal.named("token.expired"), took, asked

    expired, took, renewed = run_in_virtual_time(start())
    assert expired == []
    assert took > 2 * SHORT
    assert renewed > 2 * FEW, "they were renewed again and again meanwhile"
