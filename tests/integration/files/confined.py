"""Run as a program: have Landlock, a security module as AppArmor is, deny every write but those below one directory.

Arguments: the directory where writes are allowed, then places; writes a token to each and prints what came of it. Exit
code 77 where the kernel has no Landlock (landlock(7)).
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import struct
import sys
from pathlib import Path

from rotator.core.errors import RotationError
from tests.integration.files.harness import record, sink

CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446
PATH_BENEATH = 1
WRITES = 1 << 1 | 1 << 5 | 1 << 8
"""Opening for writing, removing, and making a plain file."""

PR_SET_NO_NEW_PRIVS = 38
NO_LANDLOCK = 77

libc = ctypes.CDLL(None, use_errno=True)


def call(number: int, *arguments: object) -> int:
    result: int = libc.syscall(number, *arguments)
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


def confine(allowed: str) -> None:
    try:
        ruleset = call(CREATE_RULESET, struct.pack("Q", WRITES), 8, 0)
    except OSError:
        sys.exit(NO_LANDLOCK)
    beneath = os.open(allowed, os.O_PATH)
    call(ADD_RULE, ruleset, PATH_BENEATH, struct.pack("=Qi", WRITES, beneath), 0)
    libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    call(RESTRICT_SELF, ruleset, 0)


async def outcome(place: str) -> str:
    try:
        await sink(Path(place), "json").write(record("new", 700))
    except RotationError as error:
        return error.code.text
    return "written"


if __name__ == "__main__":
    confine(sys.argv[1])
    print(*(asyncio.run(outcome(place)) for place in sys.argv[2:]))  # noqa: T201  the answer
