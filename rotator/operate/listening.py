"""Where the admin server listens: a unix socket that its mode guards, or an address."""

from __future__ import annotations

import os
import socket
import stat
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rotator.core.model import Secret

ANSWERS_WITHIN = 1.0
"""Seconds after which a socket's owner counts as being there, though it does not answer."""


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
        return _bound(listening, address)
    path = _given(settings.socket)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with near(path) as place:
        _make_room(place, path)
        listening = _bound(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM), str(place))
        # Nobody can connect yet; what the umask has left out is given here.
        place.chmod(settings.socket_mode)
    return listening


def leave(settings: HttpSettings) -> None:
    """Take the socket's name away, once nobody answers there any more."""
    if settings.socket is not None:
        with suppress(OSError), near(settings.socket) as place:
            place.unlink()


@contextmanager
def near(path: Path) -> Iterator[Path]:
    """The path by way of its open directory: an address in the file system may have 107 bytes and no more (unix(7)).

    Raises:
        OSError: There is no such directory, or it may not be entered.
    """
    directory = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
    try:
        yield Path(f"/proc/self/fd/{directory}") / path.name
    finally:
        os.close(directory)


def _bound(listening: socket.socket, place: object) -> socket.socket:
    try:
        listening.setblocking(False)
        listening.bind(place)  # type: ignore[arg-type]  # a path or a pair, as the family wants it
    except BaseException:
        listening.close()
        raise
    return listening


def _given(path: Path | None) -> Path:
    if path is None:
        raise TypeError("either a socket or an address is given")
    return path


def _make_room(place: Path, path: Path) -> None:
    """Remove a socket that a killed process left behind; one that answers belongs to somebody.

    Raises:
        OSError: The name is taken.
    """
    try:
        kind = place.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(kind):
        raise OSError(f"{path} is no socket; wanted a name that is free: move it away, or choose another one")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asking:
        asking.settimeout(ANSWERS_WITHIN)
        try:
            asking.connect(str(place))
        except ConnectionRefusedError:
            place.unlink()
            return
    raise OSError(f"another rotator listens at {path}; wanted one socket each: set http.listen, or stop the other one")
