"""Clocks of one process that are set, or that have slept, while it runs. The machine's own are left alone.

The wall clock is set by libfaketime, which leaves CLOCK_MONOTONIC and CLOCK_BOOTTIME as they are. A suspend is what a
process sees of one: CLOCK_REALTIME and CLOCK_BOOTTIME are further on all at once, CLOCK_MONOTONIC, which timers run on,
is not. libfaketime cannot tell the two apart, so a few lines of C do that.
"""

from __future__ import annotations

import shutil
import struct
import subprocess
from pathlib import Path

PLACES = ("/usr/lib", "/usr/lib64", "/usr/local/lib")

ASLEEP = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>

static volatile const long long *slept;  /* seconds, in a file that others write */

__attribute__((constructor)) static void begin(void) {
    int fd = open(getenv("SLEPT_FILE"), O_RDONLY | O_CLOEXEC);
    void *map = fd < 0 ? MAP_FAILED : mmap(NULL, sizeof *slept, PROT_READ, MAP_SHARED, fd, 0);
    if (map == MAP_FAILED) abort();
    slept = map;
}

int clock_gettime(clockid_t id, struct timespec *at) {
    static int (*real)(clockid_t, struct timespec *);
    if (!real) real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    int failed = real(id, at);
    if (!failed && slept && (id == CLOCK_REALTIME || id == CLOCK_BOOTTIME)) at->tv_sec += *slept;
    return failed;
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


def libfaketime() -> Path | None:
    """The library, of Debian's package `libfaketime` or another; None where there is none."""
    found = (file for place in PLACES for file in Path(place).glob("**/libfaketimeMT.so.1"))
    return next(found, None)


def compiler() -> str | None:
    """A C compiler; None where there is none."""
    return shutil.which("cc")


class SetClock:
    """A wall clock that is wrong by so many seconds, for the process that is given `env`.

    Args:
        home: Where its file may be.
        wrong: Seconds by which it is wrong at first.
    """

    def __init__(self, home: Path, wrong: int = 0) -> None:
        library = libfaketime()
        assert library is not None, "libfaketime is wanted; on Debian: apt install libfaketime"
        self._file = home / "wrong-by"
        self.wrong = wrong
        self.env = {
            "LD_PRELOAD": str(library),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }
        self.set(wrong)

    def set(self, wrong: int) -> None:
        """Set it."""
        fresh = self._file.with_suffix(".new")
        fresh.write_text(f"{wrong:+d}\n")
        fresh.replace(self._file)
        self.wrong = wrong


class SleepyClocks:
    """The clocks of a machine that is suspended now and then, for the process that is given `env`."""

    def __init__(self, home: Path) -> None:
        self._file = home / "slept"
        self._file.write_bytes(struct.pack("q", 0))
        self.slept = 0
        source, library = home / "asleep.c", home / "asleep.so"
        source.write_text(ASLEEP)
        subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", library, source, "-ldl"], check=True)
        self.env = {"LD_PRELOAD": str(library), "SLEPT_FILE": str(self._file)}

    def suspend(self, seconds: int) -> None:
        """Let so much time have passed in sleep."""
        self.slept += seconds
        with self._file.open("r+b") as file:
            file.write(struct.pack("q", self.slept))
