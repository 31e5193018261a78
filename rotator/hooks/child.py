"""One command: started without a shell, fed, listened to, and ended with all that belongs to it.

Two things are done otherwise than asyncio's own subprocesses do them. The program is started in a thread: asyncio does
it in the loop's, which stands still until the program has been loaded, and one on a disk that hangs would stop every
credential. And its end is waited for without reaping it, so that its process group cannot have become somebody else's
when what is left of it is killed.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import threading
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from rotator.hooks.pipes import CHUNK, Output, feed
from rotator.wire.threads import in_thread

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

TERM_GRACE = 2.0
"""Seconds between SIGTERM and SIGKILL."""

KILL_GRACE = 5.0
"""Seconds until a killed process is given up: one that waits for a device dies when that answers."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command has ended.

    Attributes:
        status: Exit code; negative: the signal that ended it. None when it was cut off at its timeout.
        said: The end of its output and errors.
        torn: Whether it said more than that.
        left: Whether it could not be killed.
    """

    status: int | None
    said: bytes = b""
    torn: bool = False
    left: bool = False


async def run(
    command: Sequence[str],
    environ: Mapping[str, str],
    deadline: float,
    *,
    given: bytes | None = None,
    keep: int = CHUNK,
    guard: Callable[[], object] = lambda: None,
) -> Ended:
    """Run a command in `/`, in a session of its own, with this environment and nothing else.

    What it leaves behind in its process group is killed when it ends.

    Args:
        command: Absolute path and arguments.
        environ: All of its environment.
        deadline: Seconds; then it gets SIGTERM, and `TERM_GRACE` later SIGKILL, with its process group.
        given: Its standard input; None for none.
        keep: Bytes of its output that are kept, the last ones.
        guard: Called right before it is started, in the thread that starts it; what it raises is raised here.

    Raises:
        OSError: It could not be started; TimeoutError: not in time.
    """
    child: _Child | None = None
    try:
        async with asyncio.timeout(deadline):
            child = _Child(await _started(command, environ, guard, piped=given is not None), keep)
            child.feed(given)
            await child.dead()
    except TimeoutError:
        if child is None:
            raise
        left = not await child.end()
        return Ended(None, child.said(), child.torn, left)
    else:
        return Ended(child.status, child.said(), child.torn)
    finally:
        if child is not None:
            await child.close()


async def _started(
    command: Sequence[str], environ: Mapping[str, str], guard: Callable[[], object], *, piped: bool
) -> subprocess.Popen[bytes]:
    starting = in_thread(partial(_start, command, environ, guard, piped), "start of a hook", abandon=_discard)
    try:
        return await starting
    except asyncio.CancelledError:
        if not starting.cancelled() and starting.exception() is None:
            _discard(starting.result())  # it was started at the very moment at which nobody waited any more
        raise


def _start(
    command: Sequence[str],
    environ: Mapping[str, str],
    guard: Callable[[], object],
    piped: bool,  # noqa: FBT001  for `partial`
) -> subprocess.Popen[bytes]:
    guard()
    return subprocess.Popen(  # noqa: S603  no shell, and the path is absolute
        command,
        stdin=subprocess.PIPE if piped else subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        cwd="/",
        env=environ,
        start_new_session=True,
        bufsize=0,
    )


def _discard(process: subprocess.Popen[bytes]) -> None:
    """End one that nobody waits for; a thread waits for it, as it may be long in dying."""
    _signal(process, signal.SIGKILL)
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()
    with suppress(RuntimeError):  # without a thread, Python itself reaps it some day
        threading.Thread(target=process.wait, name="end of a hook", daemon=True).start()


def _signal(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    """To the whole group, whose id is its own until the process is reaped."""
    if process.returncode is None:
        # Not one of ours any more: it has become another user, by a set-uid program.
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, number)


def _bury(process: subprocess.Popen[bytes], _: object = None) -> None:
    """The process has ended: so must what it leaves behind, and then nothing keeps its id."""
    _signal(process, signal.SIGKILL)
    process.poll()


class _Child:
    """A process that runs."""

    def __init__(self, process: subprocess.Popen[bytes], keep: int) -> None:
        self._process = process
        self._input: asyncio.Task[None] | None = None
        self._output = Output(process, keep)
        waited = partial(os.waitid, os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        try:
            self._ended = in_thread(waited, "end of a hook", abandon=partial(_bury, process))
        except BaseException:
            self._output.close()
            _discard(process)
            raise
        self._ended.add_done_callback(partial(_bury, process))

    @property
    def status(self) -> int | None:
        """As `Popen.returncode` has it."""
        return self._process.returncode

    @property
    def torn(self) -> bool:
        """Whether not all of the output was kept."""
        return self._output.torn

    def feed(self, given: bytes | None) -> None:
        """Give it its standard input, as it reads it."""
        if given is not None:
            self._input = asyncio.create_task(feed(self._process, given), name="input of a hook")

    async def dead(self) -> None:
        """Wait until it has ended; cancelled, it goes on."""
        await asyncio.wait({self._ended})

    async def end(self) -> bool:
        """Ask it to end, and then make it; whether it has."""
        for number, grace in ((signal.SIGTERM, TERM_GRACE), (signal.SIGKILL, KILL_GRACE)):
            _signal(self._process, number)
            await asyncio.wait({self._ended}, timeout=grace)
            if self._ended.done():
                return True
        return False

    def said(self) -> bytes:
        """The end of its output, with what still stands in the pipe."""
        return self._output.rest()

    async def close(self) -> None:
        """Leave nothing open, and nothing running."""
        if self._input is not None:
            self._input.cancel()
        self._output.close()
        if not self._ended.done():  # cancelled, or it cannot be killed
            _signal(self._process, signal.SIGKILL)
            await asyncio.wait({self._ended}, timeout=KILL_GRACE)
