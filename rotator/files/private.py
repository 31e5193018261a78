"""Files with secrets: told from whatever else has their name, and refused when others can get at them (G07)."""

from __future__ import annotations

import os
import shlex
import stat
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rotator.files.directory import trusted_owners
from rotator.files.system import SYSTEM

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rotator.files.system import FileSystem

CURRENT = Path("..data")
"""The link of a volume of Kubernetes through which everything in it is reached: it is swapped when the content changes
(https://pkg.go.dev/k8s.io/kubernetes/pkg/volume/util#AtomicWriter)."""

_OTHERS = 0o007
_OTHERS_WRITE = 0o002


class UnsafeFileError(Exception):
    """A file is missing or may not be relied on.

    Attributes:
        cure: What to do.
    """

    def __init__(self, found: str, cure: str) -> None:
        super().__init__(found)
        self.cure = cure


@dataclass(frozen=True, slots=True)
class Opened:
    """A file or a directory that is held open: what is asked of it is answered by one and the same.

    Attributes:
        fd: Of it.
        path: As it was named, for messages.
        status: What it is.
        fs: The system calls.
    """

    fd: int
    path: Path
    status: os.stat_result
    fs: FileSystem


@contextmanager
def opened(path: Path, fs: FileSystem = SYSTEM, below: Opened | None = None) -> Iterator[Opened]:
    """Hold open what is there, whatever it is. Links are followed, and a named pipe is not waited for.

    Args:
        path: Absolute, or the name in a directory that is held open.
        fs: The system calls.
        below: That directory.

    Raises:
        OSError: As open(2) and fstat(2) fail.
    """
    fd = fs.open(str(path), os.O_RDONLY | os.O_NONBLOCK, dir_fd=None if below is None else below.fd)
    try:
        yield Opened(fd, path if below is None else below.path / path, fs.fstat(fd), fs)
    finally:
        fs.close(fd)


def content(file: Opened, most: int) -> bytes:
    """What a file holds.

    Args:
        file: The file.
        most: Bytes that it may hold.

    Raises:
        UnsafeFileError: It is no plain file, belongs to somebody else, or is too large.
        OSError: As read(2) fails.
    """
    status, path = file.status, file.path
    if not stat.S_ISREG(status.st_mode):
        raise UnsafeFileError(f"{path} is no plain file", "name a plain file")
    if status.st_uid not in trusted_owners():
        raise UnsafeFileError(
            f"{path} belongs to user {status.st_uid}, who could change it", f"chown {os.geteuid()} {quoted(path)}"
        )
    found = b""
    while len(found) <= most and (part := file.fs.read(file.fd, most + 1 - len(found))):
        found += part
    if len(found) > most:
        size = max(status.st_size, len(found))
        raise UnsafeFileError(f"{path} holds {size} bytes, more than {most}", "name the right file")
    return found


def refuse_if_others_can_read(file: Opened, *, shared: bool) -> None:
    """See that a file with a secret is closed to others.

    Args:
        file: The file.
        shared: Whether others may read it all the same. They may never write to it.

    Raises:
        UnsafeFileError: It is open to them.
    """
    status = file.status
    if status.st_mode & (_OTHERS_WRITE if shared else _OTHERS):
        what = "change" if status.st_mode & _OTHERS_WRITE else "get at"
        raise UnsafeFileError(f"{file.path} has mode {_mode(status)}: others can {what} it", _cure(file))


def refuse_if_others_can_write(file: Opened) -> None:
    """See that only its owner, and its group, can change a file.

    Raises:
        UnsafeFileError: Others can.
    """
    if file.status.st_mode & _OTHERS_WRITE:
        raise UnsafeFileError(
            f"{file.path} has mode {_mode(file.status)}: others can change it", f"chmod o-w {quoted(file.path)}"
        )


def _cure(file: Opened) -> str:
    """How to close a file to others. What a kubelet has put there cannot be changed in place, nor need it be."""
    if _is_projected(file.path) and not file.status.st_mode & _OTHERS_WRITE:
        return (
            "set fsGroup, or runAsUser, in the pod's securityContext, and the kubelet closes it; "
            "or set allow_shared_secret_files = true in [security]"
        )
    return f"chmod o= {quoted(file.path)}"


def _is_projected(path: Path) -> bool:
    """Whether the file is in a volume of Kubernetes: those lead through a link to what is current."""
    try:
        return path.parent.name == str(CURRENT) or path.readlink().parts[0] == str(CURRENT)
    except OSError:
        return False


def _mode(status: os.stat_result) -> str:
    return f"{stat.S_IMODE(status.st_mode):04o}"


def quoted(path: Path) -> str:
    """A path as a shell takes it."""
    return shlex.quote(str(path))
