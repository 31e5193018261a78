"""The system calls of this room as one object to hand in, and what their failures mean."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rotator.core.errors import Code, RotationError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path


class FileSystem:
    """The calls as the kernel has them, so that a test can let each of them fail or end the process.

    Nothing here but `mkdir` takes a whole path: everything else goes through a directory that is held open.
    """

    def open(self, name: str, flags: int, mode: int = 0o600, *, dir_fd: int | None = None) -> int:
        """Open below `dir_fd`; never inherited by a child."""
        return os.open(name, flags | os.O_CLOEXEC, mode, dir_fd=dir_fd)

    def close(self, fd: int) -> None:
        """Close: the descriptor is gone also when it fails."""
        os.close(fd)

    def fstat(self, fd: int) -> os.stat_result:
        """What is known of an open file."""
        return os.fstat(fd)

    def lstat(self, name: str, *, dir_fd: int) -> os.stat_result:
        """What is known of a name: of a link itself, not of what it points to."""
        return os.stat(name, dir_fd=dir_fd, follow_symlinks=False)

    def readlink(self, fd: int) -> str:
        """Where a link points that is held open with O_PATH."""
        return os.readlink("", dir_fd=fd)

    def read(self, fd: int, size: int) -> bytes:
        """Read up to `size` bytes; none at the end."""
        return os.read(fd, size)

    def write(self, fd: int, content: bytes) -> int:
        """Write: the kernel may take a part only."""
        return os.write(fd, content)

    def pread(self, fd: int, size: int, offset: int) -> bytes:
        """Read up to `size` bytes from there on."""
        return os.pread(fd, size, offset)

    def pwrite(self, fd: int, content: bytes, offset: int) -> int:
        """Write over what is there: the kernel may take a part only."""
        return os.pwrite(fd, content, offset)

    def ftruncate(self, fd: int, size: int) -> None:
        """Cut off what is beyond."""
        os.ftruncate(fd, size)

    def lease(self, fd: int) -> None:
        """Let others wait who open this file, until `release`; BlockingIOError when somebody has it open (fcntl(2)).

        Whoever waits is told of by a signal. It is one that is ignored unless somebody asks for it: the usual one,
        SIGIO, would end the process.
        """
        fcntl.fcntl(fd, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_WRLCK)

    def release(self, fd: int) -> None:
        """Let them go on."""
        fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_UNLCK)

    def fchown(self, fd: int, uid: int, gid: int) -> None:
        """Change owner and group; -1 leaves an id as it is."""
        os.fchown(fd, uid, gid)

    def fchmod(self, fd: int, mode: int) -> None:
        """Change the mode, which no umask touches here."""
        os.fchmod(fd, mode)

    def fsync(self, fd: int) -> None:
        """Wait until it is on the disk."""
        os.fsync(fd)

    def rename(self, old: str, new: str, *, dir_fd: int) -> None:
        """Rename within one directory, replacing what has the new name."""
        os.rename(old, new, src_dir_fd=dir_fd, dst_dir_fd=dir_fd)

    def unlink(self, name: str, *, dir_fd: int) -> None:
        """Remove a name."""
        os.unlink(name, dir_fd=dir_fd)

    def listdir(self, fd: int) -> list[str]:
        """The names in an open directory."""
        return os.listdir(fd)

    def mkdir(self, path: Path, mode: int) -> None:
        """Make a directory."""
        path.mkdir(mode)


SYSTEM = FileSystem()
"""The real one."""

_CODES: Mapping[int, Code] = {
    errno.ENOSPC: Code.FILE_NO_SPACE,
    errno.EDQUOT: Code.FILE_NO_SPACE,
    errno.EROFS: Code.FILE_READ_ONLY,
    errno.EACCES: Code.FILE_DENIED,
    errno.EPERM: Code.FILE_DENIED,
    errno.ENOENT: Code.FILE_DIRECTORY_MISSING,
    errno.ENOTDIR: Code.FILE_DIRECTORY_MISSING,
    errno.ELOOP: Code.FILE_UNSAFE,
    errno.EISDIR: Code.FILE_UNSAFE,
}
"""What an errno means for a sink. Every other one is FILE_IO: NFS's ESTALE, EMFILE, a disk's EIO."""


def meaning(error: OSError, doing: str) -> RotationError:
    """The error that a failed call is for the rest of rotator.

    Args:
        error: As the kernel gave it.
        doing: What was tried, with the path: `writing /run/rotator/billing.token`.
    """
    number = error.errno or 0
    name = errno.errorcode.get(number, "an unknown error")
    return RotationError(_CODES.get(number, Code.FILE_IO), f"{doing} failed: {os.strerror(number)} ({name})")


@contextmanager
def translated(doing: str) -> Iterator[None]:
    """Turn an OSError of the block into a RotationError; see `meaning`."""
    try:
        yield
    except OSError as error:
        raise meaning(error, doing) from None
