"""A relay before a real server, on which a test meddles with requests and answers."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, TypeAlias

import aiohttp
from aiohttp import web
from yarl import URL

from rotator.engine.clock import SystemClock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

Forward: TypeAlias = "Callable[[], Awaitable[web.Response]]"
Meddle: TypeAlias = "Callable[[web.Request, Forward], Awaitable[web.Response]]"


async def pass_on(_: web.Request, forward: Forward) -> web.Response:
    """Change nothing."""
    return await forward()


class Relay:
    """Passes requests on through `meddle`.

    Attributes:
        address: Where it listens.
        meddle: What happens to each request; a test sets it.
        seen: Method and path of every request.
        times: When each came, on the elapsed clock.
    """

    def __init__(self, upstream: str) -> None:
        self.address = ""
        self.meddle: Meddle = pass_on
        self.seen: list[tuple[str, str]] = []
        self.times: list[float] = []
        self._upstream = upstream

    def count(self, path: str) -> int:
        """How many requests there were for a path."""
        return sum(path == asked for _, asked in self.seen)

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[Relay]:
        """Serve while the block lasts."""
        async with aiohttp.ClientSession() as self._client:
            app = web.Application()
            app.router.add_route("*", "/{tail:.*}", self._handle)
            runner = web.AppRunner(app, shutdown_timeout=0)
            await runner.setup()
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            host, port = runner.addresses[0][:2]
            self.address = f"http://{host}:{port}"
            try:
                yield self
            finally:
                await runner.cleanup()

    async def _handle(self, request: web.Request) -> web.Response:
        self.seen.append((request.method, request.path))
        self.times.append(SystemClock().now().elapsed)
        body = await request.read()

        async def forward() -> web.Response:
            url = URL(f"{self._upstream}{request.raw_path}", encoded=True)
            headers = {name: value for name, value in request.headers.items() if name.startswith("X-Vault")}
            async with self._client.request(request.method, url, headers=headers, data=body) as answer:
                return web.Response(status=answer.status, body=await answer.read())

        return await self.meddle(request, forward)
