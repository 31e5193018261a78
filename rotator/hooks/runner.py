"""When hooks run: soon after a write, once for several, one at a time each, and a few at a time in all."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from rotator.core.errors import Code, RotationError, whence

if TYPE_CHECKING:
    from rotator.core.ports import Clock, Journal
    from rotator.hooks.port import Hook, Occasion

MOST_AT_ONCE = 16
"""Hooks that run at the same time; further ones wait for their turn."""

SECOND_TRY = 10.0
"""Seconds after a failure that may pass. A second one is left alone until the next write."""

_Key: TypeAlias = "tuple[str, str, Hook]"


@dataclass
class _Lane:
    """What one hook of one sink has before it.

    Attributes:
        hook: Itself.
        debounce: Seconds from the first write to the run.
        next: The latest write that it has not run for.
        more: Set while there is one.
    """

    hook: Hook
    debounce: float
    next: Occasion | None = None
    more: asyncio.Event = field(default_factory=asyncio.Event)

    def put(self, occasion: Occasion) -> None:
        self.next = occasion
        self.more.set()

    def take(self) -> Occasion | None:
        occasion, self.next = self.next, None
        self.more.clear()
        return occasion


class Hooks:
    """Runs the hooks of one rotator, in tasks of its own: nobody who writes to a sink ever waits for one.

    A write that comes while its hook waits or runs leads to one more run, with the latest. A failure that may pass is
    followed by a second try, unless a write comes first; after that, as after any other failure, the hook runs again
    after the next write. What was still to be run when the process died is not made up for.

    Args:
        journal: Told `hook.ran` and `hook.failed`.
        clock: Time.
        most: Hooks that run at the same time.

    Attributes:
        clock: See above.
    """

    def __init__(self, journal: Journal, clock: Clock, most: int = MOST_AT_ONCE) -> None:
        self._journal = journal
        self.clock = clock
        self._slots = asyncio.Semaphore(most)
        self._lanes: dict[_Key, _Lane] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._closing = asyncio.Event()

    def after(self, occasion: Occasion, hook: Hook, debounce: float) -> None:
        """Run a hook soon after this write; returns at once.

        Args:
            occasion: The write.
            hook: What to run.
            debounce: Seconds in which further writes are waited for.
        """
        key = (occasion.credential, occasion.sink, hook)
        lane = self._lanes.get(key)
        if lane is None:
            lane = self._lanes[key] = _Lane(hook, debounce)
            task = asyncio.create_task(self._serve(key, lane), name=f"hook {hook.name}")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        lane.put(occasion)

    async def close(self, grace: float) -> None:
        """Run at once what was waiting, and cut off what has not ended then.

        Args:
            grace: Seconds.
        """
        self._closing.set()
        if self._tasks:
            _, late = await asyncio.wait(set(self._tasks), timeout=grace)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def _serve(self, key: _Key, lane: _Lane) -> None:
        try:
            await self._serve_all(lane)
        finally:
            # In the same step as the last look for more: what comes later finds no lane, and opens one.
            del self._lanes[key]

    async def _serve_all(self, lane: _Lane) -> None:
        again = False
        while lane.next is not None:
            if not again:
                await self._closed_within(lane.debounce)
            occasion, error = await self._turn(lane, attempt=2 if again else 1)
            again = error is not None and error.code.retryable and not again and not self._closing.is_set()
            if again and not await self._is_overtaken(lane):
                lane.put(occasion)
            else:
                again = False

    async def _turn(self, lane: _Lane, attempt: int) -> tuple[Occasion, RotationError | None]:
        """Wait for a slot, and run the hook for the latest write."""
        try:
            await self._slots.acquire()
        except asyncio.CancelledError:
            self._tell_stopped(lane, lane.take())
            raise
        try:
            occasion = lane.take()
            if occasion is None:
                raise RuntimeError("only this task takes what is next")
            return occasion, await self._run(lane, occasion, attempt)
        finally:
            self._slots.release()

    async def _run(self, lane: _Lane, occasion: Occasion, attempt: int) -> RotationError | None:
        began = self.clock.now().elapsed
        try:
            await lane.hook.run(occasion)
        except asyncio.CancelledError:
            self._tell_stopped(lane, occasion)
            raise
        except RotationError as error:
            failure = error
        except Exception as error:  # noqa: BLE001  a bug in one hook must not end the others
            failure = RotationError(Code.INTERNAL, whence(error))
        else:
            took = round(self.clock.now().elapsed - began, 3)
            self._tell("hook.ran", lane, occasion, fingerprint=occasion.record.fingerprint, duration_s=took)
            return None
        self._tell_failed(lane, occasion, failure, attempt)
        return failure

    async def _is_overtaken(self, lane: _Lane) -> bool:
        """Wait for the second try; whether a write came first, or the end."""
        waiting = [asyncio.ensure_future(event.wait()) for event in (lane.more, self._closing)]
        try:
            done, _ = await asyncio.wait(waiting, timeout=SECOND_TRY, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in waiting:
                one.cancel()
        return bool(done)

    async def _closed_within(self, seconds: float) -> None:
        """Wait so long, but no longer than until the end."""
        try:
            async with asyncio.timeout(seconds):
                await self._closing.wait()
        except TimeoutError:
            return

    def _tell_failed(self, lane: _Lane, occasion: Occasion, error: RotationError, attempt: int) -> None:
        again = error.code.retryable and attempt == 1 and not self._closing.is_set()
        now = self.clock.now()
        at = {"next_attempt_at": now.at(now.elapsed + SECOND_TRY)} if again else {}
        self._tell(
            "hook.failed",
            lane,
            occasion,
            error=error.code.text,
            detail=error.detail,
            retryable=again,
            attempt=attempt,
            cure=error.code.cure,
            **at,
        )

    def _tell_stopped(self, lane: _Lane, occasion: Occasion | None) -> None:
        if occasion is not None:
            self._tell_failed(lane, occasion, RotationError(Code.HOOK_STOPPED, "rotator stops"), 1)

    def _tell(self, event: str, lane: _Lane, occasion: Occasion, **fields: object) -> None:
        about = {"credential": occasion.credential, "sink": occasion.sink}
        self._journal.event(event, **about, hook=lane.hook.name, hook_kind=lane.hook.kind, **fields)
