"""Where finished log lines go: a stream that may be slow or gone, and must not hold up a mint."""

from __future__ import annotations

import io
import os
import queue
import select
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TextIO

CAPACITY = 10_000
"""Lines that wait for a slow reader before further ones are dropped and counted."""


class Outlet:
    """Writes lines to a stream from a thread of its own.

    Where the stream has a file descriptor, lines go straight to it: what a buffer held back while the disk was full or
    the reader gone would come out later although it had been counted as lost, and would spoil the exit code.

    Args:
        stream: Where to, or a function that writes some of the bytes it is given and tells how many; when it is closed
            or broken, lines are counted as dropped.
    """

    def __init__(self, stream: TextIO | Callable[[bytes], int]) -> None:
        # Not a Queue: a finalizer that fails while its lock is held tells of it here, and would wait for itself.
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._dropped = 0
        self._left = b""
        self._write, self._close = _way_out(stream)
        self._thread = threading.Thread(target=self._drain, name="log outlet", daemon=True)
        self._thread.start()

    @property
    def dropped(self) -> int:
        """Lines lost so far, because nobody read them or the stream was gone."""
        return self._dropped

    def write(self, line: str) -> None:
        """Hand over one line; never blocks and never raises."""
        if self._lines.qsize() < CAPACITY:  # one more for each thread that writes just then
            self._lines.put(line)
        else:
            self._dropped += 1

    def close(self, timeout: float = 2.0) -> None:
        """Write what waits, for at most `timeout` seconds."""
        self._lines.put(None)
        self._thread.join(timeout)

    def _drain(self) -> None:
        while (line := self._lines.get()) is not None:
            try:
                self._put(line)
            except Exception:  # noqa: BLE001  broken pipe, full disk, no memory: there is nowhere left to say so
                self._dropped += 1
        self._close()

    def _put(self, line: str) -> None:
        """Write one line, after what is left of one that was cut off: lines are whole, or not there at all."""
        self._finish()
        data = (line + "\n").encode(errors="backslashreplace")
        written = self._write(data)
        self._left = data[written:]
        with suppress(OSError):  # begun, so it counts as written: what is left of it goes before the next one
            self._finish()

    def _finish(self) -> None:
        while self._left:
            self._left = self._left[self._write(self._left) :]


def _way_out(stream: TextIO | Callable[[bytes], int]) -> tuple[Callable[[bytes], int], Callable[[], None]]:
    """How to write some bytes to a stream, which tells how many it took; and what to do when there are no more."""
    if callable(stream):
        return stream, lambda: None
    try:
        descriptor = os.dup(stream.fileno())
    except (OSError, io.UnsupportedOperation, ValueError):
        return lambda data: len(data) if stream.write(data.decode()) else 0, lambda: None

    def write(data: bytes) -> int:
        while True:
            try:
                return os.write(descriptor, data)
            except BlockingIOError:
                # Whoever shares the descriptor with us has made it non-blocking. This thread has time.
                waiting = select.poll()
                waiting.register(descriptor, select.POLLOUT)
                waiting.poll()

    return write, lambda: os.close(descriptor)
