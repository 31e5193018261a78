"""The token record in a KV v2 key: written with check-and-set, at paths that bear our mark.

The mark stands in custom_metadata before the first version is written, so that a crash never leaves a path with our
data and no mark. What a read or a write answers is believed; the key is read before a write only when it is not known
what is in it: after a conflict, and after a request whose outcome is not known (V19, V28).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import quote

from rotator.core.errors import Code, RotationError
from rotator.vault.answers import CasMismatchError, NotFoundError, malformed
from rotator.vault.kv import custom_metadata, look
from rotator.vault.records import rename, restore

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rotator.core.model import TokenRecord
    from rotator.vault.answers import Document
    from rotator.vault.kv import Stored
    from rotator.vault.mounts import Place
    from rotator.vault.policies import Needs
    from rotator.vault.session import VaultSession

MANAGED_BY, CREDENTIAL = "managed-by", "credential"
"""Keys of custom_metadata that make the mark, with the values `rotator` and the credential's name."""

SETTLED = 10.0
"""Seconds after a write in which a read that shows an older version is taken for a standby that lags behind (V28).
Later it is taken for what it says: a Vault restored from a snapshot (V29)."""

CATCH_UP = (0.05, 0.1, 0.2, 0.4)
"""Seconds between looks at a node that shows less than we have already seen: a standby follows within milliseconds.
It also checks check-and-set against what it has itself, so that its word about a mismatch may be old (V28)."""

ALL = ("create", "read", "update")
"""The capabilities that the sink needs on data and on metadata."""


@dataclass(frozen=True, slots=True)
class _Known:
    """What the key holds, as far as the last write or read told.

    Attributes:
        record: What it holds; None for nothing, or nothing whole.
        version: What check-and-set is against; 0 for a key without versions.
        written_at: When our write was answered, on the elapsed clock; the distant past for what was only read.
    """

    record: TokenRecord | None = field(repr=False)
    version: int
    written_at: float = -math.inf


class V2Key:
    """A KV v2 key that keeps one record.

    Args:
        session: How Vault is asked.
        place: The key.
        credential: Whose token it is; part of the mark.
        fields: The consumers' names to the record's, where they differ: `{"token": "access_token"}`.

    Attributes:
        place: The key.
    """

    __slots__ = ("_credential", "_fields", "_known", "_session", "place")

    def __init__(self, session: VaultSession, place: Place, credential: str, fields: Mapping[str, str]) -> None:
        self._session = session
        self.place = place
        self._credential = credential
        self._fields = fields
        self._known: _Known | None = None

    async def read(self) -> TokenRecord | None:
        """See `rotator.core.ports.Sink`."""
        stored = await look(self._session, self.place)
        known = self._known
        if known is not None and stored.version < known.version and self._now() - known.written_at < SETTLED:
            return known.record
        return self._take(stored).record

    async def write(self, record: TokenRecord) -> TokenRecord:
        """See `rotator.core.ports.Sink`."""
        known = self._known or self._take(await look(self._session, self.place))
        try:
            return await self._write_over(known, record)
        except CasMismatchError:
            pass
        # Somebody else wrote: take theirs if it serves as well, else try once more on top of it (V20).
        known = self._take(await self._look_no_older(known.version))
        try:
            return await self._write_over(known, record)
        except CasMismatchError:
            raise RotationError(
                Code.SINK_CONFLICT, f"somebody else wrote to {self.place.path} twice while rotator did"
            ) from None

    def needs(self) -> Needs:
        """What keeping a record needs from the policies."""
        return {self.place.data: ALL, self.place.metadata: ALL}

    async def _write_over(self, known: _Known, record: TokenRecord) -> TokenRecord:
        """Write on top of what is known to be there, unless that stays."""
        if known.record is not None and known.record.stays_before(record):
            return known.record
        if known.version == 0:
            try:
                await self._mark()
            except CasMismatchError:  # by another rotator at the same moment, whose mark may be as good as ours
                await self._mark()
        return await self._put(record, known.version)

    async def _look_no_older(self, seen: int) -> Stored:
        """What is at the key. A version below `seen` is believed only when it stays: Vault was restored (V29)."""
        stored = await look(self._session, self.place)
        for pause in CATCH_UP:
            if stored.version >= seen:
                break
            await self._session.clock.sleep(pause)
            stored = await look(self._session, self.place)
        return stored

    def _take(self, stored: Stored) -> _Known:
        """Know what was found there, if it is ours. What was known before is kept: a token is in memory once."""
        known, self._known = self._known, None
        if stored.version > 0:
            self._check_mark(stored.custom, stored.version)
        record = restore(stored.fields, self._fields)
        if known is not None and record == known.record:
            record = known.record
        self._known = _Known(record, stored.version)
        return self._known

    async def _put(self, record: TokenRecord, version: int) -> TokenRecord:
        self._known = None  # until an answer is there, the outcome is not known
        place = self.place
        body = {"options": {"cas": version}, "data": rename(record.fields(), self._fields)}
        answer = await self._session.call(
            lambda client: client.write_data(quote(place.data), data=body), {place.data: ("create", "update")}
        )
        self._known = _Known(record, _version(place, answer), self._now())
        return record

    async def _mark(self) -> None:
        """Write the mark beside the custom_metadata that is there; everything else of the key stays as it is.

        It is read before, since the key may have been looked at a while ago: what somebody else has put there since
        is not to be marked as ours (V24). That cannot be left to check-and-set: of the metadata OpenBao alone checks
        it, so that two rotators cannot both mark a path, and a write of data does not count there; HashiCorp's Vault
        ignores it. hvac's own method is not used: it resets delete_version_after.
        """
        place = self.place
        try:
            document = await self._session.call(
                lambda client: client.read(quote(place.metadata)), {place.metadata: ("read",)}
            )
            metadata = _metadata(place, document)
        except NotFoundError:
            metadata = {}
        custom = custom_metadata(metadata)
        self._check_mark(custom, metadata.get("current_version", 0))
        if _is_mark(custom, self._credential):
            return
        body = {
            "custom_metadata": {**custom, MANAGED_BY: "rotator", CREDENTIAL: self._credential},
            "metadata_cas": metadata.get("current_metadata_version", 0),
        }
        await self._session.call(
            lambda client: client.write_data(quote(place.metadata), data=body),
            {place.metadata: ("create", "update")},
        )

    def _check_mark(self, custom: Mapping[str, str], versions: int) -> None:
        """Refuse what is not ours (V24); a key without versions and without a mark is free."""
        path, manager, owner = self.place.path, custom.get(MANAGED_BY), custom.get(CREDENTIAL)
        if manager is None and versions == 0:
            return
        hand_over = (
            f"Hand it over with `bao kv metadata patch -custom-metadata={MANAGED_BY}=rotator "
            f"-custom-metadata={CREDENTIAL}={self._credential} {path}`, or choose another path"
        )
        if manager != "rotator":
            whose = "bears no mark of rotator" if manager is None else "is marked as managed by something else"
            raise RotationError(Code.SINK_FOREIGN, f"{path} {whose}, so its data is left alone. {hand_over}")
        if owner != self._credential:
            raise RotationError(
                Code.SINK_FOREIGN,
                f"{path} is marked as rotator's for another credential than {self._credential}. {hand_over}",
            )

    def _now(self) -> float:
        return self._session.clock.elapsed()


def _is_mark(custom: Mapping[str, str], credential: str) -> bool:
    return custom.get(MANAGED_BY) == "rotator" and custom.get(CREDENTIAL) == credential


def _version(place: Place, answer: Document) -> int:
    match answer.get("data"):
        case {"version": int() as version}:
            return version
        case _:
            raise malformed(f"the answer to the write of {place.data} does not tell the new version")


def _metadata(place: Place, document: Document) -> Document:
    match document.get("data"):
        case dict() as metadata:
            return metadata
        case _:
            raise malformed(f"the answer about {place.metadata} holds no metadata")
