"""What the service manager is told: sd_notify(3), one datagram for each call.

    tell(environ, READY, status("2 of 2 credentials fresh"))

Who was not started by a service manager tells nobody, and nothing here raises or waits.
"""

from __future__ import annotations

import os
import re
import socket
from typing import TYPE_CHECKING

from rotator.operate.redaction import redact_text

if TYPE_CHECKING:
    from collections.abc import Mapping

READY = "READY=1"
"""The start, or a reload, has ended. Also ends a reload that took nothing over."""

STOPPING = "STOPPING=1"
"""The end has begun."""

ALIVE = "WATCHDOG=1"
"""There was progress. Tell it only then: it is what keeps the process from being killed."""

LONGEST_STATUS = 1024
"""Bytes of UTF-8. systemd drops a datagram of more than 4096 bytes, and what is told beside the status must fit too."""

SHORTEST_INTERVAL = 0.1
"""Seconds. A watchdog that waits for less than twice as long would have its process do nothing else."""

_MICROSECONDS = 1_000_000
_COUNT = re.compile(r"[1-9][0-9]{0,17}")


def tell(environ: Mapping[str, str], first: str, *more: str) -> str | None:
    """Send assignments to the socket that `NOTIFY_SOCKET` names.

    Args:
        environ: The environment as it was at the start.
        first: `READY`, `STOPPING`, `ALIVE`, or what `status`, `reloading` and `extend` return.
        more: Likewise.

    Returns:
        None when they were sent, or nobody wants to know; else why they were not: an address that is none, nobody
        there, or a queue that is full, since this does not wait. What matters can be told again.
    """
    place = environ.get("NOTIFY_SOCKET")
    if not place:
        return None
    if place[0] not in "/@":
        return f"NOTIFY_SOCKET is {place!r}; wanted a path from the root, or an abstract socket that begins with @"
    # An abstract socket's name begins with a NUL (unix(7)), which no variable can hold.
    address = b"\0" + os.fsencode(place[1:]) if place[0] == "@" else os.fsencode(place)
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sending:
            sending.setblocking(False)
            sending.sendto("\n".join((first, *more)).encode(), address)
    except (OSError, ValueError) as error:  # the latter: a NUL in a path
        why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        return f"the service manager at {place} was not told {first!r}: {why}"
    return None


def status(text: str) -> str:
    """The line that `systemctl status` shows to everybody on the machine: one line, without what looks like a secret.

    Args:
        text: For people. What is no printable character becomes a space, and what is too long is cut.
    """
    line = "".join(one if one.isprintable() else " " for one in redact_text(text))
    cut = line.encode("utf-8", "replace")[:LONGEST_STATUS].decode("utf-8", "ignore")
    return f"STATUS={cut}"


def reloading(monotonic: float) -> str:
    """A reload has begun, which READY ends; `Type=notify-reload` waits for both.

    Args:
        monotonic: Seconds of CLOCK_MONOTONIC, read after the signal came: on Linux, the event loop's own clock. systemd
            takes an earlier reading for an answer to an earlier signal.
    """
    return f"RELOADING=1\nMONOTONIC_USEC={int(monotonic * _MICROSECONDS)}"


def extend(seconds: float) -> str:
    """The start, the reload or the end that is under way may take so many seconds from now, whatever the unit says."""
    return f"EXTEND_TIMEOUT_USEC={int(seconds * _MICROSECONDS)}"


def feeding_interval(environ: Mapping[str, str], pid: int) -> float | None:
    """How often the service manager's watchdog wants to hear `ALIVE`: half of what it waits (sd_watchdog_enabled(3)).

    Args:
        environ: The environment as it was at the start.
        pid: Of this process.

    Returns:
        Seconds, `SHORTEST_INTERVAL` or more; None when no watchdog waits, or it waits for another process.
    """
    patience, wanted = environ.get("WATCHDOG_USEC", ""), environ.get("WATCHDOG_PID", "")
    if not _COUNT.fullmatch(patience) or wanted not in {"", str(pid)}:
        return None
    return max(int(patience) / _MICROSECONDS / 2, SHORTEST_INTERVAL)
