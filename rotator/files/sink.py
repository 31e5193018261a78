"""A file as a sink."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rotator.core.errors import Code, RotationError
from rotator.core.model import TokenRecord
from rotator.files import formats, in_place, plain, writer
from rotator.files.directory import opened, trusted_owners
from rotator.files.lane import Lane
from rotator.files.place import locate
from rotator.files.state import Entry
from rotator.files.system import SYSTEM, FileSystem

if TYPE_CHECKING:
    from rotator.files.directory import Directory
    from rotator.files.options import FileSinkSettings
    from rotator.files.state import StateDirectory

DEADLINE = 10.0
"""Seconds for one look or one write, as for every attempt."""


@dataclass(frozen=True, slots=True)
class _Held:
    """What the file holds: the record, if it is one of ours, as which bytes, and whether all else is as configured."""

    record: TokenRecord | None = None
    content: bytes = field(default=b"", repr=False)
    as_configured: bool = False


class FileSink:
    """A file that consumers read.

    A file that is not what would be written now counts as holding nothing, so that it is written anew: its mode, owner
    or group is another, its template was changed, somebody edited what stands around the token. After a change of these
    settings that is one mint, if no other sink holds the token; likewise where the state was deleted of a file that
    does not carry the whole record.

    A file that no format of ours explains, and that the state directory does not know, is somebody else's, and a
    mistyped path must not cost it: SINK_FOREIGN. Nothing is adopted from a file that belongs to anyone but root,
    rotator's user or the configured owner.

    Two rotators that write to one file at the same moment both succeed, and the later one stays; each file is whole,
    unless they write in place.

    Args:
        settings: Which file, and how.
        credential: Whose token it is; `env` names the variable after it.
        state: Where what the file cannot carry is kept.
        fs: The system calls.
        deadline: Seconds for one look or one write.
    """

    kind = "file"

    def __init__(
        self,
        settings: FileSinkSettings,
        credential: str,
        state: StateDirectory,
        fs: FileSystem = SYSTEM,
        deadline: float = DEADLINE,
    ) -> None:
        self.name = f"file:{settings.path}"
        self._settings = settings
        self._path = settings.path
        self._format = formats.FORMATS[settings.format]
        self._layout = settings.layout(credential)
        self._state = state
        self._fs = fs
        self._lane = Lane(self.name, deadline)
        self._resolved: writer.Access | None = None

    async def read(self) -> TokenRecord | None:
        """See `rotator.core.ports.Sink`.

        Raises:
            RotationError: SINK_FOREIGN, FILE_*.
        """
        return await self._lane.run(self._read)

    async def write(self, record: TokenRecord) -> TokenRecord:
        """See `rotator.core.ports.Sink`.

        The file is replaced also when the state cannot be kept, which is raised afterwards: consumers come first.

        Raises:
            RotationError: SINK_FOREIGN, TOKEN_INVALID, FILE_*.
        """
        return await self._lane.run(lambda: self._write(record))

    async def check(self) -> None:
        """Try all that a write needs, without replacing the file; remove what killed processes left behind.

        Raises:
            RotationError: SINK_FOREIGN, FILE_*: the directory is missing or unsafe, the file system is full or
                read-only, owner or group do not exist or may not be given, the state directory cannot be used.
        """
        await self._lane.run(self._check)

    def _read(self) -> TokenRecord | None:
        access = self._access()
        with opened(self._path.parent, self._fs) as directory:
            held = self._look(directory, access)
        return held.record if held.as_configured else None

    def _write(self, record: TokenRecord) -> TokenRecord:
        access = self._access()
        content = self._format.render(record, self._layout)
        with opened(self._path.parent, self._fs) as directory:
            self._finish(directory, access)
            held = self._look(directory, access)
            if held.record is not None and held.record.stays_before(record):
                if held.as_configured:
                    return held.record
                record, content = held.record, self._format.render(held.record, self._layout)
            self._replace(directory, access, record, content, held)
        return record

    def _replace(
        self, directory: Directory, access: writer.Access, record: TokenRecord, content: bytes, held: _Held
    ) -> None:
        trouble = None
        if not self._format.carries_all:
            entries = [self._entry(record, content)]
            entries += [] if held.record is None else [self._entry(held.record, held.content)]
            try:
                self._state.remember(self._path, entries)
            except RotationError as error:
                trouble = error
        write = in_place.write if self._settings.in_place else writer.replace
        write(directory, self._path.name, content, access)
        if trouble is not None:
            raise trouble

    def _check(self) -> None:
        access = self._access()
        with opened(self._path.parent, self._fs) as directory:
            writer.sweep(directory, self._path.name)
            self._finish(directory, access)
            self._look(directory, access)
            probe = in_place.probe if self._settings.in_place else writer.probe
            probe(directory, self._path.name, access)
        if not self._format.carries_all:
            self._state.check(self._path)

    def _finish(self, directory: Directory, access: writer.Access) -> None:
        if self._settings.in_place:
            in_place.finish(directory, self._path.name, access)

    def _access(self) -> writer.Access:
        """Looked up once: a directory service that is away at three at night keeps no token from its file (F14)."""
        self._resolved = self._resolved or self._settings.access()
        return self._resolved

    def _look(self, directory: Directory, access: writer.Access) -> _Held:
        found = plain.read(directory, self._path.name)
        if found is None:
            return _Held()
        if self._settings.in_place and in_place.is_unfinished(directory, self._path.name, found.content):
            return _Held(content=found.content)
        record = self._record(found.content)
        if record is None and not formats.is_ours(found.content, self._layout) and not self._state.knows(self._path):
            raise RotationError(
                Code.SINK_FOREIGN,
                f"{self._path} holds something that rotator did not write; wanted a token file, or none: "
                "configure another path, or move the file away",
            )
        owner = os.geteuid() if access.uid is None else access.uid
        if found.uid not in trusted_owners() | {owner}:
            return _Held(content=found.content)
        wanted = (access.mode, owner, found.gid if access.gid is None else access.gid)
        right = (found.mode, found.uid, found.gid) == wanted and self._is_as_rendered(record, found.content)
        return _Held(record, found.content, as_configured=right)

    def _record(self, content: bytes) -> TokenRecord | None:
        told = self._format.extract(content, self._layout)
        if isinstance(told, TokenRecord):
            return told
        return None if self._format.carries_all else self._state.recall(self._path, content, told)

    def _is_as_rendered(self, record: TokenRecord | None, content: bytes) -> bool:
        """Whether around the token all is as it would be written; of the whole record nothing else is asked (F18)."""
        if record is None or self._format.carries_all:
            return True
        try:
            return self._format.render(record, self._layout) == content
        except RotationError:  # whoever writes it is told
            return False

    def _entry(self, record: TokenRecord, content: bytes) -> Entry:
        tells = self._format.extract(content, self._layout) is not None
        return Entry(record, None if tells else locate(content, record.access_token))
