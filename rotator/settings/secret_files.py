"""Files that hold secrets: where they are looked for, and who may read them (G07)."""

from __future__ import annotations

import errno
import os
import shlex
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from rotator.core.model import Secret

if TYPE_CHECKING:
    from collections.abc import Mapping

LARGEST_SECRET = 64 * 1024
"""Bytes."""

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


def find(name: Path, beside: Path, environ: Mapping[str, str]) -> Path:
    """The file that a reference means.

    Relative names are looked up in $CREDENTIALS_DIRECTORY (systemd's LoadCredential=) first, then in `beside`.
    """
    if name.is_absolute():
        return name
    handed = environ.get("CREDENTIALS_DIRECTORY")
    if handed and os.path.exists(Path(handed) / name):  # noqa: PTH110  Path.exists raises for names that are too long
        return Path(handed) / name
    return beside / name


def read_secret(path: Path, *, shared: bool) -> Secret:
    """The secret in a file, without the line end after it.

    Args:
        path: Of the file; a symbolic link is followed.
        shared: Whether others may read it. They may never write to it.

    Raises:
        UnsafeFileError: It is missing, empty, too large, no text of one line, or open to others.
    """
    text = _read_closed(path, shared=shared)
    if not text.isprintable():
        raise UnsafeFileError(f"{path} holds several lines or control characters", "leave nothing in it but the secret")
    return Secret(text)


def read_key(path: Path, *, shared: bool) -> Secret:
    """The private key in a file, in PEM, whose form is looked at where it is used. See `read_secret`."""
    return Secret(_read_closed(path, shared=shared))


def read_certificate(path: Path, *, shared: bool) -> Secret:
    """The certificate in a file, in PEM, which everybody may read. See `read_key`."""
    del shared
    content, _ = _read(path, LARGEST_SECRET, "put the certificate there, or name the file that holds it", hidden=True)
    return Secret(content.decode(errors="replace"))


def _read_closed(path: Path, *, shared: bool) -> str:
    """The text in a file that is closed to others, without the line end after it."""
    content, status = _read(path, LARGEST_SECRET, "put the secret there, or name the file that holds it", hidden=True)
    if status.st_mode & (_OTHERS_WRITE if shared else _OTHERS):
        what = "change" if status.st_mode & _OTHERS_WRITE else "get at"
        raise UnsafeFileError(f"{path} has mode {_mode(status)}: others can {what} it", _cure(path, status))
    try:
        text = content.decode("utf-8").removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        text = None  # refused below: an exception raised here would carry this one along, and with it what was read
    if text is None:
        raise UnsafeFileError(f"{path} holds bytes that are no UTF-8", "write the secret into it as text")
    if not text.strip():
        raise UnsafeFileError(f"{path} is empty", "write the secret into it")
    return text


def read_configuration(
    path: Path, most: int, cure: str = "create it, or name another file with -c"
) -> tuple[bytes, UnsafeFileError | None]:
    """The content of the configuration or of a part of it, and why somebody else could have written it, if so.

    Args:
        path: Of the file; a symbolic link is followed.
        most: Bytes.
        cure: What to do when it is missing.

    Raises:
        UnsafeFileError: It cannot be read at all, or belongs to somebody else.
    """
    content, status = _read(path, most, cure, hidden=False)
    if status.st_mode & _OTHERS_WRITE:
        return content, UnsafeFileError(
            f"{path} has mode {_mode(status)}: others can change it", f"chmod o-w {_quoted(path)}"
        )
    return content, None


def _read(path: Path, most: int, cure: str, *, hidden: bool) -> tuple[bytes, os.stat_result]:
    """What the file holds and what it is, of one and the same file."""
    try:
        # Without waiting: a named pipe is refused below instead of being waited for.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            status = os.fstat(descriptor)
            _refuse_strange(path, status, most)
            with os.fdopen(descriptor, "rb", closefd=False) as file:
                return file.read(most), status
        finally:
            os.close(descriptor)
    except PermissionError:
        owner = os.geteuid()
        raise UnsafeFileError(f"{path} cannot be read by user {owner}", f"chown {owner} {_quoted(path)}") from None
    except OSError as error:
        # The name stays out where a secret may have been written in its place.
        missing = error.errno in {errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG}
        why = "does not exist" if missing else f"cannot be read: {os.strerror(error.errno or errno.EIO)}"
        raise UnsafeFileError(f"a file that {why}{' (its name is not shown)' if hidden else ''}", cure) from None


def _refuse_strange(path: Path, status: os.stat_result, most: int) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise UnsafeFileError(f"{path} is no plain file", "name a plain file")
    if status.st_uid not in {0, os.geteuid()}:
        raise UnsafeFileError(
            f"{path} belongs to user {status.st_uid}, who could change it", f"chown {os.geteuid()} {_quoted(path)}"
        )
    if status.st_size > most:
        raise UnsafeFileError(f"{path} holds {status.st_size} bytes, more than {most}", "name the right file")


def _mode(status: os.stat_result) -> str:
    return f"{stat.S_IMODE(status.st_mode):04o}"


def _cure(path: Path, status: os.stat_result) -> str:
    """How to close a file to others. What a kubelet has put there cannot be changed in place, nor need it be."""
    if _is_projected(path) and not status.st_mode & _OTHERS_WRITE:
        return (
            "set fsGroup, or runAsUser, in the pod's securityContext, and the kubelet closes it; "
            "or set allow_shared_secret_files = true in [security]"
        )
    return f"chmod o= {_quoted(path)}"


def _is_projected(path: Path) -> bool:
    """Whether the file is in a volume of Kubernetes: those lead through a link ..data to what is current."""
    try:
        return path.readlink().parts[0] == "..data"
    except OSError:
        return False


def _quoted(path: Path) -> str:
    return shlex.quote(str(path))
