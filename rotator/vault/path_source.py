"""Client credentials from any path of Vault that answers a read: dynamic secrets engines, cubbyhole, plugins.

Most such engines make new credentials for each read and lease them
(https://openbao.org/docs/concepts/lease/). So a read that was leased serves every look until its lease is two thirds
over; in between Vault is asked whether the lease still lives, which its `default` policy allows, because somebody who
revokes leases by hand wants new credentials at once.

A lease dies with the Vault token that read it. A login that gets another token has the path read anew. At the end of
the process a token that rotator logged in for is revoked, and its leases with it; at a restart the path is read anew,
which means new credentials, and so a new token from the provider. Whoever wants tokens to be adopted over restarts
keeps the client credentials in a KV secrets engine.
"""

from __future__ import annotations

import asyncio
import hashlib
import math
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from rotator.core.document import Found, Wanted, credentials, with_digest
from rotator.core.errors import Code, RotationError
from rotator.vault.answers import NotFoundError
from rotator.vault.pacing import renewal_share

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rotator.core.model import ClientCredentials
    from rotator.vault.answers import Document
    from rotator.vault.policies import Needs
    from rotator.vault.session import VaultSession

OVERLAP = 120.0
"""Seconds for which a lease that was replaced is left alone: the token that was made with its credentials is in use
until its successor is delivered, and some providers take two minutes to know a new client."""


@dataclass(frozen=True, slots=True)
class _Held:
    """What was read, and until when it serves.

    Attributes:
        outcome: The credentials, or why they are none: to read again would only make further ones.
        lease: The lease's id; empty for none.
        until: When to read anew, on the elapsed clock.
        generation: Of the Vault token that read it.
    """

    outcome: ClientCredentials | RotationError
    lease: str
    until: float
    generation: int


class PathSource:
    """Reads client credentials from one path.

    Args:
        session: How Vault is asked.
        path: As `vault read` takes it.
        wanted: Which fields of the answer's `data` are needed.
        given: Fields that are told elsewhere, by the document's names, such as a client id that is always the same.
    """

    __slots__ = ("_digested", "_given", "_held", "_may_look_up", "_path", "_replaced", "_wanted", "session")

    def __init__(
        self, session: VaultSession, path: str, wanted: Wanted | None = None, given: Mapping[str, str] | None = None
    ) -> None:
        self.session = session
        self._path = path
        self._wanted = wanted or Wanted()
        self._given = dict(given or {})
        self._held: _Held | None = None
        self._replaced: list[tuple[str, float]] = []
        self._digested: ClientCredentials | None = None
        self._may_look_up = True

    async def read(self) -> ClientCredentials:
        """See `rotator.core.ports.Source`.

        A read that is cancelled after Vault has answered may leave a lease behind, which ends by itself.

        Raises:
            RotationError: SECRET_MISSING, SECRET_MALFORMED, VAULT_*.
        """
        now = self.session.clock.elapsed()
        held = self._held
        if held is None or not await self._serves(held, now):
            held = await self._ask(now)
            self._take(held, now + OVERLAP)
        await self._give_back(now)
        if isinstance(held.outcome, RotationError):
            raise RotationError(held.outcome.code, held.outcome.detail)
        return held.outcome if held.lease else await self._digest(held.outcome)

    async def close(self) -> None:
        """Give the leases back, as far as Vault and its policies allow; the session is closed afterwards."""
        self._take(None, math.inf)
        await self._give_back(math.inf)

    async def needs(self) -> Needs:
        """What reading needs from the policies. Giving leases back early needs `update` on sys/leases/revoke."""
        return {self._path: ("read",)}

    async def _serves(self, held: _Held, now: float) -> bool:
        """Whether what was read is still good. Vault's word counts, as long as it gives one."""
        if not held.lease or now >= held.until or held.generation != self.session.generation:
            return False
        if not self._may_look_up:
            return True
        try:
            await self._about(held.lease, "lookup")
        except RotationError as error:
            if error.code is Code.VAULT_DENIED:
                self._may_look_up = False
            elif error.code is Code.VAULT_REFUSED:
                return False
            else:
                raise
        return True

    async def _ask(self, now: float) -> _Held:
        """Read the path. A lease's life is counted from before the request was sent."""
        generation, url = self.session.generation, f"/v1/{quote(self._path)}"
        try:
            document = await self.session.call(lambda client: client.adapter.get(url), await self.needs())
        except NotFoundError as error:
            what = error.detail
        else:
            lease, seconds = _lease(document)
            version = f"l{hashlib.sha256(lease.encode()).hexdigest()[:24]}" if lease else ""
            until = now + seconds * renewal_share(lease)
            return _Held(self._credentials(document.get("data"), version), lease, until, generation)
        raise RotationError(
            Code.SECRET_MISSING,
            f"{what}. `bao read {self._path}` should show the client credentials; a path of a KV secrets engine is "
            'read with type = "vault"',
        )

    def _credentials(self, data: object, version: str) -> ClientCredentials | RotationError:
        if not isinstance(data, dict):
            return RotationError(Code.SECRET_MISSING, f"Vault answers a read of {self._path} without data")
        found = Found({**data, **self._given}, version, self._path, self._cure)
        try:
            return credentials(found, self._wanted)
        except RotationError as error:
            return error

    def _cure(self, key: str) -> str:
        return f"`bao read {self._path}` shows what there is; source.fields names what to take for {key}"

    def _take(self, held: _Held | None, until: float) -> None:
        """Hold this from now on; what was held before is left alone until then, on the elapsed clock."""
        before, self._held = self._held, held
        if before is not None and before.lease:
            self._replaced.append((before.lease, until))

    async def _give_back(self, now: float) -> None:
        """Revoke what was replaced long enough ago. What stays ends by itself, or with the token that read it."""
        while self._replaced and self._replaced[0][1] <= now:
            lease, _ = self._replaced.pop(0)
            with suppress(RotationError):
                await self._about(lease, "revoke")

    async def _about(self, lease: str, operation: str) -> Document:
        # Nothing is said to be needed, so that a denial is no alarm.
        url, body = f"/v1/sys/leases/{operation}", {"lease_id": lease}
        return await self.session.call(lambda client: client.adapter.post(url, json=body), {})

    async def _digest(self, read: ClientCredentials) -> ClientCredentials:
        """What has no lease has no version either: a slow digest takes its place, made when the content changes."""
        known = self._digested
        if known is None or replace(known, version="") != read:
            known = self._digested = await asyncio.to_thread(with_digest, read, self._path)
        return known


def _lease(document: Any) -> tuple[str, float]:
    """The id of a document's lease, empty for none, and its seconds, infinite for one that does not end."""
    match document:
        case {"lease_id": str() as lease, "lease_duration": int() as seconds} if lease:
            return lease, float(seconds) if seconds > 0 else math.inf
        case _:
            return "", 0.0
