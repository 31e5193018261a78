"""A hook runs when a write has changed what consumers read, and at no other time."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from rotator.contract import SinkContract, record
from rotator.core.errors import Code, RotationError
from rotator.hooks.runner import Hooks
from rotator.hooks.sink import HookedSink
from rotator.testing import FakeClock, MemorySink, RecordingJournal
from tests.unit.hooks.test_runner import Hook

if TYPE_CHECKING:
    from collections.abc import Callable

    from rotator.core.ports import Sink


class Bench:
    """A sink in memory with a hook, which runs as soon as it can."""

    def __init__(self) -> None:
        self.inner = MemorySink()
        self.hook = Hook()
        self.runner = Hooks(RecordingJournal(), FakeClock())
        self.sink = HookedSink(self.inner, [self.hook], self.runner, "billing", 0.001)

    async def ran_for(self) -> list[str]:
        """The tokens that it has run for."""
        await asyncio.sleep(0.01)
        return self.hook.tokens


@pytest.fixture
def bench() -> Bench:
    return Bench()


async def test_a_write_runs_the_hook(bench: Bench) -> None:
    await bench.sink.write(record())
    assert await bench.ran_for() == ["one"]


async def test_each_new_token_runs_it(bench: Bench) -> None:
    for number in range(3):
        await bench.sink.write(record(str(number), life=600 + number))
        await bench.ran_for()
    assert await bench.ran_for() == ["0", "1", "2"]


async def test_a_write_that_finds_the_same_there_runs_nothing(bench: Bench) -> None:
    bench.inner.record = record()
    await bench.sink.read()
    await bench.sink.write(record())
    assert await bench.ran_for() == []


async def test_the_same_written_twice_runs_it_once(bench: Bench) -> None:
    await bench.sink.write(record())
    await bench.sink.write(record())
    assert await bench.ran_for() == ["one"]


async def test_a_better_token_of_another_writer_runs_nothing(bench: Bench) -> None:
    bench.inner.record = record("theirs", life=900)
    assert await bench.sink.write(record("mine")) == record("theirs", life=900)
    assert await bench.ran_for() == []


async def test_a_token_that_is_found_at_the_start_runs_nothing(bench: Bench) -> None:
    bench.inner.record = record()
    assert await bench.sink.read() == record()
    assert await bench.ran_for() == []


async def test_v23_a_token_that_had_to_be_written_again_runs_it(bench: Bench) -> None:
    await bench.sink.write(record())
    await bench.ran_for()
    bench.inner.record = None
    await bench.sink.read()
    await bench.sink.write(record())
    assert await bench.ran_for() == ["one", "one"]


async def test_c01_the_same_token_with_other_dates_runs_it(bench: Bench) -> None:
    await bench.sink.write(record(life=600))
    await bench.ran_for()
    await bench.sink.write(record(life=500))
    assert await bench.ran_for() == ["one", "one"]


async def test_a_write_that_failed_runs_nothing(bench: Bench) -> None:
    bench.inner.faults.next("write", RotationError(Code.FILE_NO_SPACE, "full"))
    with pytest.raises(RotationError):
        await bench.sink.write(record())
    assert await bench.ran_for() == []
    await bench.sink.write(record())
    assert await bench.ran_for() == ["one"]


async def test_v19_a_write_that_turns_out_to_have_succeeded_runs_it(bench: Bench) -> None:
    bench.inner.faults.next("write", RotationError(Code.VAULT_UNAVAILABLE, "no answer in time"))
    with pytest.raises(RotationError):
        await bench.sink.write(record())
    bench.inner.record = record()
    await bench.sink.read()
    await bench.sink.read()
    assert await bench.ran_for() == ["one"]


async def test_a_check_looks_at_the_sink_and_then_at_the_hooks(bench: Bench) -> None:
    looked: list[str] = []

    class Checked(Hook):
        async def check(self) -> None:
            looked.append("hook")
            raise RotationError(Code.HOOK_COMMAND, "it is missing")

    sink = HookedSink(bench.inner, [Checked()], bench.runner, "billing", 1.0)
    with (
        bench.inner.faults.on("check", RotationError(Code.FILE_DENIED, "no")),
        pytest.raises(RotationError, match="no"),
    ):
        await sink.check()
    assert looked == []
    with pytest.raises(RotationError, match="it is missing"):
        await sink.check()


def test_it_has_the_name_and_the_kind_of_the_sink(bench: Bench) -> None:
    assert (bench.sink.name, bench.sink.kind) == ("memory:token", "memory")


class TestHookedSink(SinkContract):
    @pytest.fixture
    def open_sink(self) -> Callable[[], Sink]:
        bench = Bench()
        return lambda: HookedSink(bench.inner, [bench.hook], bench.runner, "billing", 0.001)
