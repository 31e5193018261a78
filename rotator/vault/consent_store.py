"""A refresh token in a KV v2 key, replaced by check-and-set only."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import quote

from rotator.core.errors import Code, RotationError
from rotator.core.model import Consent, Secret, rfc3339
from rotator.vault.answers import CasMismatchError, DoubtError, malformed
from rotator.vault.kv import look

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rotator.vault.kv import Stored
    from rotator.vault.mounts import Place
    from rotator.vault.policies import Needs
    from rotator.vault.session import VaultSession

TOKEN, LOGIN, SIGNED_IN, CLAIMED = "refresh_token", "login", "signed_in_at", "claimed_by"  # names of fields


@dataclass(frozen=True, slots=True)
class VaultConsentStore:
    """See `rotator.core.ports.ConsentStore`.

    Args:
        session: How Vault is asked.
        place: The path as `vault kv get` takes it, of a KV v2 engine.
    """

    session: VaultSession
    place: str

    async def read(self) -> Consent | None:
        """See `rotator.core.ports.ConsentStore`.

        Raises:
            RotationError: SINK_FOREIGN, MOUNT_MISSING, VAULT_*.
        """
        return self._consent(await look(self.session, await self._place()))

    def _consent(self, stored: Stored) -> Consent | None:
        if stored.fields is None:
            return None
        consent = _parse(stored.fields, stored.version)
        if consent is None:
            raise RotationError(
                Code.SINK_FOREIGN,
                f"{self.place} holds something else than a refresh token of rotator's, so it is left alone; "
                "name another path in login.path",
            )
        return consent

    async def write(self, consent: Consent) -> Consent:
        """See `rotator.core.ports.ConsentStore`.

        Raises:
            RotationError: GRANT_CLAIMED, MOUNT_MISSING, VAULT_*.
        """
        place = await self._place()
        try:
            return await self._put(place, consent)
        except CasMismatchError:
            pass
        except DoubtError:
            # It may have been written all the same (V19).
            stored = await self.read()
            if stored is not None and stored == replace(consent, version=stored.version):
                return stored
            raise
        raise RotationError(Code.GRANT_CLAIMED, f"somebody else has written to {self.place} meanwhile")

    async def vacant(self) -> int:
        """See `rotator.core.ports.ConsentStore`.

        Raises:
            RotationError: SINK_FOREIGN when something else is there; MOUNT_MISSING, VAULT_*.
        """
        stored = await look(self.session, await self._place())
        self._consent(stored)
        return stored.version

    async def needs(self) -> Needs:
        """What it needs from the policies.

        Raises:
            RotationError: MOUNT_MISSING, VAULT_*.
        """
        return {(await self._place()).data: ("create", "read", "update")}

    async def _put(self, place: Place, consent: Consent) -> Consent:
        document = {
            TOKEN: consent.refresh_token.reveal(),
            LOGIN: consent.login,
            SIGNED_IN: rfc3339(consent.signed_in_at),
            CLAIMED: consent.claimed_by,
        }
        body = {"options": {"cas": consent.version}, "data": document}
        answer = await self.session.call(
            lambda client: client.write_data(quote(place.data), data=body), {place.data: ("create", "update")}
        )
        match answer.get("data"):
            case {"version": int() as version}:
                return replace(consent, version=version)
            case _:
                raise malformed(f"the answer to the write of {place.data} does not tell the new version")

    async def _place(self) -> Place:
        place = await self.session.mounts.resolve(self.place)
        if place.version == 1:
            raise RotationError(
                Code.MOUNT_MISSING,
                f"{self.place} is in a KV v1 engine, which knows no check-and-set: a refresh token used twice would be "
                "revoked. Name a path of a KV v2 engine in login.path",
            )
        return place


def _parse(fields: Mapping[str, object], version: int) -> Consent | None:
    match fields:
        case {
            "refresh_token": str() as token,
            "login": str() as login,
            "signed_in_at": str() as signed_in,
            "claimed_by": str() as claimed,
        } if token and login:
            try:
                moment = datetime.fromisoformat(signed_in)
            except ValueError:
                return None
            return Consent(Secret(token), login, moment.astimezone(UTC), claimed, version)
        case _:
            return None
