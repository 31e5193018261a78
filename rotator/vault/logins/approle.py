"""AppRole (https://openbao.org/docs/auth/approle/)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from rotator.vault.auth import Lease, Login, trade
from rotator.vault.inputs import fetch, origin, stamp
from rotator.vault.wrapping import WrappedSecretId

if TYPE_CHECKING:
    from rotator.core.model import Secret
    from rotator.vault.auth import Connect
    from rotator.vault.inputs import SecretInput


@dataclass(frozen=True, slots=True)
class AppRoleLogin(Login):
    """A role id and a secret id, which may come response-wrapped.

    Attributes:
        role_id: Which role.
        secret_id: What proves it.
        mount: Where the method is mounted.
    """

    kind: ClassVar[str] = "approle"

    role_id: SecretInput
    secret_id: SecretInput | WrappedSecretId
    mount: str = "approle"

    def stamp(self) -> object:
        """See `Login`."""
        return stamp(self.role_id), stamp(self._secret_input)

    async def login(self, connect: Connect) -> Lease:
        """Trade role id and secret id for a token. See `Login`."""
        role_id = fetch(self.role_id, "the role id")
        secret_id = await self._fetch_secret_id(connect)
        where = f"role id {origin(self.role_id)}, secret id {origin(self._secret_input)}"
        body = {"role_id": role_id.reveal(), "secret_id": secret_id.reveal()}
        return await trade(connect, self.mount, body, f"AppRole login at {self.mount!r}; {where}")

    @property
    def _secret_input(self) -> SecretInput:
        return self.secret_id.token if isinstance(self.secret_id, WrappedSecretId) else self.secret_id

    async def _fetch_secret_id(self, connect: Connect) -> Secret:
        if isinstance(self.secret_id, WrappedSecretId):
            return await self.secret_id.fetch(connect, self.mount)
        return fetch(self.secret_id, "the secret id")
