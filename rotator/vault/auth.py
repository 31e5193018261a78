"""What every way to log in to Vault has in common. A further one is a module in `rotator.vault.logins`.

A login reads its secrets anew each time, so that a replaced file works without a restart (V13).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Protocol
from urllib.parse import quote

from rotator.core.errors import Code, RotationError
from rotator.core.model import Secret
from rotator.vault.answers import CasMismatchError, ForbiddenError, NotFoundError, malformed
from rotator.vault.inputs import refused

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import TypeAlias

    from rotator.vault.answers import Document
    from rotator.wire.trust import ClientCertificate

    Connect: TypeAlias = Callable[[Secret | None], Any]
    """Makes an hvac client that sends this token, or none."""


@dataclass(frozen=True, slots=True)
class Lease:
    """A Vault token as a login or a renewal gave it.

    Attributes:
        token: The token.
        ttl: Seconds it lives from then on; infinite for a token that does not expire.
        renewable: Whether renewing may be tried.
    """

    token: Secret
    ttl: float
    renewable: bool


class Login(Protocol):
    """A way to log in."""

    kind: ClassVar[str]
    """As `vault.auth.method` names it."""

    owns_token: ClassVar[bool] = True
    """Whether the token was made by this login, and is revoked in the end; one handed in belongs to somebody else."""

    @property
    def certificate(self) -> ClientCertificate | None:
        """What the connection itself has to show, for logins that go by it and for what their tokens do later."""
        return None

    def stamp(self) -> object:
        """Changes when a file that the login reads has been replaced."""

    async def login(self, connect: Connect) -> Lease:
        """Log in.

        Args:
            connect: Makes an hvac client that sends this token, or none.

        Raises:
            RotationError: VAULT_LOGIN_REFUSED when Vault, or a missing file, says no; VAULT_* when it was not asked.
        """


async def trade(connect: Connect, mount: str, body: Mapping[str, str], who: str, below: str = "login") -> Lease:
    """Send what a login has to `auth/MOUNT/login` and get a token for it.

    Args:
        connect: Makes an hvac client that sends this token, or none.
        mount: Where the method is mounted.
        body: What is traded.
        who: Method, mount, role and files, for messages; no secret.
        below: The path below the mount, quoted.

    Raises:
        RotationError: VAULT_LOGIN_REFUSED; VAULT_* when Vault is away or answers against its API.
    """
    try:
        document = await connect(None).adapter.post(f"/v1/auth/{quote(mount)}/{below}", json=dict(body))
    except RotationError as error:
        raise as_login_error(error, who) from None
    match document.get("auth"):
        case {"mfa_requirement": {}}:
            raise refused(f"{who}: Vault wants a second factor, which nobody is here to give; exempt it from that")
    return auth_lease(document)


def auth_lease(document: Document) -> Lease:
    """The lease in the answer to a login or a renewal.

    Raises:
        RotationError: VAULT_MALFORMED.
    """
    match document.get("auth"):
        case {"client_token": str() as token, "lease_duration": int() as ttl, "renewable": bool() as renewable} if (
            token
        ):
            return Lease(Secret(token), _seconds(ttl), renewable)
        case _:
            raise malformed("the answer to the login or renewal holds no token with a lifetime")


def lookup_lease(token: Secret, document: Document) -> Lease:
    """The lease that `auth/token/lookup-self` tells of.

    Raises:
        RotationError: VAULT_MALFORMED.
    """
    match document.get("data"):
        case {"ttl": int() as ttl, **rest}:
            # Vault leaves `renewable` out for tokens that do not expire, such as a root token.
            return Lease(token, _seconds(ttl), rest.get("renewable") is True)
        case _:
            raise malformed("the answer to the token's lookup of itself does not tell its lifetime")


def _seconds(ttl: int) -> float:
    """Vault writes 0 for a token that does not expire."""
    return float(ttl) if ttl > 0 else math.inf


def as_login_error(error: RotationError, who: str) -> RotationError:
    """A login that Vault refuses is one whatever the status; a Vault that is away stays what it is."""
    refusal = isinstance(error, (ForbiddenError, NotFoundError, CasMismatchError)) or error.code is Code.VAULT_REFUSED
    return refused(f"{who}: {error.detail}") if refusal else error
