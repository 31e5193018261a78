"""What counts as progress: the bounds, and what must never be taken for a stop whatever it costs to wait.

How each way of stopping is seen, and within how many seconds, is in tests/acceptance/test_health.py.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from rotator.core.errors import Code, RotationError
from rotator.engine.dispatcher import PASSES
from rotator.engine.gate import Limits
from rotator.engine.progress import LONGEST_PASS, LOOKS_STALLED, STALLED
from rotator.engine.sentinel import TICK
from rotator.testing import MemorySink, run_in_virtual_time
from tests.support.engine import EVERY, Engine, Held, HeldEndpoint, HeldSink, HeldSource

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

HOUR = 3600.0


def asked(engine: Callable[[], Engine], happens: Callable[[Engine], Awaitable[float]]) -> str:
    """Make an engine, let something happen to it, and ask whether it is healthy for as long as that says."""

    async def run() -> str:
        made = engine()
        fault, _ = await made.seen(await happens(made))
        await made.end()
        return fault

    return run_in_virtual_time(run())


async def away(engine: Engine) -> float:
    engine.add(40)
    await engine.dispatcher.first_round()
    down = RotationError(Code.PROVIDER_UNREACHABLE, "nobody there")
    engine.endpoint.faults.on("mint", down).__enter__()
    return 900.0


async def vault_away(engine: Engine) -> float:
    engine.add(PASSES + 10)
    return 300.0


class Sealed(HeldSource):
    """A source that fails at its deadline."""

    def __init__(self) -> None:
        super().__init__(Held(5.0))
        self.faults.on("read", RotationError(Code.VAULT_UNAVAILABLE, "sealed")).__enter__()


class HangingDisk(HeldSink):
    """A file system on which everything ends at its deadline, in failure."""

    def __init__(self, name: str) -> None:
        super().__init__(name, Held(10.0), Held(10.0))
        hung = RotationError(Code.FILE_IO, "it hangs")
        self.faults.on("read", hung).__enter__()
        self.faults.on("write", hung).__enter__()


async def many(engine: Engine) -> float:
    engine.add(2 * PASSES)
    return 300.0


async def told_to_wait_for_an_hour(engine: Engine) -> float:
    engine.endpoint.faults.next("mint", *(throttled() for _ in range(8)))
    engine.add(20)
    return HOUR + 60


def throttled() -> RotationError:
    return RotationError(Code.PROVIDER_THROTTLED, "too many", retry_after=HOUR)


async def a_queue_of_a_minute(engine: Engine) -> float:
    engine.add(200)
    return 60.0


async def asleep_with_a_pass_under_way(engine: Engine) -> float:
    engine.add(2 * PASSES)
    await asyncio.sleep(1.5)
    engine.clock.suspend(8 * HOUR)
    return 30.0


async def asleep_while_told_to_wait(engine: Engine) -> float:
    engine.endpoint.faults.next("mint", throttled())
    engine.add(1)
    await asyncio.sleep(10)
    engine.clock.suspend(8 * HOUR)
    return 60.0


async def idle(engine: Engine) -> float:
    engine.add(3)
    return HOUR


async def empty(_: Engine) -> float:
    return HOUR


async def set_back_again_and_again(engine: Engine) -> float:
    engine.add(1)
    for _ in range(60):
        await asyncio.sleep(1.0)
        engine.clock.step(-1.5)
    return 1.0


PATIENT: dict[str, tuple[Callable[[], Engine], Callable[[Engine], Awaitable[float]]]] = {
    "nothing to do for an hour": (Engine, idle),
    "no credential at all": (Engine, empty),
    "a provider that is away": (Engine, away),
    "a provider whose requests all end at their deadline": (
        lambda: Engine(endpoint=lambda clock: HeldEndpoint(clock, Held(10.0))), many,
    ),
    "a provider that wants an hour of peace": (Engine, told_to_wait_for_an_hour),
    "a Vault that is away": (lambda: Engine(source=Sealed), vault_away),
    "a Vault that is slow, and has 60 s by the configuration": (
        lambda: Engine(source=lambda: HeldSource(Held(59.0)), vault_timeout=60.0), many,
    ),
    "a disk that hangs, under every file": (lambda: Engine(sink=HangingDisk), many),
    "a long queue at a gate": (lambda: Engine(limits=Limits(4, 1.0, 8)), a_queue_of_a_minute),
    "a machine that slept with its passes half done": (
        lambda: Engine(source=lambda: HeldSource(Held(10.0))), asleep_with_a_pass_under_way,
    ),
    "a machine that slept while a provider wanted peace": (Engine, asleep_while_told_to_wait),
    "a wall clock that is set back again and again": (Engine, set_back_again_and_again),
}  # fmt: skip


@pytest.mark.parametrize("what", PATIENT)
def test_it_stays_healthy_with(what: str) -> None:
    assert asked(*PATIENT[what]) == ""


def test_it_stays_healthy_with_passes_that_all_wait_for_a_disk_twice() -> None:
    """As long as deadlines let them: each looks for 10 s and then writes for 10 s, and nobody else gets a turn."""

    async def run() -> tuple[str, float]:
        held = Held(10.0, holds=False)
        engine = Engine(sink=lambda name: HeldSink(name, held, held), recheck_interval=1.0)
        engine.add(2 * PASSES)
        await engine.dispatcher.first_round()
        held.holds = True
        before, _ = await engine.seen(5.0)
        engine.clock.step(3600.0)  # while they look; it dates every record anew
        longest, fault = 0.0, ""
        for _ in range(30):
            fault, _ = await engine.seen(1.0)
            longest = max(longest, engine.clock.now().elapsed - engine.dispatcher.moved_at)
            if fault:
                break
        await engine.end()
        return before + fault, longest

    fault, longest = run_in_virtual_time(run())
    assert fault == ""
    assert longest > 15.0, "they do wait"


def test_a_suspend_ends_no_doubt_and_begins_none() -> None:
    """Asked in the moment between waking and the first tick, at which everything looks late."""

    async def waking() -> list[str]:
        engine = Engine(source=lambda: HeldSource(Held(10.0)))
        engine.add(2 * PASSES)
        found = []
        for _ in range(3):
            await asyncio.sleep(1.5)
            engine.clock.suspend(8 * HOUR)
            found += engine.progress.faults()
        await engine.end()
        return found

    assert run_in_virtual_time(waking()) == []


@pytest.mark.parametrize(
    ("vault_timeout", "bound"), [(0.1, LOOKS_STALLED), (5.0, LOOKS_STALLED), (60.0, 12 * LOOKS_STALLED)]
)
def test_the_slower_vault_may_be_the_more_patient_it_is_with_passes(vault_timeout: float, bound: float) -> None:
    async def hung() -> tuple[str, float]:
        engine = Engine(source=lambda: HeldSource(Held()), vault_timeout=vault_timeout)
        engine.add(1)
        found = await engine.seen(1000.0)
        await engine.end()
        return found

    fault, after = run_in_virtual_time(hung())
    assert fault.startswith("credentials wait, and no pass has begun or ended for ")
    assert bound < after <= bound + 2 * EVERY


def test_one_hung_credential_among_others_is_told_by_its_name_after_two_minutes() -> None:
    async def hung() -> tuple[str, float]:
        sinks = iter([HeldSink("memory:app-0", Held(), Held())])
        engine = Engine(sink=lambda name: next(sinks, MemorySink(name)), recheck_interval=20.0)
        engine.add(40)
        found = await engine.seen()
        await engine.end()
        return found

    fault, after = run_in_virtual_time(hung())
    assert fault.startswith("the pass of credential app-0 has not ended for ")
    assert LONGEST_PASS < after <= LONGEST_PASS + 2 * EVERY


def test_what_goes_on_again_is_healthy_again() -> None:
    async def frozen() -> tuple[list[str], list[str]]:
        engine = Engine()
        engine.add(1)
        await asyncio.sleep(5)
        engine.clock.elapsed_stands = True
        await asyncio.sleep(STALLED + 2 * TICK)
        stopped = engine.progress.faults()
        engine.clock.elapsed_stands = False
        await asyncio.sleep(2 * TICK)
        found = engine.progress.faults()
        await engine.end()
        return stopped, found

    stopped, found = run_in_virtual_time(frozen())
    assert len(stopped) == 1
    assert found == []
