"""Replacing one file of an open directory, whole or not at all.

The new content goes into a temporary file of the same directory (so that no rename crosses file systems, F15), which
is nobody else's (F10) and gets its owner and then its mode before it gets its name (F13, F14). The content is on the
disk before the name is, and the name before the call returns (F05, F19). Whatever fails, the temporary file goes and
the old one stays. A process that is killed leaves its temporary file behind; `sweep` finds it by its name (F02, F03).
Nothing tells such a file from one that another rotator is writing this very moment, and no lock does so surely: a
stranger may hold it, some file systems have none, and a file is there before its lock is. So a sweep takes both, and
who misses his file when he is about to rename it writes another one.

A hard link is replaced like any file: its other names keep the old content, and nothing is written through it (F12).
"""

from __future__ import annotations

import errno
import os
import re
import secrets
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rotator.core.errors import Code, RotationError
from rotator.files.plain import is_plain
from rotator.files.system import translated

if TYPE_CHECKING:
    from rotator.files.directory import Directory

RANDOM_DIGITS = 8
"""Hex digits that nobody guesses; in the temporary file's name."""

TRIES = 8
"""How often one content is written while its temporary file is swept away; every start of a rotator sweeps once."""


@dataclass(frozen=True, slots=True)
class Access:
    """Who may read a file.

    Attributes:
        mode: Permission bits.
        uid: The owner; None leaves it to be this process's user.
        gid: The group; None leaves it as the directory gives it.
    """

    mode: int
    uid: int | None = None
    gid: int | None = None


def temporary_name(name: str) -> str:
    """A name for the next content of `name`, which no glob for `name` and no other file has."""
    return f".{name}.rotator-{secrets.token_hex(RANDOM_DIGITS // 2)}"


def replace(at: Directory, name: str, content: bytes, access: Access, part_of: str = "") -> None:
    """Give `name` a new content. A reader finds the old file or the new one, and never a wider mode than `access`.

    Args:
        at: The directory.
        name: Of the file.
        content: What it is to hold.
        access: Who may read it.
        part_of: The file that this one belongs to, whose sweep removes temporary files of both; left out: itself.

    Raises:
        RotationError: FILE_UNSAFE when the name is taken by something else than a plain file; FILE_OWNER when the file
            may not be given to its owner or group; FILE_* when the file system refuses. The old file is still there,
            unless only the last step failed, which makes the new name durable.
    """
    with translated(f"writing {at.path / name}"):
        is_plain(at, name)
        for _ in range(TRIES):
            if _replace(at, name, content, access, part_of or name):
                return
    raise RotationError(
        Code.FILE_IO,
        f"somebody removed each of {TRIES} temporary files for {at.path / name} before it could get its name; wanted "
        "them left alone: see what cleans up there",
    )


def probe(at: Directory, name: str, access: Access) -> None:
    """Do all that `replace` does but the replacing, to learn now what it would meet.

    Raises:
        RotationError: As `replace`.
    """
    with translated(f"trying to write {at.path / name}"):
        is_plain(at, name)
        temporary, fd = _create(at, name)
        try:
            try:
                give(at, fd, name, access)
            finally:
                at.fs.close(fd)
        finally:
            _discard(at, temporary)


def sweep(at: Directory, name: str) -> None:
    """Remove what killed processes left behind of `name`.

    Raises:
        RotationError: FILE_* when the directory cannot be listed.
    """
    stale = re.compile(rf"\.{re.escape(name)}\.rotator-[0-9a-f]{{{RANDOM_DIGITS}}}")
    with translated(f"looking for left-over files in {at.path}"):
        for found in at.fs.listdir(at.fd):
            if stale.fullmatch(found):
                _discard(at, found)


def give(at: Directory, fd: int, name: str, access: Access) -> None:
    """Owner and group first: the mode opens the file to nobody before they are right.

    Raises:
        RotationError: FILE_OWNER.
        OSError: As fchown(2) and fchmod(2) fail otherwise.
    """
    if access.uid is not None or access.gid is not None:
        uid, gid = (-1 if wanted is None else wanted for wanted in (access.uid, access.gid))
        try:
            at.fs.fchown(fd, uid, gid)
        except (PermissionError, OverflowError):
            raise _not_ours_to_give(at, name, access) from None
    at.fs.fchmod(fd, access.mode)


def _replace(at: Directory, name: str, content: bytes, access: Access, part_of: str) -> bool:
    """Write once; False when the temporary file was gone before it could get its name."""
    temporary, fd = _create(at, part_of)
    try:
        try:
            _write_all(at, fd, content)
            give(at, fd, name, access)
            at.fs.fsync(fd)
        finally:
            at.fs.close(fd)
        _rename(at, temporary, name)
    except FileNotFoundError:  # only a rename looks for a name here
        _discard(at, temporary)
        return False
    except BaseException:
        _discard(at, temporary)
        raise
    at.fs.fsync(at.fd)
    return True


def _rename(at: Directory, temporary: str, name: str) -> None:
    try:
        at.fs.rename(temporary, name, dir_fd=at.fd)
    except OSError as error:
        if error.errno != errno.EBUSY:
            raise
    else:
        return
    raise RotationError(
        Code.FILE_UNSAFE,
        f"{at.path / name} is a mount of its own, which nothing can take the place of; wanted a name in a directory: "
        "mount the directory instead of the file, or set in_place = true",
    )


def _create(at: Directory, name: str) -> tuple[str, int]:
    temporary = temporary_name(name)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    return temporary, at.fs.open(temporary, flags, 0o600, dir_fd=at.fd)


def _write_all(at: Directory, fd: int, content: bytes) -> None:
    left = content
    while left:
        left = left[at.fs.write(fd, left) :]


def _not_ours_to_give(at: Directory, name: str, access: Access) -> RotationError:
    receiver = " and ".join(
        f"{kind} {wanted}" for kind, wanted in (("uid", access.uid), ("gid", access.gid)) if wanted is not None
    )
    return RotationError(
        Code.FILE_OWNER,
        f"uid {os.geteuid()} may not give {at.path / name} to {receiver}: let rotator's user be a member of the group "
        "and leave owner out, or run rotator with CAP_CHOWN",
    )


def _discard(at: Directory, temporary: str) -> None:
    """Remove a temporary file. One that stays is swept later, and must not hide what went wrong before."""
    with suppress(OSError):
        at.fs.unlink(temporary, dir_fd=at.fd)
