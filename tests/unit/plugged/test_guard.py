"""What holds a plugin's calls to their contract: each ends in time, and what it raises says nothing."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Any

import pytest

from rotator.core.errors import Code, RotationError
from rotator.plugged.guard import GRACE, Guard
from rotator.testing import run_in_virtual_time

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine

WHAT = "the sink kept of rotator-handmade 1.0"


async def failure(work: Callable[[], Awaitable[object]], deadline: float = 10.0) -> RotationError:
    with pytest.raises(RotationError) as caught:
        await Guard(WHAT, deadline).call("read", work)
    return caught.value


def timed(work: Callable[[], Awaitable[object]]) -> tuple[RotationError, float, int]:
    """How a call fails, after how many seconds, and how many tasks it leaves behind."""

    async def measured() -> tuple[RotationError, float, int]:
        began = asyncio.get_running_loop().time()
        error = await failure(work)
        return error, asyncio.get_running_loop().time() - began, len(asyncio.all_tasks()) - 1

    return run_in_virtual_time(measured())


async def test_what_a_call_returns_is_handed_on() -> None:
    async def read() -> str:
        return "held"

    assert await Guard(WHAT).call("read", read) == "held"


async def hang() -> None:
    await asyncio.Event().wait()


async def hang_on() -> None:
    while True:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            continue


async def hang_on_for_good() -> None:
    while True:
        try:
            await asyncio.Event().wait()
        except BaseException:  # noqa: BLE001, S112  what a careless author writes
            continue


def test_r08_a_call_that_hangs_ends_at_its_deadline() -> None:
    error, seconds, left = timed(hang)
    assert error.code is Code.PLUGIN_TIMEOUT
    assert error.detail == f"read of {WHAT} had not ended after 10 s; wanted an answer by then"
    assert (round(seconds, 3), left) == (10.0, 0)


@pytest.mark.parametrize("work", [hang_on, hang_on_for_good])
@pytest.mark.filterwarnings("ignore:Exception ignored in.*hang_on_for_good:pytest.PytestUnraisableExceptionWarning")
def test_r08_a_call_that_cannot_be_cancelled_ends_all_the_same_and_leaves_nothing_that_runs(
    work: Callable[[], Coroutine[Any, Any, None]],
) -> None:
    error, seconds, left = timed(work)
    assert error.code is Code.PLUGIN_TIMEOUT
    assert (round(seconds, 3), left) == (10.0 + GRACE, 0)


async def test_who_is_cancelled_while_he_waits_cancels_the_call() -> None:
    ended = asyncio.Event()

    async def write() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    waiting = asyncio.create_task(Guard(WHAT).call("write", write))
    await asyncio.sleep(0.01)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert ended.is_set()


@pytest.mark.parametrize(
    "raised", [ValueError("CANARY"), KeyError("CANARY"), SystemExit("CANARY"), GeneratorExit("CANARY")], ids=repr
)
async def test_what_a_call_must_not_raise_is_told_by_kind_and_place_alone(raised: BaseException) -> None:
    async def read() -> None:
        raise raised

    error = await failure(read)
    assert error.code is Code.PLUGIN_FAILED
    assert f"read of {WHAT} raised {type(raised).__name__} at {__file__}:" in error.detail
    assert "CANARY" not in f"{error!r} {error.__cause__!r} {error.__context__!r}"


async def test_a_call_that_cancels_itself_has_failed() -> None:
    async def read() -> None:
        raise asyncio.CancelledError

    error = await failure(read)
    assert (error.code, "raised CancelledError" in error.detail) == (Code.PLUGIN_FAILED, True)


async def test_a_call_that_is_none_has_failed() -> None:
    error = await failure(lambda: None)  # type: ignore[arg-type, return-value]  # what a careless author writes
    assert (error.code, "raised TypeError" in error.detail) == (Code.PLUGIN_FAILED, True)


async def test_a_failure_that_is_foreseen_is_handed_on_without_what_it_arose_from() -> None:
    async def read() -> None:
        try:
            int("CANARY")
        except ValueError as error:
            raise RotationError(Code.PLUGIN_REFUSED, "no", retry_after=5.0, ambiguous=True) from error

    error = await failure(read)
    assert (error.code, error.detail, error.retry_after, error.ambiguous) == (Code.PLUGIN_REFUSED, "no", 5.0, True)
    assert (error.__cause__, error.__context__) == (None, None)


def test_a_call_that_waits_for_nothing_is_held_to_the_same() -> None:
    def read() -> None:
        sys.exit("CANARY")

    with pytest.raises(RotationError) as caught:
        Guard(WHAT).now("read", read)
    assert "raised SystemExit" in caught.value.detail
    assert caught.value.__context__ is None
