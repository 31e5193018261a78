"""Client credentials in files: a JSON object, or a directory with a file for each field.

Such a directory is what Kubernetes mounts a Secret as, and where systemd and Docker hand secrets over.
"""

from __future__ import annotations

import asyncio
import json
import os
import stat
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rotator.core.document import Found, Wanted, credentials, with_digest
from rotator.core.errors import Code, RotationError
from rotator.files.directory import refuse_if_open_to_others
from rotator.files.lane import Lane
from rotator.files.private import CURRENT, UnsafeFileError, content, opened, refuse_if_others_can_read
from rotator.files.system import SYSTEM, FileSystem, meaning

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from rotator.core.model import ClientCredentials
    from rotator.files.private import Opened

DEADLINE = 10.0
"""Seconds for one read, as for every attempt."""

LARGEST = 1 << 20
"""Bytes of a file; certificates and keys have some thousands."""

LOOKS = 20
"""How often the files are looked at until two looks in a row have seen the same."""

Content = bytes | dict[str, bytes]
"""What a file holds, or what each file of a directory does, by the document's name of its field."""


@dataclass(frozen=True, slots=True)
class Words:
    """What messages say of a document.

    Attributes:
        place: Where it is. It is a part of the version's digest, too.
        absent: The sentence for when there is none.
        cure: What to do about a field that cannot be used, given the document's name of it.
    """

    place: str
    absent: str
    cure: Callable[[str], str]


class FileSource:
    """Reads client credentials from a JSON file or from a directory, whichever is there.

    They are read anew each time, until two looks in a row have seen the same, and from a directory that is held open
    meanwhile: so nothing is half old and half new when a volume of Kubernetes is swapped, or a file is written in
    place. Files that are replaced one after the other, each by itself, may be seen half-way: only a swap of all of
    them at once, by renaming the link or the file that they are reached through, is whole to every reader.

    Args:
        path: Absolute.
        wanted: Which fields of the document are needed.
        shared: Whether others may read the files. They may never write to them.
        given: Fields that are told elsewhere, by the document's names.
        files: Which file of a directory holds which field, by the document's names; None for files of those names.
        words: For messages.
        fs: The system calls.
        deadline: Seconds for one read.
    """

    def __init__(
        self,
        path: Path,
        wanted: Wanted | None = None,
        *,
        shared: bool = False,
        given: Mapping[str, str] | None = None,
        files: Mapping[str, str] | None = None,
        words: Words | None = None,
        fs: FileSystem = SYSTEM,
        deadline: float = DEADLINE,
    ) -> None:
        self._path = path
        self._wanted = wanted or Wanted()
        self._shared = shared
        self._given = dict(given or {})
        self._files = files or {name: name for name in self._wanted.sought()}
        self._words = words or _words(path, self._wanted)
        self._fs = fs
        self._lane = Lane(f"source {path}", deadline)
        self._known: tuple[Content, ClientCredentials] | None = None

    async def read(self) -> ClientCredentials:
        """See `rotator.core.ports.Source`.

        Raises:
            RotationError: SECRET_MISSING, SECRET_MALFORMED; FILE_UNSAFE when others can get at a file, or it is none;
                FILE_DENIED, FILE_IO.
        """
        held = await self._lane.run(self._settled)
        if not held:  # nothing is there, or an empty file, or a directory without any of the files
            raise RotationError(Code.SECRET_MISSING, self._words.absent)
        if self._known is None or self._known[0] != held:
            place = self._words.place
            fields = _parsed(held, place) if isinstance(held, bytes) else _texts(held, place)
            read = credentials(Found({**fields, **self._given}, "", place, self._words.cure), self._wanted)
            # In one of the few threads that asyncio has: a digest takes 16 MiB, and there may be ten thousand sources.
            self._known = held, await asyncio.to_thread(with_digest, read, place)
        return self._known[1]

    def _settled(self) -> Content | None:
        """What is there, once it does not change any more."""
        before = self._look()
        for _ in range(LOOKS - 1):
            now = self._look()
            if now == before:
                return now
            before = now
        raise RotationError(
            Code.FILE_IO,
            f"{self._path} was another one at each of {LOOKS} looks in a row; wanted one that stays for a moment: "
            "see what writes there without end",
        )

    def _look(self) -> Content | None:
        """What is there at this moment; None for nothing."""
        try:
            with opened(self._path, self._fs) as found:
                return self._fields(found) if stat.S_ISDIR(found.status.st_mode) else self._content(found)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except PermissionError:
            user = os.geteuid()
            why = f"user {user} cannot read {self._path}; wanted what rotator may read: chown -R {user} {self._path}"
            code = Code.FILE_DENIED
        except UnsafeFileError as error:
            code, why = Code.FILE_UNSAFE, f"{error}; wanted one that is closed to others: {error.cure}"
        except OSError as error:
            raise meaning(error, f"reading {self._path}") from None
        raise RotationError(code, why)

    def _fields(self, directory: Opened) -> dict[str, bytes]:
        """The files of a directory; of a volume of Kubernetes, all from the same side of a swap."""
        refuse_if_open_to_others(directory.status, directory.path)
        with ExitStack() as kept:
            with suppress(FileNotFoundError):
                directory = kept.enter_context(opened(CURRENT, self._fs, directory))
            found = {}
            for field, name in self._files.items():
                with suppress(FileNotFoundError), opened(Path(name), self._fs, directory) as file:
                    found[field] = self._content(file)
        return found

    def _content(self, file: Opened) -> bytes:
        held = content(file, LARGEST)
        refuse_if_others_can_read(file, shared=self._shared)
        return held


def _words(path: Path, wanted: Wanted) -> Words:
    fields = " and ".join(wanted.fields())
    return Words(
        str(path),
        f"there is nothing at {path}; wanted a JSON object with {fields}, or a directory with a file for each: "
        "create it with mode 0600, owned by rotator's user",
        lambda key: f"Mend {key} in {path}, or the file {path}/{key} if that is a directory",
    )


def _parsed(document: bytes, place: str) -> dict[str, Any]:
    """The fields of a JSON object."""
    try:
        fields = json.loads(document.decode(), object_pairs_hook=_each_once)
    except (ValueError, RecursionError):
        fields = None
    # Not raised above: even `from None` would carry json's exception along, as its context, and with it the text.
    if not isinstance(fields, dict):
        raise RotationError(
            Code.SECRET_MALFORMED,
            f"{place} holds no JSON object in UTF-8 that names each field once; wanted one, with client_id and the "
            "other fields as texts: write it anew",
        )
    return fields


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """RFC 8259 section 4 leaves open which of two values counts."""
    fields = dict(pairs)
    if len(fields) < len(pairs):
        raise ValueError("a field twice")
    return fields


def _texts(files: Mapping[str, bytes], place: str) -> dict[str, str]:
    """The fields of a directory, without the line end that editors put after them."""
    texts, broken = {}, []
    for field, held in files.items():
        try:
            texts[field] = held.decode("utf-8").removesuffix("\n").removesuffix("\r")
        except UnicodeDecodeError:
            broken.append(field)
    # Not raised above: the exception would carry what was read along.
    if broken:
        raise RotationError(
            Code.SECRET_MALFORMED, f"{broken[0]} at {place} is no text in UTF-8; wanted one: write it anew"
        )
    return texts
