"""Blocking work away from the event loop, one piece at a time.

Each piece has a thread of its own (`rotator.wire.threads`). A write that is cut off when the process ends leaves a
whole file, or one that the next start finishes.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeVar

from rotator.core.errors import Code, RotationError
from rotator.wire.threads import in_thread

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
        try:
            return in_thread(work, self._what)
        except OSError as error:
            raise RotationError(Code.FILE_IO, str(error)) from None
