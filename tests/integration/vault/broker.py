"""A RabbitMQ broker's management API, for Vault's dynamic secrets to be made at.

A real broker is not to be had everywhere. The secrets engine that asks is the real one, with its leases and their
revocation; this answers it as https://www.rabbitmq.com/docs/http-api-reference has it, as far as it asks: users and
their permissions are put and deleted with 204, and listed. Who asks shows the administrator's name and password.
"""

from __future__ import annotations

import base64
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

ADMINISTRATOR = ("admin", "adm1n")


async def _nobody(_: str, __: str) -> None:
    """Nobody is told."""


class Broker:
    """A broker.

    Args:
        tell: Told the name and the password of each user that is made.

    Attributes:
        address: Where its API listens.
        users: The passwords of those that there are, by name.
        made: How many were made.
        away: Whether it answers 503.
    """

    def __init__(self, tell: Callable[[str, str], Awaitable[None]] = _nobody) -> None:
        self._tell = tell
        self.address = ""
        self.users: dict[str, str] = {}
        self.made = 0
        self.away = False

    async def answer(self, request: web.Request) -> web.Response:
        """Answer one request."""
        if self.away:
            return web.json_response({"error": "service_unavailable"}, status=503)
        wanted = "Basic " + base64.b64encode(":".join(ADMINISTRATOR).encode()).decode()
        if request.headers.get("Authorization") != wanted:
            return web.json_response({"error": "not_authorised", "reason": "Login failed"}, status=401)
        name = request.match_info.get("user", "")
        if request.method == "PUT" and "vhost" not in request.match_info:
            self.users[name] = (await request.json())["password"]
            self.made += 1
            await self._tell(name, self.users[name])
        elif request.method == "DELETE":
            if self.users.pop(name, None) is None:
                return web.json_response({"error": "Object Not Found", "reason": "Not Found"}, status=404)
        elif request.method == "GET":
            return web.json_response([{"name": user, "tags": []} for user in self.users])
        return web.Response(status=204)


@asynccontextmanager
async def running(tell: Callable[[str, str], Awaitable[None]] = _nobody) -> AsyncIterator[Broker]:
    """A broker whose API listens on loopback while the block lasts."""
    broker = Broker(tell)
    application = web.Application()
    application.router.add_get("/api/users/", broker.answer)
    application.router.add_route("*", "/api/users/{user}", broker.answer)
    application.router.add_put("/api/permissions/{vhost}/{user}", broker.answer)
    runner = web.AppRunner(application)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host, port = runner.addresses[0][:2]
        broker.address = f"http://{host}:{port}"
        yield broker
    finally:
        await runner.cleanup()
