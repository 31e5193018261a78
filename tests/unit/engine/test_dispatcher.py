"""Many credentials at once, in virtual time: who runs when, who waits for whom, and what is left when it stops."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from rotator.core import policy
from rotator.core.errors import Code, RotationError
from rotator.core.model import ClientCredentials, CredentialSpec, Moment, TokenRecord
from rotator.core.rotation import Rotation
from rotator.engine.dispatcher import PASSES, SLICE, Dispatcher
from rotator.engine.gate import Gate, Limits
from rotator.engine.gated import GatedEndpoint
from rotator.engine.passes import BROKEN_PAUSE
from rotator.testing import (
    EPOCH,
    LoopClock,
    MemoryEndpoint,
    MemorySchedule,
    MemorySink,
    MemorySource,
    RecordingJournal,
    run_in_virtual_time,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rotator.core.observation import Surroundings
    from rotator.core.policy import Wait

DOWN = RotationError(Code.PROVIDER_UNREACHABLE, "nobody there")
HOUR = 3600.0


class Provider:
    """An authorization server with its gate."""

    def __init__(self, name: str, clock: LoopClock, lifetime: float = 600.0, limits: Limits | None = None) -> None:
        self.gate = Gate(name, limits or Limits())
        self.endpoint = MemoryEndpoint(clock, lifetime)
        self.endpoint.latency = 0.01

    def requests_by_client(self) -> dict[str, list[float]]:
        times = defaultdict(list)
        for at, client_id in self.endpoint.requests:
            times[client_id].append(at)
        return times


class World:
    """A dispatcher with its surroundings. A credential, its client id and its sink share one name."""

    def __init__(self) -> None:
        self.clock = LoopClock()
        self.journal = RecordingJournal()
        self.schedule = MemorySchedule(self.clock)
        self.dispatcher = Dispatcher(self.clock, self.schedule.plan, self.journal)
        self.schedule.dispatch = self.dispatcher.submit
        self.sinks: dict[str, MemorySink] = {}

    def provider(self, name: str = "thx", lifetime: float = 600.0, limits: Limits | None = None) -> Provider:
        return Provider(name, self.clock, lifetime, limits)

    def add(
        self,
        name: str,
        provider: Provider,
        *,
        sink: MemorySink | None = None,
        source: MemorySource | None = None,
        kind: type[Rotation] = Rotation,
        recheck_interval: float = 60.0,
    ) -> None:
        self.sinks[name] = sink or MemorySink(f"memory:{name}")
        endpoint = GatedEndpoint(provider.endpoint, provider.gate, self.clock, self.dispatcher.provider_recovered)
        spec = CredentialSpec(name, provider.gate.provider, (), recheck_interval=recheck_interval)
        source = source or MemorySource(name)
        rotation = kind(spec, source, endpoint, [self.sinks[name]], self.clock, self.journal)
        self.dispatcher.add(rotation, provider.gate)

    async def end(self, grace: float = 5.0) -> bool:
        self.schedule.stop()
        return await self.dispatcher.drain(grace)

    def unserved(self, names: Iterable[str]) -> list[str]:
        now = self.clock.now().wall
        records = {name: self.sinks[name].record for name in names}
        return [name for name, record in records.items() if record is None or record.expires_at <= now]


def busiest(times: Iterable[float], count: int) -> float:
    """The shortest time in which more than `count` requests were sent."""
    ordered = sorted(times)
    return min(later - earlier for earlier, later in zip(ordered, ordered[count:], strict=False))


def test_a_thousand_credentials_mint_in_an_hour_what_the_policy_says_without_a_gap_and_within_the_rate_h04() -> None:
    names = [f"app-{number}" for number in range(1000)]

    async def hour() -> tuple[World, Provider]:
        world = World()
        provider = world.provider()
        for name in names:
            world.add(name, provider, recheck_interval=300.0)
        await asyncio.sleep(HOUR)
        await world.end()
        return world, provider

    world, provider = run_in_virtual_time(hour())
    assert busiest((at for at, _ in provider.endpoint.requests), 20) > 1.0
    assert provider.requests_by_client().keys() == set(names)
    late = []
    for name, times in provider.requests_by_client().items():
        due = renewals(name, times, world.sinks[name].history)
        late += [sent - expected for expected, sent in zip(due, [*times[1:], HOUR], strict=True)]
        assert all(sent - expected > -1e-6 for expected, sent in zip(due, times[1:], strict=False)), "never early"
    assert max(late) < 3.0, "and late by no more than a queue at the gate"


def renewals(name: str, sent: list[float], written: list[TokenRecord]) -> list[float]:
    """When each token of a credential is due to be renewed: of those sent for, all of which must have been written."""
    spec = CredentialSpec(name, "thx", ())
    tokens = [
        replace(record.token(Moment(EPOCH, 0.0)), issued=Moment(record.issued_at, at))
        for at, record in zip(sent, written, strict=True)
    ]
    return [policy.renewal_due(spec, token) for token in tokens]


def test_a_provider_that_hangs_delays_nobody_elses_credentials_r08() -> None:
    async def start() -> tuple[list[str], int, bool]:
        world = World()
        hung, well = world.provider("hung"), world.provider("well", limits=Limits(100, 1.0, 8))
        hung.endpoint.latency = 1e9
        for number in range(2 * PASSES):
            world.add(f"hung-{number}", hung)
        for number in range(100):
            world.add(f"well-{number}", well)
        await asyncio.sleep(2)
        unserved = world.unserved(f"well-{number}" for number in range(100))
        return unserved, len(hung.endpoint.requests), await world.end()

    unserved, asked, ended = run_in_virtual_time(start())
    assert unserved == []
    assert asked == Limits().max_in_flight
    assert not ended, "what hangs is cut off at the end of the grace"


def test_a_sink_is_served_while_the_mint_of_its_credential_waits_at_the_gate() -> None:
    async def wait() -> tuple[list[str], list[str]]:
        world = World()
        provider = world.provider(limits=Limits(1, 1000.0, 1))
        world.add("first", provider)
        await world.dispatcher.first_round()
        world.add("second", provider)
        world.sinks["first"].record = None
        world.dispatcher.submit("first")
        await asyncio.sleep(61)
        before = world.unserved(world.sinks)
        await world.end()
        return before, [name for name, fields in world.journal.events if fields["credential"] == "first"]

    unserved, told = run_in_virtual_time(wait())
    assert unserved == ["second"]
    assert told == ["token.minted", "token.delivered", "token.delivered"]


def test_after_an_outage_longer_than_a_life_whoever_expired_first_is_served_first_within_the_rate_h05() -> None:
    names = [f"app-{number:03}" for number in range(100)]
    outage = 1200.0

    async def recovery() -> tuple[list[tuple[float, str]], list[str], dict[str, float]]:
        world = World()
        provider = world.provider()
        for name in reversed(names):
            world.add(name, provider)
            await asyncio.sleep(1)
        with provider.endpoint.faults.on("mint", DOWN):
            await asyncio.sleep(outage)
        expired = {rotation.spec.name: rotation.served_until for rotation in world.dispatcher.rotations()}
        asked = len(provider.endpoint.requests)
        await asyncio.sleep(5 + len(names) / 20 * 1.05)
        unserved = world.unserved(names)
        await world.end()
        return provider.endpoint.requests[asked:], unserved, expired

    sent, unserved, expired = run_in_virtual_time(recovery())
    assert unserved == []
    assert len(sent) == len(names), "once each"
    assert busiest((at for at, _ in sent), 20) > 1.0
    order = [expired[name] for _, name in sent]
    assert order == sorted(order)


class Stumbling(Rotation):
    """A rotation whose second pass breaks in a way that nobody foresaw."""

    passes = 0

    async def run(self, around: Surroundings) -> Wait:
        self.passes += 1
        if self.passes == 1:
            raise ZeroDivisionError("CANARY")
        return await super().run(around)


def test_a_pass_that_breaks_is_told_of_and_tried_again_and_breaks_nobody_else() -> None:
    async def stumble() -> tuple[World, set[str], list[str], list[str]]:
        world = World()
        provider = world.provider()
        world.add("stumbling", provider, kind=Stumbling)
        world.add("steady", provider)
        await asyncio.sleep(BROKEN_PAUSE / 2)
        broken, early = set(world.dispatcher.broken), world.unserved(world.sinks)
        await asyncio.sleep(BROKEN_PAUSE / 2 + 1)
        late = world.unserved(world.sinks)
        await world.end()
        return world, broken, early, late

    world, broken, early, late = run_in_virtual_time(stumble())
    assert (broken, early) == ({"stumbling"}, ["stumbling"])
    assert (world.dispatcher.broken, late) == ({}, [])
    (told,) = world.journal.named("credential.broken")
    assert (told["credential"], told["error"]) == ("stumbling", "internal")
    assert "ZeroDivisionError" in str(told["detail"])
    assert "CANARY" not in str(told)


class SlowSink(MemorySink):
    """A sink whose writes take two seconds."""

    async def write(self, record: TokenRecord) -> TokenRecord:
        await asyncio.sleep(2)
        return await super().write(record)


def draining(grace: float) -> tuple[bool, TokenRecord | None, float]:
    """Drain in the midst of a write: whether all ended, what the sink holds, and how long it took."""

    async def drain() -> tuple[bool, TokenRecord | None, float]:
        world = World()
        world.add("slow", world.provider(), sink=SlowSink())
        await asyncio.sleep(1)
        ended = await world.end(grace)
        return ended, world.sinks["slow"].record, world.clock.now().elapsed - 1

    return run_in_virtual_time(drain())


def test_draining_lets_a_write_end_r04() -> None:
    ended, held, took = draining(grace=5)
    assert ended
    assert held is not None
    assert took < 1.5


def test_draining_cuts_off_what_does_not_end_in_its_grace_r04() -> None:
    ended, held, took = draining(grace=0.5)
    assert not ended
    assert held is None
    assert took < 1


def test_nothing_starts_once_it_drains() -> None:
    async def drain() -> int:
        world = World()
        source = MemorySource("app")
        world.add("app", world.provider(), source=source)
        await world.dispatcher.idle()
        await world.end()
        reads = source.reads
        world.dispatcher.submit_all()
        await asyncio.sleep(1000)
        return source.reads - reads

    assert run_in_virtual_time(drain()) == 0


class WatchedSource(MemorySource):
    """A source that takes a second, and knows how many read it at once."""

    reading = 0
    most = 0

    async def read(self) -> ClientCredentials:
        self.reading += 1
        self.most = max(self.most, self.reading)
        await asyncio.sleep(1)
        self.reading -= 1
        return await super().read()


def test_a_credential_is_in_one_pass_at_a_time_however_often_it_is_submitted() -> None:
    async def submit() -> tuple[int, int]:
        world = World()
        source = WatchedSource("app")
        world.add("app", world.provider(), source=source)
        for _ in range(50):
            await asyncio.sleep(0.1)
            world.dispatcher.submit("app")
        await world.end()
        return source.most, len(world.sinks["app"].history)

    assert run_in_virtual_time(submit()) == (1, 1)


def test_no_more_passes_run_at_once_than_allowed() -> None:
    async def look() -> int:
        world = World()
        source = WatchedSource("shared")
        provider = world.provider(limits=Limits(1, 1000.0, 1))
        for number in range(3 * PASSES):
            world.add(f"app-{number}", provider, source=source)
        await asyncio.sleep(10)
        await world.end()
        return source.most

    # One more may be minting, for what the gate lets through does not wait for the others.
    assert PASSES <= run_in_virtual_time(look()) <= PASSES + 1


class Numbered(Rotation):
    """A rotation whose passes are written down, all in one list."""

    passes: ClassVar[list[str]] = []

    async def run(self, around: Surroundings) -> Wait:
        self.passes.append(self.spec.name)
        return await super().run(around)


def test_whoever_is_submitted_during_its_pass_is_run_once_more_after_it() -> None:
    async def submit() -> int:
        world = World()
        world.add("app", world.provider(), sink=SlowSink(), kind=Numbered)
        await asyncio.sleep(1)
        Numbered.passes.clear()
        world.dispatcher.submit("app")
        world.dispatcher.submit("app")
        await asyncio.sleep(2)
        await world.end()
        return len(Numbered.passes)

    assert run_in_virtual_time(submit()) == 1


def test_passes_that_queue_up_run_in_the_order_of_least_remaining_life_c10() -> None:
    async def queue_up() -> list[str]:
        world = World()
        for lifetime in (900, 300, 600):
            world.add(f"lives-{lifetime}", world.provider(f"p-{lifetime}", lifetime), kind=Numbered)
        await world.dispatcher.idle()
        Numbered.passes.clear()
        slow = world.provider("slow")
        for number in range(PASSES):
            world.add(f"slow-{number}", slow, source=WatchedSource("slow"))
        world.dispatcher.submit_all()
        await asyncio.sleep(5)
        await world.end()
        return Numbered.passes

    assert run_in_virtual_time(queue_up()) == ["lives-300", "lives-600", "lives-900"]


def test_removing_a_credential_waits_for_its_pass_and_leaves_the_others_alone_r05() -> None:
    async def remove() -> tuple[TokenRecord | None, list[str], list[str]]:
        world = World()
        provider = world.provider()
        world.add("gone", provider, sink=SlowSink())
        world.add("stays", provider)
        await asyncio.sleep(1)
        await world.dispatcher.remove("gone")
        held = world.sinks["gone"].record
        world.dispatcher.submit("gone")
        await asyncio.sleep(2000)
        left = [rotation.spec.name for rotation in world.dispatcher.rotations()]
        unserved = world.unserved(["gone", "stays"])
        await world.end()
        return held, left, unserved

    held, left, unserved = run_in_virtual_time(remove())
    assert held is not None
    assert (left, unserved) == (["stays"], ["gone"])


def test_what_failed_for_want_of_the_store_is_tried_as_soon_as_the_store_is_back_v01() -> None:
    async def seal() -> tuple[list[str], list[str]]:
        world = World()
        provider = world.provider()
        sources = {f"app-{number}": MemorySource(f"app-{number}") for number in range(10)}
        for name, source in sources.items():
            source.faults.next("read", RotationError(Code.VAULT_UNAVAILABLE, "sealed"))
            world.add(name, provider, source=source)
        await asyncio.sleep(0.5)
        unserved = world.unserved(sources)
        world.dispatcher.store_recovered()
        await asyncio.sleep(0.5)
        still_unserved = world.unserved(sources)
        await world.end()
        return unserved, still_unserved

    unserved, still_unserved = run_in_virtual_time(seal())
    assert len(unserved) == 10
    assert still_unserved == []


def test_submitting_everybody_leaves_the_loop_its_turn_after_each_slice() -> None:
    names = [f"app-{number}" for number in range(2 * SLICE + 1)]

    async def submit() -> tuple[list[int], int]:
        world = World()
        provider = world.provider(limits=Limits(1000))
        for name in names:
            world.add(name, provider, kind=Numbered)
        await world.dispatcher.idle()
        Numbered.passes.clear()
        world.dispatcher.submit_all()
        busy = []
        for _ in range(2):
            busy.append(sum(world.dispatcher.is_busy(name) for name in names))
            await asyncio.sleep(0)
        await world.dispatcher.idle()
        await asyncio.sleep(0.1)
        await world.end()
        return busy, len(Numbered.passes)

    assert run_in_virtual_time(submit()) == ([SLICE, 2 * SLICE], len(names))


def test_a_step_of_the_clock_dates_every_token_anew_however_many_there_are_c01() -> None:
    names = [f"app-{number}" for number in range(2 * SLICE + 1)]

    async def step() -> list[float]:
        world = World()
        provider = world.provider(limits=Limits(1000))
        for name in names:
            world.add(name, provider)
        await world.dispatcher.first_round()
        world.clock.step(HOUR)
        world.dispatcher.submit_all(clock_was_set=True)
        await asyncio.sleep(1)
        now = world.clock.now().wall
        records = [sink.record for sink in world.sinks.values()]
        await world.end()
        return [(record.expires_at - now).total_seconds() for record in records if record is not None]

    left = run_in_virtual_time(step())
    assert len(left) == len(names)
    assert all(590 < seconds <= 600 for seconds in left)


def test_a_gate_is_watched_until_its_last_credential_has_gone() -> None:
    async def go() -> list[int]:
        world = World()
        provider = world.provider()
        watched = []
        for name in ("a", "b"):
            world.add(name, provider)
        for name in ("a", "b"):
            await world.dispatcher.remove(name)
            await asyncio.sleep(0)
            watched.append(sum(task.get_name() == "gate thx" for task in asyncio.all_tasks()))
        world.add("c", provider)
        await world.dispatcher.first_round()
        await world.end()
        return watched

    assert run_in_virtual_time(go()) == [1, 0]


def test_the_first_round_is_over_when_the_last_that_had_none_has_gone() -> None:
    async def go() -> bool:
        world = World()
        world.add("stays", world.provider())
        await world.dispatcher.first_round()
        world.add("goes", world.provider("hung"), source=WatchedSource("goes"))
        waiting = asyncio.create_task(world.dispatcher.first_round())
        await asyncio.sleep(0.5)
        early = waiting.done()
        await world.dispatcher.remove("goes")
        await asyncio.wait_for(waiting, 5)
        await world.end()
        return early

    assert not run_in_virtual_time(go())


class SlowSource(MemorySource):
    """Takes a tenth of a second."""

    async def read(self) -> ClientCredentials:
        await asyncio.sleep(0.1)
        return await super().read()


def test_p03_the_looks_of_many_that_nobody_serves_do_not_hold_up_a_renewal() -> None:
    async def renewal() -> float:
        world = World()
        away, well = world.provider("away"), world.provider("well")
        many = [f"away-{number}" for number in range(4 * PASSES)]
        with away.endpoint.faults.on("mint", DOWN):
            for name in many:
                world.add(name, away, source=SlowSource(name))
            world.add("billing", well)
            await asyncio.sleep(10)
            before, at = len(well.endpoint.requests), world.clock.now().elapsed
            rotation = next(r for r in world.dispatcher.rotations() if r.spec.name == "billing")
            rotation.force()
            world.dispatcher.store_recovered()
            await asyncio.sleep(1)
            took = well.endpoint.requests[before][0] - at
            await world.end()
        return took

    assert run_in_virtual_time(renewal()) < 0.15
