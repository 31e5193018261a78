"""Calls that may block for ever, each in a thread of its own.

Not one of asyncio's few: a disk or a directory service that hangs would hold them all, until nothing else got one
(R08). The threads are daemons, since a call that never returns must not keep the process from ending.
"""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


def in_thread(work: Callable[[], T], name: str, abandon: Callable[[T], object] | None = None) -> asyncio.Future[T]:
    """Start `work`; its result, or what it raised, comes with the future. Cancelling that does not end the work.

    Args:
        work: What may block.
        name: Of the thread.
        abandon: Called with a result that nobody waits for any more, so that it is not lost: a process, a descriptor.
            In the loop's thread; in the other one once the loop has been closed.

    Raises:
        OSError: No thread could be started.
    """
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()
    # Nobody may be waiting any more when the work fails; its error is then not worth a complaint of asyncio's.
    done.add_done_callback(lambda ended: ended.cancelled() or ended.exception())

    def lose(outcome: Any) -> None:
        if abandon is not None and not isinstance(outcome, BaseException):
            abandon(outcome)

    def settle(outcome: Any) -> None:
        if done.done():
            lose(outcome)
        elif isinstance(outcome, BaseException):
            done.set_exception(outcome)
        else:
            done.set_result(outcome)

    def body() -> None:
        outcome = _outcome(work)
        try:
            loop.call_soon_threadsafe(settle, outcome)
        except RuntimeError:  # the loop has been closed
            with suppress(Exception):
                lose(outcome)

    try:
        threading.Thread(target=body, name=name, daemon=True).start()
    except RuntimeError:
        raise OSError(f"no thread could be started for {name}") from None
    return done


def _outcome(work: Callable[[], T]) -> T | BaseException:
    try:
        return work()
    except BaseException as error:  # noqa: BLE001  whoever waits gets it
        return error
