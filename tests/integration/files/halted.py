"""Run as a program: replace a token in a process that waits for whoever wants to trace it first.

It reads lines of two words, a directory and a format, with `-in-place` behind it where the file is to be written so. It
forks for each, and answers with the child's process id; that child has a token in its file already, and its caches are
warm. After one more line the child writes the next token. The program answers with how the child ended, and with what
the write raised: `0 ok`, `0 file_no_space`, `-9`.
"""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rotator.core.errors import RotationError
from tests.integration.files.harness import record, sink

if TYPE_CHECKING:
    from rotator.files.sink import FileSink

OLD, NEW = record("old"), record("new", 700)
MODE = 0o640
IN_PLACE = "-in-place"


def halted_sink(place: Path, kind: str, **options: Any) -> FileSink:
    """The sink that a kind of write goes through."""
    return sink(place, kind.removesuffix(IN_PLACE), mode=MODE, in_place=kind.endswith(IN_PLACE), **options)


def replaced(place: Path, kind: str, channel: socket.socket) -> None:
    """Tell over the channel when all is ready, wait there, write, and tell what came of it: by calls no file needs."""

    async def work() -> None:
        target = halted_sink(place, kind, owner=str(os.geteuid()), group=str(os.getegid()))
        await target.write(OLD)
        channel.send(b"ready")
        channel.recv(16)
        try:
            await target.write(NEW)
        except RotationError as error:
            said = error.code.text
        except BaseException as error:  # noqa: BLE001  that is what the test looks for
            said = f"untyped:{type(error).__name__}"
        else:
            said = "ok"
        channel.send(said.encode())
        os._exit(0)

    asyncio.run(work())


def main() -> None:
    for line in sys.stdin:
        place, kind = line.split()
        ours, theirs = socket.socketpair()
        child = os.fork()
        if child == 0:
            ours.close()
            replaced(Path(place), kind, theirs)
        theirs.close()
        ours.recv(16)
        print(child, flush=True)  # noqa: T201  the answer
        sys.stdin.readline()
        ours.send(b"go")
        said = ours.recv(64).decode()
        ours.close()
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        print(code, said, flush=True)  # noqa: T201  likewise


if __name__ == "__main__":
    main()
