"""The token record in a KV v1 key, which knows no versions, no check-and-set and no metadata.

So it is read before each write, which makes the time in which another writer's record may be lost short, not nought.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from rotator.core.errors import Code, RotationError
from rotator.vault.kv import look
from rotator.vault.records import rename, restore

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from rotator.core.model import TokenRecord
    from rotator.vault.mounts import Place
    from rotator.vault.policies import Needs
    from rotator.vault.session import VaultSession

TTL_SHARE = 10
"""Consumers re-read at least this often in what was left of the token's life when it was written. Vault Agent and
consul-template take a KV v1 document's `ttl` for its lease and read again at nine tenths of it; without one they read
after weeks. A tenth fits every lead that rotator may have, and costs a reader one request a minute at 600 s."""


class V1Key:
    """A KV v1 key that keeps one record.

    Args:
        session: How Vault is asked.
        place: The key.
        credential: Not stored: KV v1 has no place for a mark.
        fields: The consumers' names to the record's, where they differ: `{"token": "access_token"}`.

    Attributes:
        place: The key.
    """

    __slots__ = ("_fields", "_session", "place")

    def __init__(self, session: VaultSession, place: Place, credential: str, fields: Mapping[str, str]) -> None:
        del credential
        self._session = session
        self.place = place
        self._fields = fields

    async def read(self) -> TokenRecord | None:
        """See `rotator.core.ports.Sink`."""
        document = (await look(self._session, self.place)).fields
        held = restore(document, self._fields)
        # A whole record under our own names is ours too: it is from before the fields were renamed.
        if document and held is None and restore(document, {}) is None:
            raise RotationError(
                Code.SINK_FOREIGN,
                f"{self.place.path} holds a document that is no whole record of rotator's, so it is left alone. "
                f"Remove it with `bao kv delete {self.place.path}`, or choose another path",
            )
        return held

    async def write(self, record: TokenRecord) -> TokenRecord:
        """See `rotator.core.ports.Sink`."""
        held = await self.read()
        if held is not None and held.stays_before(record):
            return held
        place = self.place
        document: dict[str, Any] = {
            **rename(record.fields(), self._fields),
            "ttl": ttl(record.expires_at, self._session.clock.now().wall),
        }
        await self._session.call(
            lambda client: client.write_data(quote(place.data), data=document), {place.data: ("create", "update")}
        )
        return record

    def needs(self) -> Needs:
        """What keeping a record needs from the policies."""
        return {self.place.data: ("create", "read", "update")}


def ttl(expires_at: datetime, now: datetime) -> int:
    """Seconds after which consumers are to read again: a share of what is left, at least 1.

    A JSON number, the one value of the record that is no string: Vault takes nothing else for a lease.
    """
    return max(1, int((expires_at - now).total_seconds()) // TTL_SHARE)
