"""Where the local socket stands: in a directory that only root and rotator's own user can change."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rotator.wire.unix_socket import bound_at

if TYPE_CHECKING:
    import socket
    from pathlib import Path

CURE = "set local.socket, or stop the other one"

DIRECTORY_MODE = 0o755
"""Of a directory that is made for the socket: consumers have to get through."""


@dataclass(frozen=True, slots=True)
class LocalSettings:
    """Where to listen.

    Attributes:
        path: Absolute.
        mode: Permission bits of the socket: who may connect at all. Who gets an answer is decided by who he is.
    """

    path: Path
    mode: int = 0o666


def listen(settings: LocalSettings) -> socket.socket:
    """A socket that is bound and takes nobody in before its server does.

    Raises:
        OSError: The place is taken, is not safe, or cannot be had; its text says why.
    """
    directory = settings.path.parent
    try:
        directory.mkdir()
    except FileExistsError:
        pass
    else:
        directory.chmod(DIRECTORY_MODE)  # whatever the umask
    _refuse_unsafe(directory)
    return bound_at(settings.path, settings.mode, CURE)


def _refuse_unsafe(directory: Path) -> None:
    """Whoever could put a socket of his own there would be asked in rotator's place."""
    status = directory.stat()
    mine = os.geteuid()
    if status.st_uid not in {0, mine}:
        raise OSError(
            f"the directory {directory} belongs to uid {status.st_uid}, who could replace the socket; wanted root or "
            f"uid {mine}: `chown {mine} {directory}`, or choose another directory"
        )
    if status.st_mode & stat.S_IWOTH and not status.st_mode & stat.S_ISVTX:
        raise OSError(
            f"everybody may write to the directory {directory} (mode {stat.S_IMODE(status.st_mode):04o}): "
            f"`chmod o-w {directory}`, or use a subdirectory that only rotator may write to"
        )
