"""When hooks run: soon after a write, once for several, one at a time each, and never in anybody's way."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rotator.contract import record
from rotator.core.errors import Code, RotationError
from rotator.hooks.port import Occasion
from rotator.hooks.runner import SECOND_TRY, Hooks
from rotator.testing import LoopClock, RecordingJournal, run_in_virtual_time

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


@dataclass(eq=False)
class Hook:
    """A hook that notes when it ran and for which token, and takes its time or fails as it is told."""

    name: str = "exec:/bin/hook"
    kind: str = "exec"
    takes: float = 0.0
    errors: list[Exception] = field(default_factory=list)
    ran: list[tuple[float, str]] = field(default_factory=list)
    at_once: int = 0
    most_at_once: int = 0

    async def run(self, occasion: Occasion) -> None:
        self.ran.append((asyncio.get_running_loop().time(), occasion.record.access_token.reveal()))
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await asyncio.sleep(self.takes)
        finally:
            self.at_once -= 1
        if self.errors:
            raise self.errors.pop(0)

    async def check(self) -> None: ...

    @property
    def tokens(self) -> list[str]:
        return [token.removeprefix("token.") for _, token in self.ran]

    @property
    def times(self) -> list[float]:
        return [round(at, 3) for at, _ in self.ran]


@dataclass
class Bench:
    """Hooks on a loop that skips waits."""

    hooks: Hooks
    journal: RecordingJournal

    def write(self, name: str, hook: Hook, debounce: float = 1.0, credential: str = "billing") -> None:
        self.hooks.after(Occasion(credential, f"memory:{credential}", record(name)), hook, debounce)


def on_a_bench(work: Callable[[Bench], Awaitable[None]], most: int = 16) -> RecordingJournal:
    async def run() -> RecordingJournal:
        journal = RecordingJournal()
        bench = Bench(Hooks(journal, LoopClock(), most), journal)
        await work(bench)
        return journal

    return run_in_virtual_time(run())


def failing(code: Code) -> RotationError:
    return RotationError(code, "it went wrong")


def test_a_hook_runs_once_the_debounce_has_passed_and_is_told() -> None:
    hook = Hook(takes=0.25)

    async def work(bench: Bench) -> None:
        bench.write("one", hook)
        await asyncio.sleep(60)

    journal = on_a_bench(work)
    assert (hook.times, hook.tokens) == ([1.0], ["one"])
    assert journal.events == [
        (
            "hook.ran",
            {
                "credential": "billing",
                "sink": "memory:billing",
                "hook": "exec:/bin/hook",
                "hook_kind": "exec",
                "fingerprint": record("one").fingerprint,
                "duration_s": 0.25,
            },
        )
    ]


def test_writes_within_the_debounce_lead_to_one_run_with_the_latest() -> None:
    hook = Hook()

    async def work(bench: Bench) -> None:
        for name in ("one", "two", "three"):
            bench.write(name, hook)
            await asyncio.sleep(0.3)
        await asyncio.sleep(60)

    on_a_bench(work)
    assert (hook.times, hook.tokens) == ([1.0], ["three"])


def test_writes_that_never_end_do_not_keep_a_hook_from_running() -> None:
    hook = Hook()

    async def work(bench: Bench) -> None:
        for number in range(100):
            bench.write(str(number), hook)
            await asyncio.sleep(0.1)

    on_a_bench(work)
    assert len(hook.ran) >= 9


def test_writes_during_a_run_lead_to_one_more_with_the_latest() -> None:
    hook = Hook(takes=10)

    async def work(bench: Bench) -> None:
        bench.write("one", hook)
        await asyncio.sleep(2)
        for name in ("two", "three"):
            bench.write(name, hook)
        await asyncio.sleep(60)

    on_a_bench(work)
    assert (hook.times, hook.tokens) == ([1.0, 12.0], ["one", "three"])
    assert hook.most_at_once == 1


def test_another_hook_does_not_wait_for_one_that_hangs() -> None:
    hanging, quick = Hook(takes=1000), Hook()

    async def work(bench: Bench) -> None:
        bench.write("one", hanging)
        bench.write("one", quick)
        await asyncio.sleep(5)
        await bench.hooks.close(0)

    on_a_bench(work)
    assert quick.times == [1.0]


def test_one_hook_runs_for_two_credentials_at_once() -> None:
    hook = Hook(takes=10)

    async def work(bench: Bench) -> None:
        bench.write("one", hook)
        bench.write("one", hook, credential="other")
        await asyncio.sleep(60)

    on_a_bench(work)
    assert hook.most_at_once == 2


def test_no_more_run_at_once_than_may_and_each_has_its_turn_with_the_latest() -> None:
    hooks = [Hook(takes=10) for _ in range(6)]

    async def work(bench: Bench) -> None:
        for hook in hooks:
            bench.write("one", hook)
        await asyncio.sleep(5)
        for hook in hooks:
            bench.write("two", hook)
        await asyncio.sleep(100)

    on_a_bench(work, most=2)
    assert [hook.tokens[-1] for hook in hooks] == ["two"] * 6
    began = [at for hook in hooks for at in hook.times]
    assert max(sum(other <= at < other + 10 for other in began) for at in began) == 2


def test_a_failure_that_may_pass_is_followed_by_a_second_try() -> None:
    hook = Hook(errors=[failing(Code.HOOK_TIMEOUT)])

    async def work(bench: Bench) -> None:
        bench.write("one", hook)
        await asyncio.sleep(60)

    journal = on_a_bench(work)
    assert (hook.times, hook.tokens) == ([1.0, 1.0 + SECOND_TRY], ["one", "one"])
    [failed] = journal.named("hook.failed")
    assert (failed["error"], failed["detail"]) == ("hook_timeout", "it went wrong")
    assert (failed["retryable"], failed["attempt"], "next_attempt_at" in failed) == (True, 1, True)
    assert failed["cure"] == Code.HOOK_TIMEOUT.cure
    assert len(journal.named("hook.ran")) == 1


def test_a_second_failure_is_left_alone_until_the_next_write() -> None:
    hook = Hook(errors=[failing(Code.HOOK_FAILED) for _ in range(3)])

    async def work(bench: Bench) -> None:
        bench.write("one", hook)
        await asyncio.sleep(100)
        assert hook.tokens == ["one", "one"]
        bench.write("two", hook)
        await asyncio.sleep(100)

    journal = on_a_bench(work)
    assert hook.tokens == ["one", "one", "two", "two"]
    told = [(one["attempt"], one["retryable"], "next_attempt_at" in one) for one in journal.named("hook.failed")]
    assert told == [(1, True, True), (2, False, False), (1, True, True)]


def test_a_failure_that_will_not_pass_is_not_tried_again() -> None:
    hook = Hook(errors=[failing(Code.HOOK_UNSAFE)])

    async def work(bench: Bench) -> None:
        bench.write("one", hook)
        await asyncio.sleep(100)

    journal = on_a_bench(work)
    assert hook.tokens == ["one"]
    assert [one["retryable"] for one in journal.named("hook.failed")] == [False]


def test_a_write_takes_the_place_of_the_second_try() -> None:
    hook = Hook(errors=[failing(Code.HOOK_FAILED)])

    async def work(bench: Bench) -> None:
        bench.write("one", hook)
        await asyncio.sleep(4)
        bench.write("two", hook)
        await asyncio.sleep(100)

    on_a_bench(work)
    assert (hook.times, hook.tokens) == ([1.0, 5.0], ["one", "two"])


def test_a_fault_in_a_hook_is_told_by_its_place_and_ends_nothing_else() -> None:
    broken, sound = Hook(errors=[ValueError("hush"), ValueError("hush")]), Hook()

    async def work(bench: Bench) -> None:
        bench.write("one", broken)
        bench.write("one", sound)
        await asyncio.sleep(100)

    journal = on_a_bench(work)
    failed = journal.named("hook.failed")[0]
    assert failed["error"] == "internal"
    assert "ValueError at " in str(failed["detail"])
    assert "hush" not in str(journal.events)
    assert sound.tokens == ["one"]


def test_what_waits_when_everything_ends_runs_at_once() -> None:
    hook = Hook(takes=0.5)

    async def work(bench: Bench) -> None:
        bench.write("one", hook, debounce=30)
        await asyncio.sleep(0.1)
        await bench.hooks.close(10)
        assert round(asyncio.get_running_loop().time(), 3) == 0.6

    journal = on_a_bench(work)
    assert (hook.times, hook.tokens) == ([0.1], ["one"])
    assert len(journal.named("hook.ran")) == 1


def test_r04_what_has_not_ended_after_the_grace_is_cut_off_and_told() -> None:
    hook, waiting = Hook(takes=1000), Hook()

    async def work(bench: Bench) -> None:
        bench.write("one", hook)
        await asyncio.sleep(2)
        bench.write("one", waiting)
        await bench.hooks.close(10)
        assert round(asyncio.get_running_loop().time(), 3) == 12

    journal = on_a_bench(work, most=1)
    assert (hook.at_once, waiting.ran) == (0, [])
    assert [one["error"] for one in journal.named("hook.failed")] == ["hook_stopped"] * 2


def test_no_second_try_is_waited_for_in_the_end() -> None:
    hook = Hook(errors=[failing(Code.HOOK_FAILED)])

    async def work(bench: Bench) -> None:
        bench.write("one", hook)
        await asyncio.sleep(2)
        await bench.hooks.close(10)
        assert round(asyncio.get_running_loop().time(), 3) == 2

    on_a_bench(work)
    assert hook.tokens == ["one"]


def test_a_close_with_nothing_to_do_ends_at_once() -> None:
    async def work(bench: Bench) -> None:
        await bench.hooks.close(10)
        assert asyncio.get_running_loop().time() < 0.001

    on_a_bench(work)


def test_thousands_of_writes_leave_nothing_behind() -> None:
    hook = Hook()

    async def work(bench: Bench) -> None:
        for number in range(3000):
            bench.write("one", hook, 0.01, credential=f"c{number}")
        await asyncio.sleep(100)
        assert len(asyncio.all_tasks()) == 1
        assert vars(bench.hooks)["_lanes"] == {}

    on_a_bench(work)
    assert len(hook.ran) == 3000
