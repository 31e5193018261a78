"""Client credentials in a KV document."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from rotator.core.document import Found, Wanted, credentials, with_digest
from rotator.core.errors import Code, RotationError
from rotator.vault.kv import look

if TYPE_CHECKING:
    from rotator.core.model import ClientCredentials
    from rotator.vault.kv import Stored
    from rotator.vault.mounts import Place
    from rotator.vault.policies import Needs
    from rotator.vault.session import VaultSession


class KvSource:
    """Reads client credentials from one KV document.

    Args:
        session: How Vault is asked.
        path: As `vault kv get` takes it; resolved at each read, so that Vault may be away at the start.
        wanted: Which fields of the document are needed.
    """

    __slots__ = ("_digested", "_path", "_wanted", "session")

    def __init__(self, session: VaultSession, path: str, wanted: Wanted | None = None) -> None:
        self.session = session
        self._path = path
        self._wanted = wanted or Wanted()
        self._digested: ClientCredentials | None = None

    async def read(self) -> ClientCredentials:
        """See `rotator.core.ports.Source`.

        Raises:
            RotationError: SECRET_MISSING, SECRET_DELETED, SECRET_MALFORMED, MOUNT_MISSING, VAULT_*.
        """
        place = await self.session.mounts.resolve(self._path)
        stored = await look(self.session, place)
        if stored.fields is None:
            self.session.mounts.forget(place)
            raise _absent(place, stored, self._wanted)
        version = f"v{stored.version}@{stored.created}" if place.version > 1 else ""
        found = Found(stored.fields, version, place.path, partial(_cure, place))
        read = credentials(found, self._wanted)
        return read if version else await self._digest(read)

    async def needs(self) -> Needs:
        """What reading needs from the policies.

        Raises:
            RotationError: MOUNT_MISSING, VAULT_*.
        """
        place = await self.session.mounts.resolve(self._path)
        return {place.data: ("read",)}

    async def _digest(self, read: ClientCredentials) -> ClientCredentials:
        """KV v1 counts no versions: a slow digest takes their place, made when the content changes."""
        known = self._digested
        if known is None or replace(known, version="") != read:
            known = await asyncio.to_thread(with_digest, read, self._path)
            self._digested = known
        return known


def _cure(place: Place, key: str) -> str:
    verb = "patch" if place.version > 1 else "put"
    return f"Mend it with `bao kv {verb} {place.path} {key}=…`"


def _absent(place: Place, stored: Stored, wanted: Wanted) -> RotationError:
    write = f"`bao kv put {place.path} {' '.join(f'{name}=…' for name in wanted.fields())}`"
    if stored.version == 0:
        return RotationError(
            Code.SECRET_MISSING,
            f"there is nothing at {place.path}. Write {write}",
        )
    if stored.destroyed:
        return RotationError(
            Code.SECRET_DELETED,
            f"version {stored.version} at {place.path} is destroyed and cannot be brought back. "
            f"Write a new one: {write}",
        )
    return RotationError(
        Code.SECRET_DELETED,
        f"version {stored.version} at {place.path} holds no data: it has been deleted, or was written as null. "
        f"Bring it back with `bao kv undelete -versions={stored.version} {place.path}`, or write a new version",
    )
