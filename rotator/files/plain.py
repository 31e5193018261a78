"""Plain files of an open directory: telling them from whatever else may have a name there, opening and reading them."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rotator.core.errors import Code, RotationError
from rotator.files.system import translated

if TYPE_CHECKING:
    from rotator.files.directory import Directory

MAX_SIZE = 1 << 20
"""Bytes. What is larger is no token file, and is not read to its end."""

TRIES_TO_OPEN = 50
"""How often a file is opened that another process keeps to itself, as it does for microseconds."""

_KINDS = {
    stat.S_IFLNK: "a symbolic link",
    stat.S_IFDIR: "a directory",
    stat.S_IFIFO: "a FIFO",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


@dataclass(frozen=True, slots=True)
class Found:
    """A file as it was found.

    Attributes:
        content: At most `MAX_SIZE` + 1 bytes; not shown, since it holds a token.
        mode: Permission bits.
        uid: The owner.
        gid: The group.
    """

    content: bytes = field(repr=False)
    mode: int
    uid: int
    gid: int


def read(at: Directory, name: str) -> Found | None:
    """The file, or None if there is none.

    Raises:
        RotationError: FILE_UNSAFE when it is no plain file; FILE_DENIED, FILE_IO when it could not be read.
    """
    with translated(f"reading {at.path / name}"):
        opened = open_plain(at, name, os.O_RDONLY)
        if opened is None:
            return None
        fd, info = opened
        try:
            content = _read_all(at, fd)
        finally:
            at.fs.close(fd)
    return Found(content, stat.S_IMODE(info.st_mode), info.st_uid, info.st_gid)


def open_plain(at: Directory, name: str, flags: int) -> tuple[int, os.stat_result] | None:
    """Open a plain file; None if there is none. It neither follows a link nor waits for a FIFO's other end.

    Raises:
        RotationError: FILE_UNSAFE when it is no plain file.
        OSError: As lstat(2), open(2) and fstat(2) fail otherwise.
    """
    if not is_plain(at, name):
        return None
    try:
        fd = _open_without_waiting(at, name, flags | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    try:
        info = at.fs.fstat(fd)
        _refuse_unless_plain(info, at, name)
    except BaseException:
        at.fs.close(fd)
        raise
    return fd, info


def is_plain(at: Directory, name: str) -> bool:
    """Whether there is a plain file; False if there is nothing.

    Raises:
        RotationError: FILE_UNSAFE for what is neither.
        OSError: As lstat(2) fails otherwise.
    """
    try:
        info = at.fs.lstat(name, dir_fd=at.fd)
    except FileNotFoundError:
        return False
    _refuse_unless_plain(info, at, name)
    return True


def _refuse_unless_plain(info: os.stat_result, at: Directory, name: str) -> None:
    if not stat.S_ISREG(info.st_mode):
        kind = _KINDS.get(stat.S_IFMT(info.st_mode), "something unknown")
        raise RotationError(
            Code.FILE_UNSAFE,
            f"{at.path / name} is {kind}; wanted a plain file or nothing: remove it, or configure another path",
        )


def _open_without_waiting(at: Directory, name: str, flags: int) -> int:
    """Another rotator that writes in place keeps others from opening the file, for some microseconds."""
    for _ in range(TRIES_TO_OPEN):
        with suppress(BlockingIOError):
            return at.fs.open(name, flags, dir_fd=at.fd)
        os.sched_yield()
    return at.fs.open(name, flags, dir_fd=at.fd)


def _read_all(at: Directory, fd: int) -> bytes:
    content = b""
    while len(content) <= MAX_SIZE and (part := at.fs.read(fd, MAX_SIZE + 1 - len(content))):
        content += part
    return content
