"""Ports on loopback for servers that come and go."""

from __future__ import annotations

import secrets
import socket

FIRST, LAST = 10_000, 30_000
"""Below the range from which the kernel hands out ports by itself (Linux begins at 32768): a server that is down for
a while finds its port free again, since nobody is given it by chance."""


def unused_port() -> int:
    """A port that is free now, as is the next one. Somebody may still be quicker than the server it is meant for."""
    while True:
        port = FIRST + 2 * secrets.randbelow((LAST - FIRST) // 2)
        if _is_free(port) and _is_free(port + 1):
            return port


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
