"""A call that may block for ever has a thread of its own, and what it brings is never lost."""

from __future__ import annotations

import asyncio
import threading

import pytest

from rotator.wire.threads import in_thread


async def test_its_result_comes_with_the_future() -> None:
    assert await in_thread(lambda: threading.current_thread().name, "a thread") == "a thread"


async def test_what_it_raises_is_raised() -> None:
    with pytest.raises(ZeroDivisionError):
        await in_thread(lambda: 1 // 0, "a thread")


async def test_many_that_hang_keep_no_other_from_its_end() -> None:
    release = threading.Event()
    hanging = [in_thread(release.wait, "hangs") for _ in range(50)]
    assert await in_thread(lambda: 1, "quick") == 1
    release.set()
    await asyncio.gather(*hanging)


async def test_a_failure_that_nobody_waits_for_is_no_complaint() -> None:
    release = threading.Event()

    def fail() -> None:
        release.wait()
        raise ValueError("nobody waits")

    waiting = in_thread(fail, "fails")
    waiting.cancel()
    release.set()
    await in_thread(lambda: None, "after it")


async def test_a_result_that_nobody_waits_for_is_handed_over() -> None:
    release, handed = threading.Event(), asyncio.Event()
    got: list[bool] = []

    def take(result: bool) -> None:  # noqa: FBT001  what the call gives
        got.append(result)
        handed.set()

    waiting = in_thread(release.wait, "late", abandon=take)
    waiting.cancel()
    release.set()
    async with asyncio.timeout(5):
        await handed.wait()
    assert got == [True]


def test_a_result_that_comes_after_the_end_of_the_loop_is_handed_over_all_the_same() -> None:
    release, handed = threading.Event(), threading.Event()

    async def leave() -> None:
        in_thread(release.wait, "late", abandon=lambda _: handed.set())

    asyncio.run(leave())
    release.set()
    assert handed.wait(5)
