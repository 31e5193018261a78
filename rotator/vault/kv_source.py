"""Client credentials in a KV document."""

from __future__ import annotations

import asyncio
import hashlib
import json
from typing import TYPE_CHECKING, Any

from rotator.core.errors import Code, RotationError
from rotator.core.model import ClientCredentials, Secret
from rotator.vault.kv import look

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rotator.vault.kv import Stored
    from rotator.vault.mounts import Place
    from rotator.vault.policies import Needs
    from rotator.vault.session import VaultSession

CLIENT_ID, CLIENT_SECRET, PREVIOUS = "client_id", "client_secret", "client_secret_previous"

DIGEST_COST = {"n": 2**14, "r": 8, "p": 1, "dklen": 12}
"""scrypt's parameters (RFC 7914): 16 MiB and some 50 ms per guess. The digest gets into `inputs`, which consumers see,
and must not help to find the secret."""


class KvSource:
    """Reads client credentials from one KV document.

    Args:
        session: How Vault is asked.
        path: As `vault kv get` takes it; resolved at each read, so that Vault may be away at the start.
        fields: Our names (client_id, client_secret, client_secret_previous) to the document's, where they differ.
    """

    def __init__(self, session: VaultSession, path: str, fields: Mapping[str, str] | None = None) -> None:
        self._session = session
        self._path = path
        self._names = {name: (fields or {}).get(name, name) for name in (CLIENT_ID, CLIENT_SECRET, PREVIOUS)}
        self._digested: tuple[ClientCredentials, str] | None = None

    async def read(self) -> ClientCredentials:
        """See `rotator.core.ports.Source`.

        Raises:
            RotationError: SECRET_MISSING, SECRET_DELETED, SECRET_MALFORMED, MOUNT_MISSING, VAULT_*.
        """
        place = await self._session.mounts.resolve(self._path)
        stored = await look(self._session, place)
        if stored.fields is None:
            self._session.mounts.forget(place)
            raise _absent(place, stored)
        found = self._credentials(place, stored.fields, f"v{stored.version}@{stored.created}")
        return found if place.version > 1 else await self._digest(found)

    async def needs(self) -> Needs:
        """What reading needs from the policies.

        Raises:
            RotationError: MOUNT_MISSING, VAULT_*.
        """
        place = await self._session.mounts.resolve(self._path)
        return {place.data: ("read",)}

    def _credentials(self, place: Place, document: Mapping[str, Any], version: str) -> ClientCredentials:
        client_id = self._text(place, document, CLIENT_ID)
        secrets = [self._text(place, document, CLIENT_SECRET)]
        if document.get(self._names[PREVIOUS]) not in (None, ""):
            secrets.append(self._text(place, document, PREVIOUS))
        return ClientCredentials(client_id, tuple(map(Secret, secrets)), version)

    def _text(self, place: Place, document: Mapping[str, Any], name: str) -> str:
        """One field; what it holds instead is told by kind, never by value."""
        key = self._names[name]
        value = document.get(key)
        match value:
            case str() if value:
                return value
            case None:
                found = "is null" if key in document else "is missing"
            case str():
                found = "is an empty string"
            case _:
                found = f"is a {_KINDS.get(type(value), 'value of another kind')}"
        raise RotationError(
            Code.SECRET_MALFORMED,
            f"field {key} at {place.path} {found}, wanted a non-empty string. {_cure(place, key)}",
        )

    async def _digest(self, found: ClientCredentials) -> ClientCredentials:
        """KV v1 counts no versions: a slow digest of the content takes their place, made when the content changes.

        It is salted by the path only, since a restart has to come to the same version.
        """
        known = self._digested
        if known is None or (known[0].client_id, known[0].secrets) != (found.client_id, found.secrets):
            known = (found, await asyncio.to_thread(_slow_digest, self._path, found))
            self._digested = known
        return ClientCredentials(found.client_id, found.secrets, known[1])


_KINDS = {bool: "boolean", int: "number", float: "number", list: "list", dict: "map"}


def _slow_digest(path: str, found: ClientCredentials) -> str:
    content = json.dumps([found.client_id, *(secret.reveal() for secret in found.secrets)])
    return "d" + hashlib.scrypt(content.encode(), salt=f"rotator {path}".encode(), **DIGEST_COST).hex()


def _cure(place: Place, key: str) -> str:
    verb = "patch" if place.version > 1 else "put"
    return f"Mend it with `bao kv {verb} {place.path} {key}=…`"


def _absent(place: Place, stored: Stored) -> RotationError:
    if stored.version == 0:
        return RotationError(
            Code.SECRET_MISSING,
            f"there is nothing at {place.path}. Write `bao kv put {place.path} client_id=… client_secret=…`",
        )
    if stored.destroyed:
        return RotationError(
            Code.SECRET_DELETED,
            f"version {stored.version} at {place.path} is destroyed and cannot be brought back. "
            f"Write a new one: `bao kv put {place.path} client_id=… client_secret=…`",
        )
    return RotationError(
        Code.SECRET_DELETED,
        f"version {stored.version} at {place.path} holds no data: it has been deleted, or was written as null. "
        f"Bring it back with `bao kv undelete -versions={stored.version} {place.path}`, or write a new version",
    )
