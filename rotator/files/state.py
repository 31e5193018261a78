"""What a file without room for it cannot carry: when its token was issued, when it ends, what it was minted from."""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rotator.core.errors import RotationError
from rotator.core.model import TokenRecord
from rotator.files import plain, writer
from rotator.files.directory import opened, trusted_owners
from rotator.files.place import place_of, taken
from rotator.files.system import SYSTEM, FileSystem, translated

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from rotator.core.model import Secret
    from rotator.files.place import Place

DIRECTORY_MODE = 0o700
FILE_MODE = 0o600


@dataclass(frozen=True, slots=True)
class Entry:
    """What is kept of a content.

    Attributes:
        record: Of it everything but the token.
        place: Where the token stands, for contents that do not tell.
    """

    record: TokenRecord
    place: Place | None = None

    def fields(self) -> dict[str, object]:
        """What is written down."""
        at = {} if self.place is None else {"token_at": self.place.numbers()}
        return {**self.record.metadata(), **at}


class StateDirectory:
    """One small JSON file per sink, without the token. Safe to delete: it costs one mint per sink at the next start.

    An entry is only ever used for the token whose fingerprint it bears, so an entry that is old, or that somebody
    made up, describes nothing. What cannot be read counts as not being there.

    Args:
        path: Absolute. Made when it is missing, open to rotator's user only.
        fs: The system calls.
    """

    def __init__(self, path: Path, fs: FileSystem = SYSTEM) -> None:
        self.path = path
        self._fs = fs

    def recall(self, sink: Path, content: bytes, told: Secret | None) -> TokenRecord | None:
        """The record of the token that is in the sink's file, or None if there is none.

        Args:
            sink: The file.
            content: What it holds.
            told: The token, as the content tells it; None for one that does not.
        """
        for entry in self._entries(sink):
            place = place_of(entry.get("token_at"))
            token = taken(content, place) if told is None and place is not None else told
            record = None if token is None else TokenRecord.parse({**entry, "access_token": token.reveal()})
            if record is not None:
                return record
        return None

    def knows(self, sink: Path) -> bool:
        """Whether rotator has written to this sink before."""
        return bool(self._entries(sink))

    def remember(self, sink: Path, entries: Sequence[Entry]) -> None:
        """Keep what describes the sink's file: the content that it is about to hold, then the one that it still does.

        With both, a crash before or after the file is replaced leaves an entry for what is there.

        Raises:
            RotationError: FILE_*.
        """
        document = {"sink": str(sink), "records": [entry.fields() for entry in entries]}
        content = json.dumps(document).encode() + b"\n"
        self._make()
        with opened(self.path, self._fs) as directory:
            writer.replace(directory, _name(sink), content, writer.Access(FILE_MODE))

    def check(self, sink: Path) -> None:
        """See that an entry for the sink can be written, and remove what killed processes left of earlier ones.

        Raises:
            RotationError: FILE_*.
        """
        self._make()
        with opened(self.path, self._fs) as directory:
            writer.sweep(directory, _name(sink))
            writer.probe(directory, _name(sink), writer.Access(FILE_MODE))

    def _make(self) -> None:
        with translated(f"making the state directory {self.path}"):
            for path in (*reversed(self.path.parents), self.path):
                if not path.exists():
                    with suppress(FileExistsError):  # another sink was quicker
                        self._fs.mkdir(path, DIRECTORY_MODE)

    def _entries(self, sink: Path) -> list[dict[str, object]]:
        try:
            with opened(self.path, self._fs) as directory:
                found = plain.read(directory, _name(sink))
        except RotationError:  # as documented: it counts as not being there, and the next write tells what is wrong
            return []
        if found is None or found.uid not in trusted_owners():
            return []
        try:
            document = json.loads(found.content)
            records = document["records"] if document["sink"] == str(sink) else []
            return [entry for entry in records if isinstance(entry, dict)]
        except (ValueError, KeyError, TypeError, RecursionError):
            return []


def _name(sink: Path) -> str:
    return f"{hashlib.sha256(str(sink).encode()).hexdigest()}.json"
