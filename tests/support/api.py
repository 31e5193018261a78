"""An API that takes bearer tokens, or does what a test tells it to."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from aiohttp import web

from tests.support.http import serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection


class Api:
    """What it has been asked, and how it answers.

    Attributes:
        status: What it answers those whose token it takes.
        headers: Of its answers.
        refuses: Tokens that it does not take.
        refuses_new: Whether it takes none but those that it has taken before.
        hangs: Whether it never answers.
        tokens: The tokens that it was shown, in order.
        asked: Method and path of each request.
        url: Where it is.
        over: Set at the end, so that nobody hangs on.
    """

    def __init__(self) -> None:
        self.status = 200
        self.headers: dict[str, str] = {}
        self.refuses: Collection[str] = ()
        self.refuses_new = False
        self.hangs = False
        self.tokens: list[str] = []
        self.asked: list[tuple[str, str]] = []
        self.taken: set[str] = set()
        self.url = ""
        self.over = asyncio.Event()

    async def answer(self, request: web.Request) -> web.Response:
        kind, _, token = request.headers.get("Authorization", "").partition(" ")
        assert kind == "Bearer"
        self.tokens.append(token)
        self.asked.append((request.method, request.path_qs))
        if self.hangs:
            await self.over.wait()
        if token in self.refuses or (self.refuses_new and token not in self.taken):
            return web.Response(status=401)
        if self.status == 200:
            self.taken.add(token)
        return web.Response(status=self.status, headers=self.headers)


@asynccontextmanager
async def an_api() -> AsyncIterator[Api]:
    """It, at a socket of its own on loopback."""
    api, app = Api(), web.Application()
    app.router.add_route("*", "/{path:.*}", api.answer)
    async with serving(app) as url:
        api.url = f"{url}/health"
        try:
            yield api
        finally:
            api.over.set()
