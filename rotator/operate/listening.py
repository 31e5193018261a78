"""Where the admin server listens: a unix socket that its mode guards, or an address."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rotator.wire import unix_socket

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from rotator.core.model import Secret

CURE = "set http.listen, or stop the other one"


@dataclass(frozen=True, slots=True)
class HttpSettings:
    """Where to listen, and what is allowed there.

    Attributes:
        socket: Path of the unix socket; None to listen on an address.
        address: Host and port; None to listen on a socket.
        socket_mode: Permission bits of the socket.
        actions: What may be asked for by POST: `reload`, `rotate`.
        bearer: Reads what POST must show; None where the socket's mode is guard enough.
    """

    socket: Path | None
    address: tuple[str, int] | None
    socket_mode: int = 0o600
    actions: frozenset[str] = frozenset()
    bearer: Callable[[], Secret] | None = None

    @property
    def place(self) -> str:
        """As http.listen has it."""
        if self.address is None:
            return f"unix:{self.socket}"
        host, port = self.address
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def listen(settings: HttpSettings) -> socket.socket:
    """A socket that is bound and takes nobody in before its server does.

    Raises:
        OSError: The place is taken, or cannot be had; its text says why.
    """
    if settings.address is not None:
        family, *_, address = socket.getaddrinfo(*settings.address, type=socket.SOCK_STREAM)[0]
        listening = socket.socket(family, socket.SOCK_STREAM)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        return unix_socket.bound(listening, address)
    path = _given(settings.socket)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    return unix_socket.bound_at(path, settings.socket_mode, CURE)


def leave(settings: HttpSettings) -> None:
    """Take the socket's name away, once nobody answers there any more."""
    if settings.socket is not None:
        unix_socket.leave(settings.socket)


def _given(path: Path | None) -> Path:
    if path is None:
        raise TypeError("either a socket or an address is given")
    return path
