"""What closes a process to others on the same machine: no core file, no ptrace, nothing to read below /proc/PID.

Linux has all of it; elsewhere what does not exist is left out.
"""

from __future__ import annotations

import ctypes
import os
import resource
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

UMASK = 0o077
"""Whatever is created is closed to others, until its own mode is set."""

_PR_SET_DUMPABLE = 4
_STAT = Path("/proc/self/stat")
_ENV_START = 47
"""Fields between the program's name and env_start in /proc/PID/stat (proc_pid_stat(5), fields 50 and 51)."""


def harden() -> None:
    """Keep this process's memory to itself, from now on and for its children's files too.

    Raises:
        OSError: The kernel refuses it.
    """
    os.umask(UMASK)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        # RLIMIT_CORE does not hold where core_pattern is a pipe; this does, and it closes ptrace and /proc/PID as well.
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0):
            raise OSError(ctypes.get_errno(), "prctl(PR_SET_DUMPABLE, 0) was refused")


def conceal(names: Iterable[str]) -> None:
    """Remove variables from this process's environment, for its children and in /proc/PID/environ.

    What the kernel shows there is the memory that the environment was handed over in, which unsetting leaves as it is.
    """
    gone = {name for name in names if os.environ.pop(name, None) is not None}
    if gone and sys.platform == "linux":
        begin, end = _handed_over()
        at = begin
        for entry in ctypes.string_at(begin, end - begin).split(b"\0"):
            if os.fsdecode(entry.partition(b"=")[0]) in gone:
                ctypes.memset(at, 0, len(entry))
            at += len(entry) + 1


def _handed_over() -> tuple[int, int]:
    """Where the environment lies that this process was started with: its first address, and the one behind it."""
    fields = _STAT.read_bytes().rpartition(b")")[2].split()
    return int(fields[_ENV_START]), int(fields[_ENV_START + 1])
