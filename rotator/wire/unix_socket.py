"""Unix sockets with a name in the file system: where they stand, whom they open to, and what a killed process left."""

from __future__ import annotations

import os
import socket
import stat
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ANSWERS_WITHIN = 1.0
"""Seconds after which a socket's owner counts as being there, though it does not answer."""


def bound_at(path: Path, mode: int, cure: str) -> socket.socket:
    """A socket with this name, which takes nobody in before its server listens.

    Args:
        path: Absolute; its directory is there.
        mode: Permission bits: whoever may write may connect.
        cure: What to do when another process listens there, as part of a sentence.

    Raises:
        OSError: The name is taken, or cannot be had; its text says why.
    """
    with near(path) as place:
        _make_room(place, path, cure)
        listening = bound(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM), str(place))
        try:
            # Nobody can connect yet; what the umask has left out is given here.
            place.chmod(mode)
        except BaseException:
            listening.close()
            raise
    return listening


def bound(listening: socket.socket, place: object) -> socket.socket:
    """The same socket, bound; closed when that fails.

    Raises:
        OSError: The place is taken, or cannot be had.
    """
    try:
        listening.setblocking(False)
        listening.bind(place)  # type: ignore[arg-type]  # a path or a pair, as the family wants it
    except BaseException:
        listening.close()
        raise
    return listening


def leave(path: Path) -> None:
    """Take a socket's name away. While its server still listens, for then nobody else can have put his there."""
    with suppress(OSError), near(path) as place:
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


def _make_room(place: Path, path: Path, cure: str) -> None:
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
    raise OSError(f"another rotator listens at {path}; wanted one socket each: {cure}")
