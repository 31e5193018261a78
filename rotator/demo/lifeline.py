"""Become another program that dies with its parent: `python -I -S lifeline.py PARENT PROGRAM ARGUMENT…`.

A wrapper and no `preexec_fn`, which is not safe in a process with threads. Only Linux knows the lifeline (`man
PR_SET_PDEATHSIG`); elsewhere a parent that is killed leaves the program behind. It is tied to the parent's thread that
starts the wrapper: start it from one that lives as long as the program is needed.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main() -> None:
    """Tie the lifeline, then replace this process by the program; its process id stays."""
    parent, *command = sys.argv[1:]
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != int(parent):  # it died before the lifeline held
            sys.exit(1)
    os.execv(command[0], command)  # noqa: S606  the point of this module


if __name__ == "__main__":
    main()
