"""Writing into a file instead of replacing it, for a bind mount of that one file, which follows the inode.

No system call changes a content and its length as one. So the new content goes to the disk first, whole, under a name
of its own beside the file; whoever finds that name later finishes what was cut off (a redo log). Then the file is made
shorter if it must be, written over by one call, and synced. It is never empty, and of a content of one line every
moment's mixture is one line as well: the beginning of the new one and the rest of the old one.

Most readers see no mixture at all. While it writes, rotator holds a write lease (fcntl(2), F_SETLEASE): the kernel
gives it when nobody else has the file open, and lets whoever opens it wait until it is given back. A reader that keeps
the file open costs everybody this protection, and so does a file system without leases. See ADR 18.
"""

from __future__ import annotations

import os
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from rotator.core.errors import Code, RotationError
from rotator.files import plain, writer
from rotator.files.directory import trusted_owners
from rotator.files.system import translated

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rotator.files.directory import Directory
    from rotator.files.writer import Access

LOG_MODE = 0o600

LEASE_TRIES = 50
"""How often the lease is asked for. Most readers have the file open for microseconds; each try gives way to them."""


def log_name(name: str) -> str:
    """Where the new content of `name` is while it is written; no temporary file is called so."""
    return f".{name}.rotator-new"


def write(at: Directory, name: str, content: bytes, access: Access) -> None:
    """Give `name` a new content and `access`, but no other inode. A file that is missing is made.

    Raises:
        RotationError: As `writer.replace`; also FILE_UNSAFE when the file has several names, or belongs to somebody who
            has no part in it. The old content stays or is put back; where not even that can be done, `finish` is left
            to do what was begun.
    """
    with translated(f"writing into {at.path / name}"):
        if (fd := _open(at, name, access)) is None:
            writer.replace(at, name, content, access)
            return
        try:
            old = at.fs.pread(fd, plain.MAX_SIZE, 0)
            writer.replace(at, log_name(name), content, writer.Access(LOG_MODE), part_of=name)
            try:
                _give(at, fd, name, access)
                _put(at, fd, content)
            except BaseException:
                with suppress(OSError):
                    _put(at, fd, old)
                    at.fs.unlink(log_name(name), dir_fd=at.fd)
                raise
            _settle(at, fd, name)
        finally:
            at.fs.close(fd)


def finish(at: Directory, name: str, access: Access) -> None:
    """Do what a process has begun that was killed, or whose disk failed.

    Raises:
        RotationError: As `write`; what was begun is still to be finished.
    """
    if (content := _logged(at, name)) is None:
        return
    with translated(f"finishing {at.path / name}"):
        if (fd := _open(at, name, access)) is None:
            at.fs.unlink(log_name(name), dir_fd=at.fd)
            return
        try:
            _give(at, fd, name, access)
            _put(at, fd, content)
            _settle(at, fd, name)
        finally:
            at.fs.close(fd)


def is_unfinished(at: Directory, name: str, content: bytes) -> bool:
    """Whether what was read of `name` is not what it was about to get.

    Raises:
        RotationError: FILE_*.
    """
    return _logged(at, name) not in {None, content}


def probe(at: Directory, name: str, access: Access) -> None:
    """Do all that `write` does but the writing, to learn now what it would meet.

    Raises:
        RotationError: As `write`.
    """
    writer.probe(at, name, access)
    with translated(f"trying to write into {at.path / name}"):
        if (fd := _open(at, name, access)) is not None:
            at.fs.close(fd)


def _open(at: Directory, name: str, access: Access) -> int | None:
    """The file, to be read and written; None if there is none.

    Whoever owns the file may hold it open and have given it other names, and would be shown every token to come.
    """
    opened = plain.open_plain(at, name, os.O_RDWR)
    if opened is None:
        return None
    fd, info = opened
    try:
        _refuse_if_shared(info, at, name, access)
    except RotationError:
        at.fs.close(fd)
        raise
    return fd


def _refuse_if_shared(info: os.stat_result, at: Directory, name: str, access: Access) -> None:
    if info.st_uid not in trusted_owners() | {access.uid}:
        raise RotationError(
            Code.FILE_UNSAFE,
            f"{at.path / name} belongs to uid {info.st_uid}, who would be shown each token that is written into it; "
            f"wanted uid {os.geteuid() if access.uid is None else access.uid}: move the file away, or `chown` it",
        )
    if info.st_nlink != 1:
        raise RotationError(
            Code.FILE_UNSAFE,
            f"{at.path / name} has {info.st_nlink} names, and a token that is written into it shows under each; "
            "wanted one: remove the others (`find -samefile` tells them), or leave in_place out",
        )


def _logged(at: Directory, name: str) -> bytes | None:
    """The content that `name` was about to get; None when nothing was begun. A stranger's file says nothing of it."""
    found = plain.read(at, log_name(name))
    return found.content if found is not None and found.uid in trusted_owners() else None


def _give(at: Directory, fd: int, name: str, access: Access) -> None:
    """Before the content, so that the new token is never under the old, wider mode."""
    info = at.fs.fstat(fd)
    uid = os.geteuid() if access.uid is None else access.uid
    gid = info.st_gid if access.gid is None else access.gid
    # Who has the file already is not asked for it: only root may give what belongs to others, even to themselves.
    new_uid, new_gid = (None if wanted == has else wanted for wanted, has in ((uid, info.st_uid), (gid, info.st_gid)))
    writer.give(at, fd, name, writer.Access(access.mode, new_uid, new_gid))


def _put(at: Directory, fd: int, content: bytes) -> None:
    """Shorten first and write then: the other way round, the rest of the old content would stand behind the new one."""
    with _alone(at, fd):
        if at.fs.fstat(fd).st_size > len(content):
            at.fs.ftruncate(fd, len(content))
        done = 0
        while done < len(content):
            done += at.fs.pwrite(fd, content[done:], done)


def _settle(at: Directory, fd: int, name: str) -> None:
    """A content that may not be on the disk keeps its log: should the power fail, it is written once more."""
    at.fs.fsync(fd)
    with suppress(OSError):  # a log that stays says what the file holds
        at.fs.unlink(log_name(name), dir_fd=at.fd)


@contextmanager
def _alone(at: Directory, fd: int) -> Iterator[None]:
    """Let whoever opens the file wait meanwhile, if that can be had."""
    leased = _lease(at, fd)
    try:
        yield
    finally:
        if leased:
            with suppress(OSError):  # closing the file gives it back as well
                at.fs.release(fd)


def _lease(at: Directory, fd: int) -> bool:
    for _ in range(LEASE_TRIES):
        try:
            at.fs.lease(fd)
        except BlockingIOError:  # somebody has the file open
            os.sched_yield()
        except OSError:  # no leases on this file system, or not for this user
            return False
        else:
            return True
    return False
