"""A KV key as a sink, whichever version its engine has."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Protocol

from rotator.core.errors import Code, RotationError
from rotator.vault.answers import NotFoundError
from rotator.vault.kv_v1 import V1Key
from rotator.vault.kv_v2 import V2Key

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from rotator.core.model import TokenRecord
    from rotator.vault.mounts import Place
    from rotator.vault.policies import Needs
    from rotator.vault.session import VaultSession


class _Key(Protocol):
    @property
    def place(self) -> Place: ...

    async def read(self) -> TokenRecord | None: ...

    async def write(self, record: TokenRecord) -> TokenRecord: ...

    def needs(self) -> Needs: ...


_KEYS: Mapping[int, Callable[[VaultSession, Place, str, Mapping[str, str]], _Key]] = {1: V1Key, 2: V2Key}
"""How a record is kept, by the engine's version."""

_UNCHANGED: Mapping[str, str] = MappingProxyType({})
"""Every field under our own name; one for all sinks."""


class KvSink:
    """A KV key that consumers read. The path is resolved at the first use: Vault may be away at the start.

    Args:
        session: How Vault is asked.
        path: As `vault kv get` takes it.
        credential: Whose token it is; part of the ownership mark.
        fields: The consumers' names to the record's, where they differ: `{"token": "access_token"}`.
    """

    __slots__ = ("_at", "_credential", "_fields", "_path", "name", "session")
    kind = "vault"

    def __init__(
        self, session: VaultSession, path: str, credential: str, fields: Mapping[str, str] | None = None
    ) -> None:
        self.name = f"vault:{path}"
        self.session = session
        self._path = path
        self._credential = credential
        self._fields = dict(fields) if fields else _UNCHANGED
        self._at: _Key | None = None

    async def read(self) -> TokenRecord | None:
        """See `rotator.core.ports.Sink`.

        Raises:
            RotationError: SINK_FOREIGN, MOUNT_MISSING, VAULT_*.
        """
        return await (await self._key()).read()

    async def write(self, record: TokenRecord) -> TokenRecord:
        """See `rotator.core.ports.Sink`.

        Raises:
            RotationError: SINK_FOREIGN, SINK_CONFLICT, MOUNT_MISSING, VAULT_*.
        """
        key = await self._key()
        try:
            return await key.write(record)
        except RotationError as error:
            if isinstance(error, NotFoundError):
                self._forget()
                told = f"no KV secrets engine takes a write at {self._path}"
                raise RotationError(Code.MOUNT_MISSING, told) from None
            if error.code is Code.VAULT_MALFORMED:
                self._forget()  # an engine of the other version answers like this: it was replaced
            raise

    async def check(self) -> None:
        """See `rotator.core.ports.Sink`; whether the policies allow a write is told by `needs`."""
        await self.read()

    async def needs(self) -> Needs:
        """What reading and writing need from the policies.

        Raises:
            RotationError: MOUNT_MISSING, VAULT_*.
        """
        return (await self._key()).needs()

    async def _key(self) -> _Key:
        mounts, at = self.session.mounts, self._at
        if at is None or not mounts.stands(at.place):
            place = await mounts.resolve(self._path)
            if at is None or at.place != place:
                at = self._at = _KEYS[place.version](self.session, place, self._credential, self._fields)
        return at

    def _forget(self) -> None:
        if self._at is not None:
            self.session.mounts.forget(self._at.place)
            self._at = None
