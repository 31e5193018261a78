"""One file as the operator wants it: what is refused before anything is touched, and who the owner and group are."""

from __future__ import annotations

import grp
import os
import pwd
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rotator.core.errors import Code, RotationError
from rotator.files import formats
from rotator.files.writer import Access, temporary_name

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from rotator.files.template import Template

WIDEST = 0o640
"""A token that everybody may read is no secret, and one that others may write is not the provider's."""

OWNERS_WRITE = 0o200

WORDS: Mapping[str, str] = {
    "machine": r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,252}",
    "login": r"[A-Za-z0-9$_][A-Za-z0-9$_.@+/|=~-]{0,127}",
    "registry": r"[A-Za-z0-9][A-Za-z0-9._:/-]{0,254}",
}
"""What the whole of a key matches: nothing that ends a word of a netrc file, or a login in a pair `LOGIN:TOKEN`."""

_NAME_MAX = 255
"""Bytes (limits.h)."""

EXAMPLES: Mapping[str, str] = {
    "fields": 'fields = { token = "access_token" }',
    "machine": 'machine = "git.example.com", the host that the token is for, without a port',
    "login": (
        'login = "NAME": what the server wants beside a token, as "oauth2accesstoken" (Google), "oauth2" (GitLab), '
        '"x-access-token" (GitHub), "$oauthtoken" (Quay)'
    ),
    "registry": 'registry = "registry.example.com", as it stands in names of images',
    "template_file": 'template_file = "/etc/rotator/billing.j2"',
}
"""The keys that belong to some formats only, and how they are written."""


class UnfitKeyError(ValueError):
    """A key that this format does not take, or one that it needs is missing.

    Attributes:
        key: Its name.
        wanted: What was expected.
        cure: What to do.
    """

    def __init__(self, told: str, key: str, wanted: str, cure: str) -> None:
        super().__init__(told)
        self.key = key
        self.wanted = wanted
        self.cure = cure


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
        machine: For `netrc`: the host that the token is for.
        login: For `netrc` and `dockerconfigjson`: the user name that goes with it. No colon, no space.
        registry: For `dockerconfigjson`: the registry that it is for.
        template: For `template`.
        in_place: Whether the file is written into instead of replaced: its inode stays. Mode 0600 or 0640 then.

    Raises:
        ValueError: Says what is wrong and what was wanted; `UnfitKeyError` for keys of another format.
    """

    path: Path
    format: str = "raw"
    mode: int = 0o600
    owner: str | None = None
    group: str | None = None
    fields: Mapping[str, str] = field(default_factory=dict)
    machine: str = ""
    login: str = ""
    registry: str = ""
    template: Template | None = None
    in_place: bool = False

    def __post_init__(self) -> None:
        _check_path(self.path)
        if self.format not in formats.FORMATS:
            raise ValueError(f"there is no format {self.format!r}; wanted one of {', '.join(formats.FORMATS)}")
        if self.mode & ~WIDEST or not self.mode & 0o400:
            raise ValueError(
                f"mode {self.mode:04o} is not safe for a token; wanted 0400 to {WIDEST:04o}, without write for the "
                "group and without anything for others: put the consumers into a group, and set group and mode 0640"
            )
        if self.in_place and not self.mode & OWNERS_WRITE:
            raise ValueError(
                f"mode {self.mode:04o} lets not even the owner write into the file, as in_place does; wanted 0600 or "
                "0640: set one of them, or leave in_place out"
            )
        for key, pattern in WORDS.items():
            if not re.fullmatch(f"(?:{pattern})?", getattr(self, key)):
                raise ValueError(f"the {key} has characters that no {key} has; wanted {EXAMPLES[key]}")
        _check_keys(self.format, self.given)
        _check_fields(self.fields)

    @property
    def given(self) -> frozenset[str]:
        """The keys that belong to some formats only, and are given."""
        named = {
            "fields": self.fields,
            "machine": self.machine,
            "login": self.login,
            "registry": self.registry,
            "template_file": self.template,
        }
        return frozenset(key for key, value in named.items() if value)

    def layout(self, credential: str) -> formats.Layout:
        """What the format needs to know."""
        return formats.Layout(credential, self.fields, self.machine, self.login, self.registry, self.template)

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


def _check_keys(kind: str, given: frozenset[str]) -> None:
    row = formats.FORMATS[kind]
    for key in sorted(given - {*row.takes, *row.needs}):
        takers = " or ".join(name for name, other in formats.FORMATS.items() if key in {*other.takes, *other.needs})
        told = f"the format {kind} has no {'fields to rename' if key == 'fields' else key}; wanted {takers}"
        raise UnfitKeyError(told, key, f"no {key} where format = {kind}", f"leave {key} out, or set format = {takers}")
    for key in row.needs:
        if key not in given:
            told = f"the format {kind} needs {key}; wanted {EXAMPLES[key]}"
            raise UnfitKeyError(told, key, f"this key where format = {kind}", f"add {EXAMPLES[key]}")


def _check_fields(fields: Mapping[str, str]) -> None:
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
