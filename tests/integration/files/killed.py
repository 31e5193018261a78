"""Run as a program: for every k, replace a token in a directory of its own, and be killed just before system call k.

Arguments: a directory, a format, the old token's name, and `in_place` where the file is to be written so. Ends after
the first k that was not reached.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from itertools import count
from pathlib import Path

from rotator.files.system import SYSTEM
from tests.integration.files.harness import Intercepted, record, sink


class Dribbling(Intercepted):
    """A write takes 16 bytes at most, so that kills fall between parts of a content."""

    def write(self, fd: int, content: bytes) -> int:
        return SYSTEM.write(fd, content[:16])

    def pwrite(self, fd: int, content: bytes, offset: int) -> int:
        return SYSTEM.pwrite(fd, content[:16], offset)


def replaced(place: Path, kind: str, old: str, at: int, *, in_place: bool) -> None:
    place.mkdir()

    def kill(number: int, _: str) -> None:
        if number == at:
            os.kill(os.getpid(), signal.SIGKILL)

    async def both() -> None:
        await sink(place, kind, in_place=in_place).write(record(old))
        await sink(place, kind, Dribbling(before=kill), in_place=in_place).write(record("new", 700))

    asyncio.run(both())


def main() -> None:
    for number in count():
        child = os.fork()
        if child == 0:
            place, kind, old, *options = sys.argv[1:]
            replaced(Path(place, f"{number:03}"), kind, old, number, in_place="in_place" in options)
            os._exit(0)
        if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) != -signal.SIGKILL:
            return


if __name__ == "__main__":
    main()
