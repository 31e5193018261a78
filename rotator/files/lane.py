"""Blocking work away from the event loop, one piece at a time.

Each piece has a thread of its own and not one of asyncio's pool: a file system that hangs would hold on to as many of
those few threads as it has files, until nothing else, name lookups included, got one (R08). The threads are daemons,
since a call that never returns must not keep the process from ending; a write that is cut off leaves a whole file, or
one that the next start finishes.
"""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

from rotator.core.errors import Code, RotationError

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


class Lane:
    """Pieces of work that follow one another, also when the one who waited for the last has given up.

    Args:
        what: For messages and the thread's name: a sink's name.
        deadline: Seconds that a caller waits, for his turn and for his work together.
    """

    def __init__(self, what: str, deadline: float) -> None:
        self._what = what
        self._deadline = deadline
        self._busy: asyncio.Future[Any] | None = None

    async def run(self, work: Callable[[], T]) -> T:
        """Do `work` once what is under way has ended. Cancelling the wait does not cut the work.

        Raises:
            RotationError: FILE_IO when it has not ended within the deadline, or no thread could be had. Beyond that,
                what `work` raises.
        """
        try:
            async with asyncio.timeout(self._deadline):
                while self._busy is not None and not self._busy.done():
                    await asyncio.wait([self._busy])
                running = self._busy = self._start(work)
                return await asyncio.shield(running)
        except TimeoutError:
            raise RotationError(
                Code.FILE_IO,
                f"{self._what} has not answered within {self._deadline:g} s; wanted a file system that does: "
                "see whether its server or disk hangs",
            ) from None

    def _start(self, work: Callable[[], T]) -> asyncio.Future[T]:
        loop = asyncio.get_running_loop()
        done: asyncio.Future[T] = loop.create_future()
        # Nobody may be waiting any more when the work fails; its error is then not worth a complaint of asyncio's.
        done.add_done_callback(lambda ended: ended.cancelled() or ended.exception())

        def settle(set_outcome: Callable[[Any], None], outcome: object) -> None:
            if not done.done():
                set_outcome(outcome)

        def tell(set_outcome: Callable[[Any], None], outcome: object) -> None:
            with suppress(RuntimeError):  # the loop has been closed: nobody waits
                loop.call_soon_threadsafe(settle, set_outcome, outcome)

        def body() -> None:
            try:
                result = work()
            except BaseException as error:  # noqa: BLE001  whoever waits gets it
                tell(done.set_exception, error)
            else:
                tell(done.set_result, result)

        try:
            threading.Thread(target=body, name=self._what, daemon=True).start()
        except RuntimeError:
            raise RotationError(Code.FILE_IO, f"no thread could be started for {self._what}") from None
        return done
