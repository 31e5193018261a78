"""How the process itself is: figures that stay flat however long it runs, or something leaks."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

_STATUS, _DESCRIPTORS = Path("/proc/self/status"), "/proc/self/fd"


def vitals() -> dict[str, int]:
    """Resident memory (KiB), threads, open file descriptors, and asyncio's tasks, of this process and this loop.

    What cannot be had is left out: the first three are Linux's, and without a free descriptor nothing can be opened.
    """
    figures = {"tasks": len(asyncio.all_tasks())}
    try:
        fields = dict(line.split(":", 1) for line in _STATUS.read_text().splitlines() if ":" in line)
        figures["rss_kib"] = int(fields["VmRSS"].split()[0])
        figures["threads"] = int(fields["Threads"])
        figures["fds"] = len(os.listdir(_DESCRIPTORS)) - 1  # noqa: PTH208  a count; and less the one that lists
    except (OSError, KeyError):
        return figures
    return figures
