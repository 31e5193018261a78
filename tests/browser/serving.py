"""The status page over real HTTP, with its real headers, of any status."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from aiohttp import web

from rotator.operate import page

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from rotator.operate.history import History
    from rotator.operate.status import Status


@asynccontextmanager
async def served(
    status: Status, history: History, meddle: Callable[[bytes], bytes] = lambda body: body
) -> AsyncIterator[str]:
    """The page's address; `meddle` may change it on its way."""

    async def answer(request: web.Request) -> web.Response:
        body = page.render(status, history, page.Query.parse(request.query))
        return web.Response(body=meddle(body), headers=_headers(page.HEADERS))

    application = web.Application()
    application.router.add_get("/", answer)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        yield f"http://{host}:{port}/"
    finally:
        await runner.cleanup()


def _headers(headers: Mapping[str, str]) -> dict[str, str]:
    return {**headers, "Content-Type": "text/html; charset=utf-8"}
