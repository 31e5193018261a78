"""Where finished log lines go: a stream that may be slow or gone, and must not hold up a mint."""

from __future__ import annotations

import queue
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import TextIO

CAPACITY = 10_000
"""Lines that wait for a slow reader before further ones are dropped and counted."""


class Outlet:
    """Writes lines to a stream from a thread of its own.

    Args:
        stream: Where to; when it is closed or broken, lines are counted as dropped.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._lines: queue.Queue[str | None] = queue.Queue(CAPACITY)
        self._dropped = 0
        self._thread = threading.Thread(target=self._drain, name="log outlet", daemon=True)
        self._thread.start()

    @property
    def dropped(self) -> int:
        """Lines lost so far, because nobody read them or the stream was gone."""
        return self._dropped

    def write(self, line: str) -> None:
        """Hand over one line; never blocks and never raises."""
        try:
            self._lines.put_nowait(line)
        except queue.Full:
            self._dropped += 1

    def close(self, timeout: float = 2.0) -> None:
        """Write what waits, for at most `timeout` seconds."""
        try:
            self._lines.put(None, timeout=timeout)
        except queue.Full:
            return
        self._thread.join(timeout)

    def _drain(self) -> None:
        while (line := self._lines.get()) is not None:
            try:
                self._stream.write(line + "\n")
                if self._lines.empty():
                    self._stream.flush()
            except (OSError, ValueError):
                # A broken pipe, a full disk or a closed stream: there is nowhere left to say so.
                self._dropped += 1
