"""A gateway before an authorization server: clients show it a key, and it shows the server what that wants."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

import aiohttp
from aiohttp import web

if TYPE_CHECKING:
    from tests.support.controlled import Client

HEADER = "X-Api-Key"


class Gateway:
    """The gateway; `async with` serves it.

    Args:
        token_url: Of the authorization server.
        clients: Whom it knows; the key of each is its secret.

    Attributes:
        refused: How many requests showed no key, or a wrong one.
    """

    def __init__(self, token_url: str, *clients: Client) -> None:
        self.refused = 0
        self._token_url = token_url
        self._secrets = {client.client_id: client.secret.reveal() for client in clients}

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_post("/token", self._pass_on)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self._session = aiohttp.ClientSession()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()
        await self._runner.cleanup()

    @property
    def token_url(self) -> str:
        """Where clients ask."""
        return f"http://127.0.0.1:{self._runner.addresses[0][1]}/token"

    async def _pass_on(self, request: web.Request) -> web.Response:
        form = {name: str(value) for name, value in (await request.post()).items()}
        client_id = form.pop("client_id", "")
        if not client_id or request.headers.get(HEADER) != self._secrets.get(client_id):
            self.refused += 1
            return web.json_response({"error": "invalid_client"}, status=401)
        basic = aiohttp.encode_basic_auth(client_id, self._secrets[client_id])
        async with self._session.post(self._token_url, data=form, headers={"Authorization": basic}) as answer:
            return web.json_response(await answer.json(), status=answer.status)
