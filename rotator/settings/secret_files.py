"""Files that hold secrets: where they are looked for, and who may read them (G07)."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

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


def check_secret(path: Path, *, shared: bool) -> None:
    """See that a secret file is there and closed to others; with `shared`, others may read it.

    Raises:
        UnsafeFileError: It is not.
    """
    if not os.path.lexists(path):
        # What stands in place of the name may be the secret itself, so it is not repeated.
        raise UnsafeFileError("a file that does not exist (its name is not shown)", "create it, or name another file")
    status = _status(path)
    forbidden = _OTHERS_WRITE if shared else _OTHERS
    if status.st_mode & forbidden:
        raise UnsafeFileError(f"{path} has mode {_mode(status)}, so that others can get at it", f"chmod o= {path}")
    if status.st_size == 0:
        raise UnsafeFileError(f"{path} is empty", "write the secret into it")


def check_configuration(path: Path) -> None:
    """See that nobody else could have written the configuration.

    Raises:
        UnsafeFileError: They could.
    """
    status = _status(path)
    if status.st_mode & _OTHERS_WRITE:
        raise UnsafeFileError(f"{path} has mode {_mode(status)}, so that others can change it", f"chmod o-w {path}")


def _status(path: Path) -> os.stat_result:
    try:
        status = path.stat()
    except OSError as error:
        why = "does not exist" if isinstance(error, FileNotFoundError) else f"cannot be looked at ({error.strerror})"
        raise UnsafeFileError(f"{path} {why}", "create it, or name another file") from None
    if not stat.S_ISREG(status.st_mode):
        raise UnsafeFileError(f"{path} is no plain file", "name a plain file")
    if status.st_uid not in {0, os.geteuid()}:
        raise UnsafeFileError(
            f"{path} belongs to user {status.st_uid}, who could change it", f"chown {os.geteuid()} {path}"
        )
    if not os.access(path, os.R_OK):
        raise UnsafeFileError(f"{path} cannot be read by user {os.geteuid()}", f"chown {os.geteuid()} {path}")
    return status


def _mode(status: os.stat_result) -> str:
    return f"{stat.S_IMODE(status.st_mode):04o}"
