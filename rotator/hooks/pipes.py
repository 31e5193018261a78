"""What a command is given and what it says: neither may take the loop's time, however much it is."""

from __future__ import annotations

import asyncio
import os
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import subprocess

CHUNK = 64 << 10
"""Bytes read at once; as much as a pipe holds."""

PAUSE = 0.01
"""Seconds between two reads: who says more than 6 MB/s waits for us, and not the loop for him."""

LAST_READS = 16
"""Reads after the end, of what still stands in the pipe."""


async def feed(process: subprocess.Popen[bytes], given: bytes) -> None:
    """As a pipe takes it: less than a token may have room in it, and a process need not read at all."""
    if process.stdin is None:
        raise TypeError("the process was started with a pipe")
    with process.stdin as pipe, suppress(BrokenPipeError):
        os.set_blocking(pipe.fileno(), False)
        while given:
            try:
                given = given[os.write(pipe.fileno(), given) :]
            except BlockingIOError:
                await _writable(pipe.fileno())


async def _writable(fd: int) -> None:
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    loop.add_writer(fd, ready.set)
    try:
        await ready.wait()
    finally:
        loop.remove_writer(fd)


class Output:
    """The end of what a process says, read no faster than is good for everybody else."""

    def __init__(self, process: subprocess.Popen[bytes], keep: int) -> None:
        if process.stdout is None:
            raise TypeError("the process was started with a pipe")
        self._pipe = process.stdout
        self._fd = self._pipe.fileno()
        os.set_blocking(self._fd, False)
        self._keep = keep
        self._kept = bytearray()
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self.torn = False
        self._await_more()

    def rest(self) -> bytes:
        """All that is kept, with what stands in the pipe now."""
        for _ in range(LAST_READS):
            if self._pipe.closed or not self._take():
                break
        return bytes(self._kept)

    def close(self) -> None:
        """Read no more: who still writes gets SIGPIPE."""
        if self._timer is not None:
            self._timer.cancel()
        if not self._pipe.closed:
            self._loop.remove_reader(self._fd)
            self._pipe.close()

    def _await_more(self) -> None:
        self._loop.add_reader(self._fd, self._read)

    def _read(self) -> None:
        self._loop.remove_reader(self._fd)
        if self._take():
            self._timer = self._loop.call_later(PAUSE, self._await_more)

    def _take(self) -> bool:
        """Read once; whether more can come."""
        try:
            chunk = os.read(self._fd, CHUNK)
        except BlockingIOError:
            return True
        self._kept += chunk
        if len(self._kept) > self._keep:
            del self._kept[: -self._keep]
            self.torn = True
        return bool(chunk)
