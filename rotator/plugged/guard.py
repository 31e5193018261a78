"""What holds a plugin to its contract: a deadline for each call, and failures that touch no other credential."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rotator.core.errors import Code, RotationError, whence
from rotator.plugged.api import LONGEST

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

GRACE = 1.0
"""Seconds for a call to end once it has been cancelled."""


@dataclass(frozen=True, slots=True)
class _Returned:
    value: object


@dataclass(frozen=True, slots=True)
class _Raised:
    """What a call raised that it must not raise."""

    where: str


class Guard:
    """The calls of one part of a plugin.

    Args:
        what: The part, for messages: `the sink sqlite of rotator-example 1.0`.
        deadline: Seconds for one call.
    """

    def __init__(self, what: str, deadline: float = LONGEST) -> None:
        self._what = what
        self._deadline = deadline

    async def call(self, name: str, work: Callable[[], Awaitable[object]]) -> object:
        """What a call returns.

        Args:
            name: What is called, for messages.
            work: Calls it.

        Raises:
            RotationError: What it raised; PLUGIN_TIMEOUT; PLUGIN_FAILED when it raised anything else.
        """
        task = asyncio.create_task(_outcome(work), name=f"{name} of {self._what}")
        try:
            ended, _ = await asyncio.wait([task], timeout=self._deadline)
        finally:
            if not task.done():
                await _cut(task)
        if not ended:
            raise RotationError(
                Code.PLUGIN_TIMEOUT,
                f"{name} of {self._what} had not ended after {self._deadline:g} s; wanted an answer by then",
            )
        return self._judged(name, _Raised("CancelledError") if task.cancelled() else task.result())

    def failed(self, name: str, found: str, wanted: str) -> RotationError:
        """The error for a call that did not keep its contract."""
        return RotationError(Code.PLUGIN_FAILED, f"{name} of {self._what} {found}; wanted {wanted}")

    def _judged(self, name: str, outcome: object) -> object:
        match outcome:
            case _Returned(value):
                return value
            case RotationError():
                raise _anew(outcome)
            case _Raised(where):
                raise self.failed(name, f"raised {where}", "a RotationError and nothing else")
        raise AssertionError("a call ends in one of these ways")

    def now(self, name: str, work: Callable[[], object]) -> object:
        """The same for a call that waits for nothing."""
        outcome: object
        try:
            outcome = _Returned(work())
        except RotationError as error:
            outcome = error
        except (Exception, SystemExit) as error:  # noqa: BLE001  a plugin may raise anything
            outcome = _Raised(whence(error))
        return self._judged(name, outcome)


async def _outcome(work: Callable[[], Awaitable[object]]) -> object:
    """How a call ends. What it raises becomes a value: SystemExit in a task would end the whole process."""
    try:
        return _Returned(await work())
    except RotationError as error:
        return error
    except asyncio.CancelledError:
        raise
    except BaseException as error:  # noqa: BLE001  a plugin may raise anything
        return _Raised(whence(error))


async def _cut(task: asyncio.Task[object]) -> None:
    """End a call, also one that does not let itself be cancelled: the process could not end while it goes on."""
    task.cancel()
    await asyncio.wait([task], timeout=GRACE)
    if not task.done():
        with suppress(RuntimeError):  # it does not let itself be closed either; nobody wakes it any more, though
            task.get_coro().close()
        task.cancel()
        await asyncio.wait([task], timeout=GRACE)
    if not task.cancelled() and task.done():
        task.exception()  # asked for, lest asyncio complains that nobody has


def _anew(error: RotationError) -> RotationError:
    """The same without what it arose from, which may hold anything."""
    return RotationError(error.code, error.detail, retry_after=error.retry_after, ambiguous=error.ambiguous)
