"""An API that is away, whose tokens wait for it, beside credentials of the same provider that have no checks."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rotator.core.model import CredentialSpec
from rotator.core.rotation import Rotation
from rotator.engine.dispatcher import Dispatcher
from rotator.engine.gate import Gate, Limits
from rotator.engine.gated import GatedEndpoint
from rotator.oauth.checks.check import unavailable
from rotator.oauth.checks.outages import Outages
from rotator.oauth.verifying import VerifyingEndpoint
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
    from rotator.core.model import ClientCredentials, Grant

CHECKED, PLAIN = 120, 20
LIFE = 60.0


@dataclass
class Hanging:
    """A check at an API that hangs for five seconds, and then has not answered; later it does."""

    outages: Outages
    hangs: bool = True
    asked: int = 0
    name: str = "probe"

    async def verify(self, _: ClientCredentials, grant: Grant) -> Grant:
        await self.outages.ask("the API", self._ask)
        return grant

    async def _ask(self) -> None:
        self.asked += 1
        if self.hangs:
            await asyncio.sleep(5)
            raise unavailable("the API did not answer within 5 s")


@dataclass
class Scene:
    """All of them behind one gate with its usual limits."""

    clock: LoopClock = field(default_factory=LoopClock)
    journal: RecordingJournal = field(default_factory=RecordingJournal)

    def __post_init__(self) -> None:
        self.schedule = MemorySchedule(self.clock)
        self.dispatcher = Dispatcher(self.clock, self.schedule.plan, self.journal)
        self.schedule.dispatch = self.dispatcher.submit
        self.gate = Gate("thx", Limits())
        self.check = Hanging(Outages(self.clock))
        self.endpoints: dict[str, MemoryEndpoint] = {}
        for number in range(CHECKED):
            self._add(f"checked-{number}", checked=True)
        for number in range(PLAIN):
            self._add(f"plain-{number}", checked=False)

    def _add(self, name: str, *, checked: bool) -> None:
        self.endpoints[name] = MemoryEndpoint(self.clock, LIFE)
        gated = GatedEndpoint(self.endpoints[name], self.gate, self.clock, self.dispatcher.provider_recovered)
        endpoint = VerifyingEndpoint(gated, [self.check], self.clock) if checked else gated
        spec = CredentialSpec(name, "thx", ())
        sinks = [MemorySink(f"memory:{name}")]
        self.dispatcher.add(Rotation(spec, MemorySource(), endpoint, sinks, self.clock, self.journal), self.gate)

    def served(self, kind: str) -> int:
        now = self.clock.now().elapsed
        rotations = self.dispatcher.rotations()
        return sum(one.served_until > now for one in rotations if one.spec.name.startswith(kind))

    def expired(self, kind: str) -> int:
        return sum(str(fields["credential"]).startswith(kind) for fields in self.journal.named("token.expired"))

    def requests(self, kind: str) -> int:
        return sum(len(endpoint.requests) for name, endpoint in self.endpoints.items() if name.startswith(kind))


def test_r08_who_has_no_checks_is_served_while_hundreds_wait_for_an_api_that_hangs() -> None:
    async def story() -> None:
        scene = Scene()
        await asyncio.sleep(60)
        assert scene.served("plain") == PLAIN
        for _ in range(10):
            await asyncio.sleep(30)
            assert not scene.gate.in_outage
        assert (scene.served("plain"), scene.expired("plain")) == (PLAIN, 0)
        assert scene.served("checked") == 0
        assert scene.check.asked < 360 / 5, "one asks, the others know"
        most = 360 / (LIFE * 0.4) + 1
        assert scene.requests("checked") <= CHECKED * most, "waiting costs no more tokens than being served"
        scene.check.hangs = False
        await asyncio.sleep(40)
        assert scene.served("checked") == CHECKED
        await scene.dispatcher.drain(1)
        scene.schedule.stop()

    run_in_virtual_time(story())
