"""JWT (https://openbao.org/docs/auth/jwt/): a token of a workload's own platform, which Vault checks by its keys.

It is the half of the JWT/OIDC method that needs no browser.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from rotator.vault.auth import Lease, Login, trade
from rotator.vault.inputs import fetch, origin, stamp

if TYPE_CHECKING:
    from rotator.vault.auth import Connect
    from rotator.vault.inputs import SecretInput


@dataclass(frozen=True, slots=True)
class JwtLogin(Login):
    """A JWT that somebody keeps fresh in a file: a CI system, a SPIFFE agent, a cloud's metadata service.

    Attributes:
        jwt: The JWT.
        role: The role at the mount; empty for the mount's default role.
        mount: Where the method is mounted.
    """

    kind: ClassVar[str] = "jwt"

    jwt: SecretInput
    role: str = ""
    mount: str = "jwt"

    def stamp(self) -> object:
        """See `Login`."""
        return stamp(self.jwt)

    async def login(self, connect: Connect) -> Lease:
        """Trade the JWT for a token of Vault. See `Login`."""
        jwt = fetch(self.jwt, "the JWT")
        role = f"role {self.role!r}" if self.role else "its default role"
        who = f"JWT login at {self.mount!r} as {role}; JWT {origin(self.jwt)}"
        return await trade(connect, self.mount, {"role": self.role, "jwt": jwt.reveal()}, who)
