"""Ways to log in to Vault. A further one is a class and a line in `METHODS`.

A method reads its secrets anew at each login, so that a replaced file works without a restart (V13).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypeAlias

from rotator.core.errors import Code, RotationError, whence
from rotator.core.model import Secret
from rotator.vault.answers import CasMismatchError, ForbiddenError, NotFoundError, malformed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from rotator.vault.answers import Document

SecretInput: TypeAlias = "Secret | Path | Callable[[], Secret]"
"""A secret handed in, a file that holds nothing else, or a function that fetches it."""


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
            raise _refused(f"Vault does not accept the token {origin(self.token)}") from None
        return lookup_lease(token, document)


@dataclass(frozen=True, slots=True)
class AppRoleLogin:
    """AppRole (https://openbao.org/docs/auth/approle/)."""

    kind: ClassVar[str] = "approle"
    owns_token: ClassVar[bool] = True

    role_id: SecretInput
    secret_id: SecretInput
    mount: str = "approle"

    def stamp(self) -> object:
        """See `Login`."""
        return stamp(self.role_id), stamp(self.secret_id)

    async def login(self, connect: Callable[[Secret | None], Any]) -> Lease:
        """Trade role id and secret id for a token. See `Login`."""
        role_id = fetch(self.role_id, "the role id")
        secret_id = fetch(self.secret_id, "the secret id")
        try:
            document = await connect(None).auth.approle.login(
                role_id.reveal(), secret_id.reveal(), use_token=False, mount_point=self.mount
            )
        except RotationError as error:
            where = f"role id {origin(self.role_id)}, secret id {origin(self.secret_id)}"
            raise _as_login_error(error, f"AppRole login at {self.mount!r}; {where}") from None
        return auth_lease(document)


METHODS: Mapping[str, type[Login]] = {method.kind: method for method in (TokenLogin, AppRoleLogin)}
"""Every login method, by the name that `vault.auth.method` gives it."""


def fetch(source: SecretInput, what: str) -> Secret:
    """The secret, read now; surrounding white space of a file is no part of it.

    Raises:
        RotationError: VAULT_LOGIN_REFUSED when the file cannot be read, is empty, or is no single line of text.
    """
    if isinstance(source, Secret):
        return source
    if not isinstance(source, Path):
        return _fetched(source, what)
    try:
        text = source.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise _refused(f"{what} cannot be read from {source}: {type(error).__name__}") from None
    except UnicodeDecodeError:
        raise _refused(f"{source} holds bytes that are no UTF-8, wanted {what} and nothing else") from None
    if not text or not text.isprintable():
        found = "nothing" if not text else "several lines or control characters"
        raise _refused(f"{source} holds {found}, wanted {what} and nothing else")
    return Secret(text)


def _fetched(source: Callable[[], Secret], what: str) -> Secret:
    try:
        return source()
    except RotationError:
        raise
    except Exception as error:  # noqa: BLE001  whatever it was, its text may hold the secret
        raise _refused(f"{what} could not be fetched: {whence(error)}") from None


def stamp(source: SecretInput) -> object:
    """Changes when the file does; None for what is no file, or is not there."""
    if not isinstance(source, Path):
        return None
    try:
        status = source.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino


def origin(source: SecretInput) -> str:
    """Where a secret comes from, for messages."""
    return f"from {source}" if isinstance(source, Path) else "that was handed in"


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
    return _refused(f"{what}: {error.detail}") if refusal else error


def _refused(detail: str) -> RotationError:
    return RotationError(Code.VAULT_LOGIN_REFUSED, detail)
