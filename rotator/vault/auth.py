"""Ways to log in to Vault. A further one is a class and a line in `METHODS`.

A method reads its secrets anew at each login, so that a replaced file works without a restart (V13).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from rotator.core.errors import Code, RotationError
from rotator.core.model import Secret
from rotator.vault.answers import CasMismatchError, ForbiddenError, NotFoundError, malformed
from rotator.vault.inputs import fetch, origin, refused, stamp
from rotator.vault.wrapping import WrappedSecretId

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from rotator.vault.answers import Document
    from rotator.vault.inputs import SecretInput


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

    owns_token: ClassVar[bool]
    """Whether the token was made by this login, and is revoked in the end; one handed in belongs to somebody else."""

    def stamp(self) -> object:
        """Changes when a file that the login reads has been replaced."""

    async def login(self, connect: Callable[[Secret | None], Any]) -> Lease:
        """Log in.

        Args:
            connect: Makes an hvac client that sends this token, or none.

        Raises:
            RotationError: VAULT_LOGIN_REFUSED when Vault, or a missing file, says no; VAULT_* when it was not asked.
        """


@dataclass(frozen=True, slots=True)
class TokenLogin:
    """A token that somebody else made: handed in, or in a file that somebody keeps fresh, such as a Vault Agent."""

    kind: ClassVar[str] = "token"
    owns_token: ClassVar[bool] = False

    token: SecretInput

    def stamp(self) -> object:
        """See `Login`."""
        return stamp(self.token)

    async def login(self, connect: Callable[[Secret | None], Any]) -> Lease:
        """Ask Vault what the token is worth. See `Login`."""
        token = fetch(self.token, "the Vault token")
        try:
            document = await connect(token).auth.token.lookup_self()
        except ForbiddenError:
            raise refused(f"Vault does not accept the token {origin(self.token)}") from None
        return lookup_lease(token, document)


@dataclass(frozen=True, slots=True)
class AppRoleLogin:
    """AppRole (https://openbao.org/docs/auth/approle/)."""

    kind: ClassVar[str] = "approle"
    owns_token: ClassVar[bool] = True

    role_id: SecretInput
    secret_id: SecretInput | WrappedSecretId
    mount: str = "approle"

    def stamp(self) -> object:
        """See `Login`."""
        return stamp(self.role_id), stamp(self._secret_input)

    async def login(self, connect: Callable[[Secret | None], Any]) -> Lease:
        """Trade role id and secret id for a token. See `Login`."""
        role_id = fetch(self.role_id, "the role id")
        secret_id = await self._fetch_secret_id(connect)
        try:
            document = await connect(None).auth.approle.login(
                role_id.reveal(), secret_id.reveal(), use_token=False, mount_point=self.mount
            )
        except RotationError as error:
            where = f"role id {origin(self.role_id)}, secret id {origin(self._secret_input)}"
            raise _as_login_error(error, f"AppRole login at {self.mount!r}; {where}") from None
        return auth_lease(document)

    @property
    def _secret_input(self) -> SecretInput:
        return self.secret_id.token if isinstance(self.secret_id, WrappedSecretId) else self.secret_id

    async def _fetch_secret_id(self, connect: Callable[[Secret | None], Any]) -> Secret:
        if isinstance(self.secret_id, WrappedSecretId):
            return await self.secret_id.fetch(connect, self.mount)
        return fetch(self.secret_id, "the secret id")


METHODS: Mapping[str, type[Login]] = {method.kind: method for method in (TokenLogin, AppRoleLogin)}
"""Every login method, by the name that `vault.auth.method` gives it."""


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


def _as_login_error(error: RotationError, what: str) -> RotationError:
    """A login that Vault refuses is one whatever the status; a Vault that is away stays what it is."""
    refusal = isinstance(error, (ForbiddenError, NotFoundError, CasMismatchError)) or error.code is Code.VAULT_REFUSED
    return refused(f"{what}: {error.detail}") if refusal else error
