"""Secrets that logins are given: handed in, in a file, or behind a function. They are read anew at each login (V13)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from rotator.core.errors import Code, RotationError, whence
from rotator.core.model import Secret

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, slots=True)
class SecretFile:
    """A file that holds nothing but a secret, and that somebody has to look at before it is relied on.

    Attributes:
        path: The file.
        read: Reads it; raises RotationError where it may not be relied on.
    """

    path: Path
    read: Callable[[Path], Secret]


SecretInput: TypeAlias = "Secret | Path | SecretFile | Callable[[], Secret]"
"""A secret handed in, a file that holds nothing else, or a function that fetches it."""


def fetch(source: SecretInput, what: str) -> Secret:
    """The secret, read now; surrounding white space of a file is no part of it.

    Raises:
        RotationError: VAULT_LOGIN_REFUSED when the file cannot be read, is empty, or is no single line of text.
    """
    if isinstance(source, Secret):
        return source
    if isinstance(source, SecretFile):
        return _fetched(partial(source.read, source.path), what)
    if not isinstance(source, Path):
        return _fetched(source, what)
    try:
        text = source.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise refused(f"{what} cannot be read from {source}: {type(error).__name__}") from None
    except UnicodeDecodeError:
        text = None  # refused below: an exception raised here would carry this one along, and with it what was read
    if text is None:
        raise refused(f"{source} holds bytes that are no UTF-8, wanted {what} and nothing else")
    if not text or not text.isprintable():
        found = "nothing" if not text else "several lines or control characters"
        raise refused(f"{source} holds {found}, wanted {what} and nothing else")
    return Secret(text)


def _fetched(source: Callable[[], Secret], what: str) -> Secret:
    try:
        return source()
    except RotationError:
        raise
    except Exception as error:  # noqa: BLE001  whatever it was, its text may hold the secret
        failure = refused(f"{what} could not be fetched: {whence(error)}")
    raise failure


def stamp(source: SecretInput) -> object:
    """Changes when the file does; None for what is no file, or is not there."""
    file = _file(source)
    if file is None:
        return None
    try:
        status = file.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino


def origin(source: SecretInput) -> str:
    """Where a secret comes from, for messages."""
    file = _file(source)
    return "that was handed in" if file is None else f"from {file}"


def _file(source: SecretInput) -> Path | None:
    if isinstance(source, SecretFile):
        return source.path
    return source if isinstance(source, Path) else None


def refused(detail: str) -> RotationError:
    """What is raised for a login that cannot succeed as it is configured."""
    return RotationError(Code.VAULT_LOGIN_REFUSED, detail)
