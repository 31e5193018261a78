"""A Vault token that somebody else keeps alive."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from rotator.core.errors import RotationError
from rotator.vault.auth import Lease, Login, as_login_error, lookup_lease
from rotator.vault.inputs import fetch, origin, stamp

if TYPE_CHECKING:
    from rotator.vault.auth import Connect
    from rotator.vault.inputs import SecretInput


@dataclass(frozen=True, slots=True)
class TokenLogin(Login):
    """A token that somebody else made: handed in, or in a file that somebody keeps fresh, such as a Vault Agent."""

    kind: ClassVar[str] = "token"
    owns_token: ClassVar[bool] = False

    token: SecretInput

    def stamp(self) -> object:
        """See `Login`."""
        return stamp(self.token)

    async def login(self, connect: Connect) -> Lease:
        """Ask Vault what the token is worth. See `Login`."""
        token = fetch(self.token, "the Vault token")
        try:
            document = await connect(token).auth.token.lookup_self()
        except RotationError as error:
            raise as_login_error(error, f"Vault does not accept the token {origin(self.token)}") from None
        return lookup_lease(token, document)
