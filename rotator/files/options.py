"""One file as the operator wants it: what is refused before anything is touched, and who the owner and group are."""

from __future__ import annotations

import grp
import os
import pwd
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rotator.core.errors import Code, RotationError
from rotator.files import formats
from rotator.files.writer import Access, temporary_name

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

WIDEST = 0o640
"""A token that everybody may read is no secret, and one that others may write is not the provider's."""

_NAME_MAX = 255
"""Bytes (limits.h)."""


@dataclass(frozen=True, slots=True)
class FileSinkSettings:
    """One file as the operator wants it.

    Attributes:
        path: Absolute and plain: no `..`, nothing to be expanded.
        format: A key of `rotator.files.formats.FORMATS`.
        mode: Permission bits, at least 0400 and at most 0640.
        owner: User name or number; None for the user that rotator runs as.
        group: Group name or number; None for the one that the directory gives.
        fields: For `json`: the consumers' names to the record's, `{"token": "access_token"}`.

    Raises:
        ValueError: Says what is wrong and what was wanted.
    """

    path: Path
    format: str = "raw"
    mode: int = 0o600
    owner: str | None = None
    group: str | None = None
    fields: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _check_path(self.path)
        if self.format not in formats.FORMATS:
            raise ValueError(f"there is no format {self.format!r}; wanted one of {', '.join(formats.FORMATS)}")
        if self.mode & ~WIDEST or not self.mode & 0o400:
            raise ValueError(
                f"mode {self.mode:04o} is not safe for a token; wanted 0400 to {WIDEST:04o}, without write for the "
                "group and without anything for others: put the consumers into a group, and set group and mode 0640"
            )
        _check_fields(self.fields, self.format)

    def access(self) -> Access:
        """Owner and group as the system knows them now.

        Raises:
            RotationError: FILE_OWNER when there is no such user or group.
        """
        return Access(
            self.mode,
            _id("user", self.owner, lambda name: pwd.getpwnam(name).pw_uid),
            _id("group", self.group, lambda name: grp.getgrnam(name).gr_gid),
        )


def _check_path(path: Path) -> None:
    text = str(path)
    if not path.is_absolute() or ".." in path.parts or "\0" in text or not path.name:
        raise ValueError(f"{text!r} is no path for a file; wanted an absolute one without `..`")
    if len(os.fsencode(temporary_name(path.name))) > _NAME_MAX:
        raise ValueError(f"the name {path.name!r} is too long; a temporary file beside it adds 18 bytes, of 255 in all")


def _check_fields(fields: Mapping[str, str], kind: str) -> None:
    if fields and kind != "json":
        raise ValueError(f"the format {kind} has no fields to rename; wanted json")
    for theirs, ours in fields.items():
        if ours not in formats.RECORD_FIELDS:
            known = ", ".join(sorted(formats.RECORD_FIELDS))
            raise ValueError(f"there is no field {ours!r} to rename; wanted one of {known}")
        if theirs in formats.RECORD_FIELDS and theirs not in fields.values():
            raise ValueError(f"the new name {theirs!r} is taken by another field; rename that one as well")


def _id(kind: str, wanted: str | None, look_up: Callable[[str], int]) -> int | None:
    """As chown(1) does it: a name first, then a number."""
    if wanted is None:
        return None
    try:
        return look_up(wanted)
    except KeyError:
        if wanted.isdecimal():
            return int(wanted)
    raise RotationError(
        Code.FILE_OWNER, f"there is no {kind} {wanted!r} on this machine: create it, or name another one as {kind}"
    )
