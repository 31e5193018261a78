"""Clocks of one process that are set, or that have slept, while it runs. The machine's own are left alone.

A library that is loaded before libc (LD_PRELOAD) adds to what the kernel says: to CLOCK_REALTIME when the clock is set;
to CLOCK_REALTIME and CLOCK_BOOTTIME when the machine has slept. CLOCK_MONOTONIC, which timers run on, is left alone: it
is not set and stands still in sleep. libfaketime cannot tell a suspend from a step, and with CLOCK_MONOTONIC left alone
it slowed rotator down thirty times (its threads wait for one another), which is what lateness would then show.
"""

from __future__ import annotations

import shutil
import struct
import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

NO_COMPILER = "a C compiler (cc) is wanted, for the library that meddles with the clocks of one process"

LIBRARY = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>

static const volatile struct { long long wrong, slept; } *by;  /* seconds, in a file that others write */

__attribute__((constructor)) static void begin(void) {
    int fd = open(getenv("CLOCKS_FILE"), O_RDONLY | O_CLOEXEC);
    void *map = fd < 0 ? MAP_FAILED : mmap(NULL, sizeof *by, PROT_READ, MAP_SHARED, fd, 0);
    if (map == MAP_FAILED) abort();
    by = map;
}

int clock_gettime(clockid_t id, struct timespec *at) {
    static int (*real)(clockid_t, struct timespec *);
    if (!real) real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    int failed = real(id, at);
    if (failed || !by) return failed;
    if (id == CLOCK_REALTIME) at->tv_sec += by->wrong + by->slept;
    if (id == CLOCK_BOOTTIME) at->tv_sec += by->slept;
    return 0;
}

int gettimeofday(struct timeval *at, void *zone) {
    struct timespec now;
    (void)zone;
    if (clock_gettime(CLOCK_REALTIME, &now)) return -1;
    at->tv_sec = now.tv_sec;
    at->tv_usec = now.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *at) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (at) *at = now.tv_sec;
    return now.tv_sec;
}
"""


def compiler() -> str | None:
    """A C compiler; None where there is none."""
    return shutil.which("cc")


class MeddledClocks:
    """The clocks of a process that is given `env`.

    Args:
        home: Where its files may be.
        wrong: Seconds by which its wall clock is wrong at first.

    Attributes:
        off: Seconds by which its wall clock and that of everybody else are apart.
        env: What the process needs in its environment.
    """

    def __init__(self, home: Path, wrong: int = 0) -> None:
        assert compiler(), NO_COMPILER
        self._wrong, self._slept = wrong, 0
        self._file = home / "clocks"
        self._file.write_bytes(bytes(16))
        self._write()
        source, library = home / "clocks.c", home / "clocks.so"
        source.write_text(LIBRARY)
        subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", library, source, "-ldl"], check=True)
        self.env = {"LD_PRELOAD": str(library), "CLOCKS_FILE": str(self._file)}

    @property
    def off(self) -> int:
        return self._wrong + self._slept

    def set(self, wrong: int) -> None:
        """Set its wall clock, to be wrong by so many seconds."""
        self._wrong = wrong
        self._write()

    def suspend(self, seconds: int) -> None:
        """Let so much time have passed in sleep."""
        self._slept += seconds
        self._write()

    def _write(self) -> None:
        with self._file.open("r+b", buffering=0) as file:
            file.write(struct.pack("qq", self._wrong, self._slept))
