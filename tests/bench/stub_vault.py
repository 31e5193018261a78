"""The stub's Vault: as much of the API as rotator uses, answered as OpenBao 2.7 does.

One AppRole with any role and secret id, one token, one KV v2 engine at `secret/`. Of each key the newest version alone
is kept, as bytes. Below `apps/` every key that nobody wrote holds client credentials that are made from its name.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from rotator.core.model import rfc3339
from tests.bench.http11 import response
from tests.bench.stub_session import DENIED, EMPTY, MISSING, TOKEN, data, date, login, session

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rotator.core.model import Moment
    from tests.bench.http11 import Request
    from tests.bench.stub_counts import Counts

SOURCES, SINKS = "apps/", "tokens/"
SOURCE_CREATED = "2026-01-01T00:00:00.000000000Z"

MISMATCH = response(400, b'{"errors":["check-and-set parameter did not match the current version"]}')
METADATA_MISMATCH = response(400, b'{"errors":["metadata check-and-set parameter does not match the current version"]}')


@dataclass(slots=True)
class Key:
    """One key of the engine.

    Attributes:
        created: When its first version or its metadata was written, seconds on the wall clock.
        written: When its newest version was.
        version: Its newest one; 0 for none.
        metadata_version: How often its metadata was written.
        custom: Its custom_metadata, JSON.
        document: What its newest version holds, JSON.
        ends: When the token in it ends, seconds on the wall clock; 0 when it holds none.
    """

    created: float
    written: float
    version: int = 0
    metadata_version: int = 0
    custom: bytes = b"null"
    document: bytes = b"null"
    ends: float = 0.0


class Vault:
    """Answers what is below `/v1/`.

    Attributes:
        keys: The keys below `secret/` that have been written.
    """

    def __init__(self) -> None:
        self.keys: dict[str, Key] = {}
        self._engine: dict[str, tuple[str, Callable[[str, bytes, Moment, Counts], bytes]]] = {
            "GET data": ("read", self._read),
            "POST data": ("write", self._write),
            "PUT data": ("write", self._write),
            "GET metadata": ("metadata read", self._read_metadata),
            "POST metadata": ("metadata write", self._write_metadata),
            "PUT metadata": ("metadata write", self._write_metadata),
            "LIST metadata": ("list", self._list),
        }

    def answer(self, request: Request, now: Moment, counts: Counts) -> bytes:
        """The response to a request that came at `now`."""
        place = request.path.removeprefix("/v1/")
        if place == "auth/approle/login":
            counts.rates.add("login", now.elapsed)
            return login(request.body)
        if request.token != TOKEN:
            counts.rates.add("denied", now.elapsed)
            return DENIED
        if place.startswith("secret/"):
            kind, _, key = place.removeprefix("secret/").partition("/")
            name, answer = self._engine[f"{request.method} {kind}"]
            counts.rates.add("source" if name == "read" and key.startswith(SOURCES) else name, now.elapsed)
            return answer(key, request.body, now, counts)
        counts.rates.add("session", now.elapsed)
        return session(place, now)

    def ends(self) -> Iterator[tuple[str, float]]:
        """Each token record's credential, and when it ends."""
        return ((path.removeprefix(SINKS), key.ends) for path, key in self.keys.items() if key.ends)

    def redate(self, now: Moment, lifetime: int, oldest: float) -> None:
        """Give every record a new life, as another rotator would have written it.

        Args:
            now: The present.
            lifetime: Seconds that its token lives.
            oldest: So many seconds ago the oldest was issued, the youngest now, the others evenly in between.
        """
        records = [key for key in self.keys.values() if key.ends]
        for number, key in enumerate(records):
            issued = now.wall - timedelta(seconds=oldest * number / len(records))
            ends = issued + timedelta(seconds=lifetime)
            dates = {"issued_at": rfc3339(issued), "expires_at": rfc3339(ends), "expires_in": str(lifetime)}
            key.document = json.dumps(json.loads(key.document) | dates).encode()
            key.ends = datetime.fromisoformat(dates["expires_at"]).timestamp()
            key.version += 1

    def _read(self, path: str, _: bytes, __: Moment, ___: Counts) -> bytes:
        key = self.keys.get(path)
        if key is None and path.startswith(SOURCES):
            name = path.removeprefix(SOURCES)
            fields = f'{{"client_id":"{name}","client_secret":"secret of {name}"}}'.encode()
            return data(b'{"data":%b,"metadata":%b}' % (fields, _version(SOURCE_CREATED, b"null", 1)))
        if key is None or key.version == 0:
            return MISSING
        metadata = _version(date(key.written), key.custom, key.version)
        return data(b'{"data":%b,"metadata":%b}' % (key.document, metadata))

    def _write(self, path: str, body: bytes, now: Moment, counts: Counts) -> bytes:
        sent, wall = json.loads(body), now.wall.timestamp()
        key = self.keys.get(path)
        if (key.version if key else 0) != sent["options"]["cas"]:
            return MISMATCH
        if key is None:
            key = self.keys[path] = Key(wall, wall)
        if key.ends:
            counts.replaced(path.removeprefix(SINKS), key.ends, wall)
        key.version += 1
        key.written = wall
        key.document = json.dumps(sent["data"], separators=(",", ":")).encode()
        ends = sent["data"].get("expires_at")
        key.ends = datetime.fromisoformat(ends).timestamp() if ends else 0.0
        return data(_version(date(wall), key.custom, key.version))

    def _read_metadata(self, path: str, _: bytes, __: Moment, ___: Counts) -> bytes:
        key = self.keys.get(path)
        if key is None:
            return MISSING
        written = {"created_time": date(key.written), "deletion_time": "", "destroyed": False}
        return data(
            json.dumps(
                {
                    "cas_required": False,
                    "created_time": date(key.created),
                    "current_metadata_version": key.metadata_version,
                    "current_version": key.version,
                    "custom_metadata": json.loads(key.custom),
                    "delete_version_after": "0s",
                    "max_versions": 0,
                    "metadata_cas_required": False,
                    "oldest_version": 0,
                    "updated_time": date(key.written),
                    "versions": {str(key.version): written} if key.version else {},
                }
            ).encode()
        )

    def _write_metadata(self, path: str, body: bytes, now: Moment, _: Counts) -> bytes:
        sent, wall = json.loads(body), now.wall.timestamp()
        key = self.keys.get(path) or Key(wall, wall)
        if key.metadata_version != sent.get("metadata_cas", key.metadata_version):
            return METADATA_MISMATCH
        self.keys[path] = key
        key.metadata_version += 1
        key.custom = json.dumps(sent.get("custom_metadata"), separators=(",", ":")).encode()
        return EMPTY

    def _list(self, path: str, _: bytes, __: Moment, ___: Counts) -> bytes:
        prefix = path.removesuffix("/") + "/"
        below = (key.removeprefix(prefix) for key in self.keys if key.startswith(prefix))
        found = sorted({first + slash for first, slash, _ in (one.partition("/") for one in below)})
        return data(json.dumps({"keys": found}).encode()) if found else MISSING


def _version(created: str, custom: bytes, version: int) -> bytes:
    """What is told of one version."""
    rest = b'"deletion_time":"","destroyed":false,"version":%d}' % version
    return b'{"created_time":"%b","custom_metadata":%b,%b' % (created.encode(), custom, rest)
