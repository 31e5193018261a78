"""A directory that is held open, after a look at who else could change what is in it.

Whoever may write to a directory, or swap one of those above it for a link of his own, decides where a token goes
(F09, F11). So the way is walked one component at a time, each opened below the one before it and never through a
link; a link is followed by hand, and only if root or this process's own user made it. openat2(RESOLVE_NO_SYMLINKS)
would refuse `/var/run` as well, which root made a link on purpose. What is swapped in by anybody else is either a link
of his or a directory of his, and both are refused. After that, every call goes through the open directory.
"""

from __future__ import annotations

import os
import stat
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rotator.core.errors import Code, RotationError
from rotator.files.system import translated

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rotator.files.system import FileSystem

MAX_LINKS = 40
"""Links followed on the way to one directory, as many as the kernel follows itself (path_resolution(7))."""


@dataclass(frozen=True, slots=True)
class Directory:
    """A directory that is open and that only root and this process's user can change.

    Attributes:
        fd: For the `dir_fd` of every call.
        path: As configured, for messages.
        fs: The system calls.
    """

    fd: int
    path: Path
    fs: FileSystem


@contextmanager
def opened(path: Path, fs: FileSystem) -> Iterator[Directory]:
    """Hold a directory open.

    Args:
        path: Absolute.
        fs: The system calls.

    Raises:
        RotationError: FILE_DIRECTORY_MISSING, FILE_DENIED, FILE_IO when it cannot be opened; FILE_UNSAFE when somebody
            else owns it, everybody may write to it, or a stranger's link leads there.
    """
    with ExitStack() as kept:
        with translated(f"opening the directory {path}"):
            fd = _walk(path, fs, kept)
            refuse_if_open_to_others(fs.fstat(fd), path)
        yield Directory(fd, path, fs)


def trusted_owners() -> frozenset[int]:
    """Whose files and directories may decide where tokens go: root's and our own."""
    return frozenset({0, os.geteuid()})


def _walk(path: Path, fs: FileSystem, kept: ExitStack) -> int:
    """Open the directory at the end of the way; `kept` closes it."""
    with ExitStack() as passed:

        def step(name: str, *, below: int | None) -> int:
            fd = fs.open(name, os.O_PATH | os.O_NOFOLLOW, dir_fd=below)
            passed.callback(_close, fs, fd, path)
            return fd

        here = root = step("/", below=None)
        todo = list(reversed(path.parts[1:]))
        links = 0
        while todo:
            name = todo.pop()
            fd = step(name, below=here)
            info = fs.fstat(fd)
            if not stat.S_ISLNK(info.st_mode):
                here = fd
                continue
            links += 1
            _refuse_if_strange(info, links, name, path)
            target = Path(fs.readlink(fd))
            here = root if target.is_absolute() else here
            todo.extend(part for part in reversed(target.parts) if part != "/")
        fd = fs.open(".", os.O_RDONLY | os.O_DIRECTORY, dir_fd=here)
        kept.callback(_close, fs, fd, path)
        return fd


def _close(fs: FileSystem, fd: int, path: Path) -> None:
    with translated(f"closing the directory {path}"):
        fs.close(fd)


def _refuse_if_strange(info: os.stat_result, links: int, name: str, path: Path) -> None:
    if info.st_uid not in trusted_owners():
        raise RotationError(
            Code.FILE_UNSAFE,
            f"on the way to {path}, {name} is a symbolic link made by uid {info.st_uid}, and only those of root and of "
            f"uid {os.geteuid()} are followed: configure the path without the link",
        )
    if links > MAX_LINKS:
        raise RotationError(
            Code.FILE_UNSAFE, f"the way to {path} goes through more than {MAX_LINKS} symbolic links: {name} is a loop"
        )


def refuse_if_open_to_others(info: os.stat_result, path: Path) -> None:
    """See that nobody else can change what is in a directory.

    Raises:
        RotationError: FILE_UNSAFE.
    """
    if info.st_uid not in trusted_owners():
        raise RotationError(
            Code.FILE_UNSAFE,
            f"the directory {path} belongs to uid {info.st_uid}, who could replace what is in it; wanted root or uid "
            f"{os.geteuid()}: `chown {os.geteuid()} {path}`, or choose another directory",
        )
    if info.st_mode & stat.S_IWOTH and not info.st_mode & stat.S_ISVTX:
        raise RotationError(
            Code.FILE_UNSAFE,
            f"everybody may write to the directory {path} (mode {stat.S_IMODE(info.st_mode):04o}): `chmod o-w {path}`, "
            "or use a subdirectory that only rotator may write to",
        )
