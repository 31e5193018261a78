"""A server program of our own: it writes to a log file, dies with us, and leaves Ctrl-C to us."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from typing import TYPE_CHECKING

from rotator.demo import lifeline

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

GRACE = 10.0
"""Seconds for an orderly end."""


class Child:
    """One running program.

    Args:
        command: The program's path and its arguments.
        home: Its HOME, which is all the environment it gets.
        log: The file that gets what it says, appended.
    """

    def __init__(self, command: Sequence[str], home: Path, log: Path) -> None:
        self._log = log
        with log.open("ab") as file:
            self._begin = file.tell()
            # A process group of its own: Ctrl-C in a terminal is for us, who end our servers when nobody needs them.
            self._process = subprocess.Popen(  # noqa: S603  programs that we have found, arguments that we have made
                [sys.executable, "-I", "-S", lifeline.__file__, str(os.getpid()), *command],
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                env={"HOME": str(home)},
                process_group=0,
            )

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def runs(self) -> bool:
        """Whether it has not ended."""
        return self._process.poll() is None

    def words(self) -> str:
        """All that it has said."""
        with self._log.open("rb") as file:
            file.seek(self._begin)
            return file.read().decode(errors="replace")

    async def says(self, phrase: str, within: float) -> bool:
        """Whether it says this within that many seconds and before it ends."""
        try:
            async with asyncio.timeout(within):
                while phrase not in self.words():
                    if not self.runs():
                        return False
                    await asyncio.sleep(0.02)
        except TimeoutError:
            return False
        return True

    async def stop(self) -> None:
        """End it in order, or at once when that takes longer than `GRACE` or is cancelled."""
        try:
            self._process.terminate()
            async with asyncio.timeout(GRACE):
                while self.runs():  # noqa: ASYNC110  what is waited for is another process
                    await asyncio.sleep(0.02)
        except TimeoutError:
            pass  # `kill` is the answer to it
        finally:
            self.kill()

    def kill(self) -> None:
        """End it at once, as SIGKILL does."""
        self._process.kill()
        self._process.wait()
