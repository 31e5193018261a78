"""Holds the main thread of a process where it is: `python -I hang.py PID`. Runs in the machine, with its Python alone.

The event loop hangs then, as in a call that does not return, while the process lives and its other threads go on. Says
`hung` once it is so, and ends when the process does: who traces a thread has to see it end before its parent can.
"""

from __future__ import annotations

import ctypes
import os
import sys

PTRACE_SEIZE, PTRACE_INTERRUPT = 0x4206, 0x4207
WAIT_FOR_THREADS = 0x40000000  # __WALL


def main() -> None:
    """See above."""
    pid = int(sys.argv[1])
    libc = ctypes.CDLL(None, use_errno=True)
    libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
    for request in (PTRACE_SEIZE, PTRACE_INTERRUPT):
        if libc.ptrace(request, pid, None, None):
            raise OSError(ctypes.get_errno(), f"ptrace request {request:#x} on {pid} was refused")
    _, status = os.waitpid(pid, WAIT_FOR_THREADS)
    if not os.WIFSTOPPED(status):
        raise RuntimeError(f"process {pid} did not stop: {status}")
    print("hung", flush=True)  # noqa: T201  what the test waits for
    while os.WIFSTOPPED(status):
        _, status = os.waitpid(pid, WAIT_FOR_THREADS)


if __name__ == "__main__":
    main()
