"""Files that hold secrets: where they are looked for, and who may read them (G07)."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import TYPE_CHECKING

from rotator.core.model import Secret
from rotator.files import private
from rotator.files.private import UnsafeFileError, quoted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rotator.files.private import Opened

__all__ = ["UnsafeFileError", "find", "read_certificate", "read_configuration", "read_key", "read_secret"]

LARGEST_SECRET = 64 * 1024
"""Bytes."""


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
    content, file = _read(path, LARGEST_SECRET, "put the secret there, or name the file that holds it", hidden=True)
    private.refuse_if_others_can_read(file, shared=shared)
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
    content, file = _read(path, most, cure, hidden=False)
    try:
        private.refuse_if_others_can_write(file)
    except UnsafeFileError as unsafe:
        return content, unsafe
    return content, None


def _read(path: Path, most: int, cure: str, *, hidden: bool) -> tuple[bytes, Opened]:
    """What the file holds, and what it was when that was read."""
    try:
        with private.opened(path) as file:
            return private.content(file, most), file
    except PermissionError:
        owner = os.geteuid()
        raise UnsafeFileError(f"{path} cannot be read by user {owner}", f"chown {owner} {quoted(path)}") from None
    except OSError as error:
        # The name stays out where a secret may have been written in its place.
        missing = error.errno in {errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG}
        why = "does not exist" if missing else f"cannot be read: {os.strerror(error.errno or errno.EIO)}"
        raise UnsafeFileError(f"a file that {why}{' (its name is not shown)' if hidden else ''}", cure) from None
