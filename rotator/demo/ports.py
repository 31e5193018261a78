"""Ports on loopback for servers that come and go."""

from __future__ import annotations

import secrets
import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

QUIET = range(10_000, 30_000, 2)
"""Below the range from which the kernel hands out ports by itself (Linux begins at 32768): a server that is down for
a while finds its port free again, since nobody is given it by chance."""

ATTEMPTS = 5


def to_try(port: int, among: Sequence[int] = QUIET) -> list[int]:
    """The ports for a server that starts: the one that it had; some that are unused if it had none, which is 0.

    Several, since somebody may be quicker than the server between our look at a port and its own.
    """
    return [port] if port else [_unused(among) for _ in range(ATTEMPTS)]


def _unused(among: Sequence[int]) -> int:
    """A port that is free now, as is the next one, which OpenBao takes as well."""
    while True:
        port = secrets.choice(among)
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
