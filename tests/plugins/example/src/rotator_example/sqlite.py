"""A sink in a database of SQLite: a row for each credential, in a table `tokens`."""

from __future__ import annotations

import sqlite3
from contextlib import closing, suppress
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from rotator.plugins import AbsolutePath, Code, PlainText, Plugin, RotationError, Section, SinkKind, TokenRecord

if TYPE_CHECKING:
    from collections.abc import Callable

    from rotator.plugins import Site

T = TypeVar("T")

TABLE = """\
CREATE TABLE IF NOT EXISTS tokens (
    name TEXT PRIMARY KEY, version INTEGER NOT NULL,
    access_token TEXT NOT NULL, token_type TEXT NOT NULL, expires_at TEXT NOT NULL, issued_at TEXT NOT NULL,
    expires_in TEXT NOT NULL, scope TEXT NOT NULL, fingerprint TEXT NOT NULL, inputs TEXT NOT NULL)
"""
READ = """\
SELECT version, access_token, token_type, expires_at, issued_at, expires_in, scope, fingerprint, inputs
FROM tokens WHERE name = :name
"""
WRITE = """\
INSERT INTO tokens VALUES (:name, :version + 1, :access_token, :token_type, :expires_at, :issued_at, :expires_in,
    :scope, :fingerprint, :inputs)
ON CONFLICT (name) DO UPDATE SET version = excluded.version, access_token = excluded.access_token,
    token_type = excluded.token_type, expires_at = excluded.expires_at, issued_at = excluded.issued_at,
    expires_in = excluded.expires_in, scope = excluded.scope, fingerprint = excluded.fingerprint,
    inputs = excluded.inputs
WHERE version = :version
"""
"""Writes nothing where the row has another version by now."""

BUSY = 2.0
"""Seconds for which another connection's write is waited for."""

SAID = {
    sqlite3.SQLITE_BUSY: (Code.PLUGIN_UNAVAILABLE, "is locked by somebody else", "writes that end within seconds"),
    sqlite3.SQLITE_FULL: (Code.FILE_NO_SPACE, "cannot grow", "space on its file system"),
    sqlite3.SQLITE_READONLY: (Code.PLUGIN_REFUSED, "may not be written by rotator's user", "the right to write to it"),
    sqlite3.SQLITE_CANTOPEN: (Code.PLUGIN_REFUSED, "cannot be opened", "a directory that rotator's user may write in"),
    sqlite3.SQLITE_NOTADB: (Code.SINK_FOREIGN, "is no database of SQLite", "another path"),
    sqlite3.SQLITE_ERROR: (Code.SINK_FOREIGN, "has a table `tokens` with other columns", "another database"),
}
"""Primary result codes of SQLite (https://sqlite.org/rescode.html): what is found then, and what is wanted."""


class Settings(Section):
    """The keys of its table beside `type`."""

    database: AbsolutePath
    row: PlainText = ""


def row(settings: Settings, credential: str) -> str:
    """The name of the row: the credential's where none is given."""
    return settings.row or credential


class SqliteSink:
    """A row whose version grows with each write. A write counts only if nobody else wrote since the row was read."""

    kind = "sqlite"

    def __init__(self, settings: Settings, site: Site) -> None:
        self.name = site.name
        self._database = settings.database
        self._row = row(settings, site.credential)
        self._site = site

    async def read(self) -> TokenRecord | None:
        """The token in the row; None where there is none."""
        return (await self._do(self._held))[1]

    async def write(self, record: TokenRecord) -> TokenRecord:
        """Replace what the row holds, unless that is better."""
        return await self._do(partial(self._write, record=record))

    async def check(self) -> None:
        """Begin a write, and take it back."""
        await self._do(self._try)

    async def _do(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Work in a thread, for SQLite blocks, and on a connection of its own."""
        return await self._site.in_thread(partial(self._connected, work))

    def _connected(self, work: Callable[[sqlite3.Connection], T]) -> T:
        try:
            self._begin_closed_to_others()
            with closing(sqlite3.connect(self._database, timeout=BUSY, isolation_level=None)) as connection:
                connection.execute(TABLE)
                return work(connection)
        except sqlite3.Error as error:
            result = error.sqlite_errorcode & 0xFF
        # Not raised above: it would carry along what was met there, which may quote what was written.
        unforeseen = (Code.PLUGIN_UNAVAILABLE, f"answers with result code {result}", "a database that works")
        code, found, wanted = SAID.get(result, unforeseen)
        raise RotationError(code, f"{self._database} {found}; wanted {wanted}")

    def _begin_closed_to_others(self) -> None:
        """Make the file if there is none, for SQLite would let the umask decide who may read it."""
        with suppress(OSError):  # SQLite meets the same in a moment, and says what it is
            self._database.touch(mode=0o600)
        mode = self._database.stat().st_mode & 0o777 if self._database.exists() else 0
        if mode & 0o007:
            raise RotationError(
                Code.FILE_UNSAFE, f"{self._database} has mode {mode:04o}; wanted it closed to others: chmod o= it"
            )

    def _held(self, connection: sqlite3.Connection) -> tuple[int, TokenRecord | None]:
        """The version of the row, 0 where there is none, and the token in it."""
        connection.row_factory = sqlite3.Row
        found = connection.execute(READ, {"name": self._row}).fetchone()
        return (0, None) if found is None else (found["version"], TokenRecord.parse(dict(found)))

    def _write(self, connection: sqlite3.Connection, record: TokenRecord) -> TokenRecord:
        for _ in range(2):
            version, held = self._held(connection)
            if held is not None and held.stays_before(record):
                return held
            values = {"name": self._row, "version": version, **record.fields()}
            if connection.execute(WRITE, values).rowcount == 1:
                return record
        raise RotationError(Code.SINK_CONFLICT, f"somebody else wrote to {self.name} twice while rotator did")

    def _try(self, connection: sqlite3.Connection) -> None:
        self._held(connection)
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("ROLLBACK")


plugin = Plugin(
    api=1,
    kind=SinkKind(
        settings=Settings,
        place=lambda settings, credential: f"{settings.database}/{row(settings, credential)}",
        make=SqliteSink,
        deadline=5,
    ),
)
