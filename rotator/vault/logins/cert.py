"""TLS certificates (https://openbao.org/docs/auth/cert/): the connection itself shows who we are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from rotator.vault.auth import Lease, Login, trade
from rotator.vault.inputs import refused
from rotator.wire.trust import UnusableCertificateError

if TYPE_CHECKING:
    from collections.abc import Callable

    from rotator.vault.auth import Connect
    from rotator.wire.trust import ClientCertificate


def _nothing() -> None:
    """There is nothing more to look at."""


@dataclass(frozen=True, slots=True)
class CertLogin(Login):
    """A client certificate.

    Attributes:
        shown: Certificate and key, in files that are read again when they change.
        role: The name of the certificate's entry at the mount; empty for whichever fits.
        mount: Where the method is mounted.
        inspect: Called before each login; raises RotationError where the key may not be relied on.
    """

    kind: ClassVar[str] = "cert"

    shown: ClientCertificate
    role: str = ""
    mount: str = "cert"
    inspect: Callable[[], None] = _nothing

    @property
    def certificate(self) -> ClientCertificate:
        """See `Login`. Vault wants to see it also when the token is renewed."""
        return self.shown

    def stamp(self) -> object:
        """See `Login`."""
        return self.shown.stamp()

    async def login(self, connect: Connect) -> Lease:
        """Have Vault judge what the connection shows. See `Login`."""
        self.inspect()
        try:
            self.shown.check()
        except UnusableCertificateError as error:
            why = str(error)
        else:
            role = f"role {self.role!r}" if self.role else "any role"
            who = f"certificate login at {self.mount!r} as {role}; certificate from {self.shown.cert_file}"
            return await trade(connect, self.mount, {"name": self.role} if self.role else {}, who)
        raise refused(why)
