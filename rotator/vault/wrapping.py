"""A secret id that comes response-wrapped (https://openbao.org/docs/concepts/response-wrapping/).

What is delivered is a token that can be unwrapped once. If it has been unwrapped before we come, somebody else may hold
the secret id: that is told as what it may be, an interception (V31).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from rotator.core.errors import Code, RotationError
from rotator.core.model import Secret
from rotator.vault.answers import CasMismatchError, ForbiddenError, NotFoundError, malformed
from rotator.vault.inputs import fetch, origin, refused

if TYPE_CHECKING:
    from collections.abc import Callable

    from rotator.vault.inputs import SecretInput


class WrappedSecretId:
    """The secret id behind a wrapping token, unwrapped once and kept in memory until another token is delivered.

    Args:
        token: Where the wrapping token is.
    """

    def __init__(self, token: SecretInput) -> None:
        self.token = token
        self._unwrapped: tuple[Secret, Secret] | None = None

    async def fetch(self, connect: Callable[[Secret | None], Any], mount: str) -> Secret:
        """The secret id.

        Args:
            connect: Makes an hvac client that sends this token, or none.
            mount: Where AppRole is mounted: the wrapping token has to come from a role there.

        Raises:
            RotationError: VAULT_WRAP_SPENT when it cannot be unwrapped any more, or was made by something else than
                a role's secret-id; VAULT_LOGIN_REFUSED when its file cannot be read; VAULT_* when Vault was not asked.
        """
        token = fetch(self.token, "the wrapping token")
        if self._unwrapped is None or self._unwrapped[0] != token:
            self._unwrapped = (token, await self._unwrap(token, connect, mount))
        return self._unwrapped[1]

    async def _unwrap(self, token: Secret, connect: Callable[[Secret | None], Any], mount: str) -> Secret:
        where = origin(self.token)
        try:
            body = {"token": token.reveal()}
            made = await connect(None).adapter.post("/v1/sys/wrapping/lookup", json=body)
            _check_maker(made, mount, where)
            answer = await connect(token).adapter.post("/v1/sys/wrapping/unwrap")
        except RotationError as error:
            if isinstance(error, (CasMismatchError, ForbiddenError, NotFoundError)) or error.code is Code.VAULT_REFUSED:
                why = "that was done before, it has expired, or it never was one"
                raise RotationError(
                    Code.VAULT_WRAP_SPENT, f"Vault does not unwrap the secret id {where}: {why}"
                ) from None
            raise
        match answer.get("data"):
            case {"secret_id": str() as secret_id} if secret_id:
                return Secret(secret_id)
            case _:
                raise refused(f"what was wrapped {where} is no secret id")


def _check_maker(document: Any, mount: str, where: str) -> None:
    """A wrapping token that somebody else made in place of the right one says so itself."""
    match document.get("data"):
        case {"creation_path": str() as path}:
            wanted = f"auth/{mount}/role/[^/]+/(custom-)?secret-id"
            if re.fullmatch(wanted, path) is None:
                raise RotationError(
                    Code.VAULT_WRAP_SPENT,
                    f"the wrapping token {where} was not made by auth/{mount}/role/…/secret-id: it has been replaced",
                )
        case _:
            raise malformed("the answer about the wrapping token does not tell what made it")
