"""What Linux says of another process (proc_pid_stat(5), proc_pid_status(5))."""

from __future__ import annotations

import os
from pathlib import Path

MIB = 1024.0
"""KiB."""


def cpu_seconds(pid: int) -> float:
    """CPU that a process and its threads have used since its start; to a hundredth of a second."""
    # The name of the program, in parentheses, may hold anything.
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident(pid: int) -> float:
    """Memory that it has now, MiB."""
    return _status(pid, "VmRSS")


def peak(pid: int) -> float:
    """The most memory that it ever had, MiB."""
    return _status(pid, "VmHWM")


def _status(pid: int, field: str) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) / MIB for line in lines if line.startswith(f"{field}:"))
