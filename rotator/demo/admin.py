"""What an administrator asks of an OpenBao server over its HTTP API, as far as the demo and tests need it."""

from __future__ import annotations

import asyncio
import json
import ssl
from typing import TYPE_CHECKING, Any, Literal

import aiohttp

from rotator.core.model import Secret

if TYPE_CHECKING:
    from pathlib import Path

DEADLINE = 30.0
"""Seconds for each thing that the server is waited for: to listen, to answer, to become active."""

OK = 200
FIRST_ERROR = 400


class BaoError(Exception):
    """The server did not start, or refused what it was asked. The text says which, and holds no token and no key."""


class Administrator:
    """Holds the root token of the server at `address`.

    It keeps no connection, so its methods may be called from different event loops, one after the other.

    Args:
        ca_file: PEM bundle to trust instead of the system's.
    """

    def __init__(self, ca_file: Path | None = None) -> None:
        self._address = ""
        self._root_token = Secret("")
        self._ca_file = ca_file

    @property
    def address(self) -> str:
        """Scheme, host and port; empty before the server's first start."""
        return self._address

    @property
    def root_token(self) -> Secret:
        """The token that may do everything."""
        return self._root_token

    async def request(
        self, method: str, path: str, body: dict[str, Any] | None = None, *, token: Secret | None = None
    ) -> dict[str, Any]:
        """One request to the HTTP API.

        Args:
            method: GET, PUT, LIST, …
            path: Below `/v1/`.
            body: Sent as JSON.
            token: Who asks; None means the root token.

        Returns:
            The answer's JSON object; an empty one when the answer has no body.

        Raises:
            BaoError: A status of 400 or more, or no answer. The server's own `errors` are shown, the body sent is not.
        """
        status, answer = await self.ask(method, path, body, token)
        if status >= FIRST_ERROR:
            said = "; ".join(map(str, answer.get("errors") or ())) or "nothing more"
            raise BaoError(f"the OpenBao server answered {method} /v1/{path} with status {status}, saying: {said}")
        return answer

    async def enable_kv(self, mount: str, version: Literal[1, 2]) -> None:
        """Mount a KV secrets engine and return when it takes requests.

        Raises:
            BaoError: The mount exists, or the server refused.
        """
        await self.request("POST", f"sys/mounts/{mount}", {"type": "kv", "options": {"version": str(version)}})
        if version == 2:  # noqa: PLR2004  it refuses requests while it sets itself up
            await self._until_ok(f"{mount}/config")

    async def write_policy(self, name: str, rules: str) -> None:
        """Create or replace an ACL policy written in HCL.

        Raises:
            BaoError: The server refused.
        """
        await self.request("PUT", f"sys/policies/acl/{name}", {"policy": rules})

    async def create_token(self, *policies: str, **options: Any) -> Secret:
        """A token with these policies; `options` are those of `auth/token/create`, such as `ttl="1h"`.

        Raises:
            BaoError: The server refused.
        """
        answer = await self.request("POST", "auth/token/create", {"policies": policies, **options})
        return Secret(answer["auth"]["client_token"])

    async def enable_approle(self, mount: str = "approle") -> None:
        """Enable the AppRole login.

        Raises:
            BaoError: The mount exists, or the server refused.
        """
        await self.request("POST", f"sys/auth/{mount}", {"type": "approle"})

    async def create_approle(
        self, role: str, *policies: str, mount: str = "approle", **options: Any
    ) -> tuple[str, Secret]:
        """Create a role whose tokens have these policies; `options` are the role's, such as `token_ttl="1h"`.

        Returns:
            A role id and a secret id to log in with.

        Raises:
            BaoError: The server refused.
        """
        path = f"auth/{mount}/role/{role}"
        await self.request("POST", path, {"token_policies": policies, **options})
        role_id = await self.request("GET", f"{path}/role-id")
        secret_id = await self.request("PUT", f"{path}/secret-id")
        return role_id["data"]["role_id"], Secret(secret_id["data"]["secret_id"])

    async def _until_ok(self, path: str) -> None:
        status = 0
        try:
            async with asyncio.timeout(DEADLINE):
                while (status := (await self.ask("GET", path))[0]) != OK:  # noqa: ASYNC110  it is another process
                    await asyncio.sleep(0.01)
        except TimeoutError:
            raise BaoError(
                f"the OpenBao server still answers /v1/{path} with status {status} after {DEADLINE:g} s"
            ) from None

    async def ask(
        self, method: str, path: str, body: dict[str, Any] | None = None, token: Secret | None = None
    ) -> tuple[int, dict[str, Any]]:
        """One request, like `request`: the answer's status, whichever it is, and its JSON object.

        Raises:
            BaoError: No answer.
        """
        headers = {"X-Vault-Token": (token or self._root_token).reveal()}
        trust = True if self._ca_file is None else ssl.create_default_context(cafile=self._ca_file)
        url = f"{self._address}/v1/{path}"
        try:
            async with (
                aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(DEADLINE)) as session,
                session.request(method, url, json=body, headers=headers, ssl=trust) as response,
            ):
                raw = await response.read()
        except (aiohttp.ClientError, TimeoutError) as error:
            raise BaoError(
                f"the OpenBao server at {self._address} did not answer {method} /v1/{path}: {type(error).__name__}"
            ) from None
        return response.status, json.loads(raw) if raw else {}
