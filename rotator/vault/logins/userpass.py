"""User name and password (https://openbao.org/docs/auth/userpass/)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar
from urllib.parse import quote

from rotator.vault.auth import Lease, Login, trade
from rotator.vault.inputs import fetch, origin, stamp

if TYPE_CHECKING:
    from rotator.vault.auth import Connect
    from rotator.vault.inputs import SecretInput


@dataclass(frozen=True, slots=True)
class UserpassLogin(Login):
    """A user of Vault's own, with a password. After five wrong ones in a row Vault locks a user out for 15 minutes.

    Attributes:
        username: The user.
        password: Its password.
        mount: Where the method is mounted.
    """

    kind: ClassVar[str] = "userpass"

    username: str
    password: SecretInput
    mount: str = "userpass"

    def stamp(self) -> object:
        """See `Login`."""
        return stamp(self.password)

    async def login(self, connect: Connect) -> Lease:
        """Trade the password for a token. See `Login`."""
        password = fetch(self.password, "the password")
        who = f"userpass login at {self.mount!r} as user {self.username!r}; password {origin(self.password)}"
        below = f"login/{quote(self.username, safe='')}"
        return await trade(connect, self.mount, {"password": password.reveal()}, who, below)
