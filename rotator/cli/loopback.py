"""Where a browser comes back to after a person has signed in: a loopback address, for one answer (RFC 8252)."""

from __future__ import annotations

import asyncio
import errno
import html
import os
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from aiohttp import web

from rotator.core.errors import Code, RotationError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

HOST, PATH = "127.0.0.1", "/callback"

PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>rotator</title>
<meta name="viewport" content="width=device-width"><style>body{{font:1.1rem/1.5 system-ui,sans-serif;max-width:34rem;
margin:20vh auto;padding:0 1rem;color:#1a1a1a;background:#fff}}@media(prefers-color-scheme:dark){{body{{color:#eee;
background:#111}}}}</style><h1>{title}</h1><p>{text}</p></html>"""

HEADERS = {
    # The address of this page holds the code.
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
}


class Loopback:
    """Waits for the browser.

    Args:
        accept: Judges what the browser brought; a text says why it is not what is waited for, None takes it.

    Attributes:
        port: At which it waits; known once it does.
    """

    def __init__(self, accept: Callable[[dict[str, str]], str | None]) -> None:
        self.port = 0
        self._accept = accept
        self._brought: asyncio.Future[dict[str, str]] = asyncio.get_running_loop().create_future()

    @property
    def redirect_uri(self) -> str:
        """Where the browser has to come back to."""
        return f"http://{HOST}:{self.port}{PATH}"

    async def answer(self) -> dict[str, str]:
        """What the browser brought, once it has come."""
        return await self._brought

    async def handle(self, request: web.Request) -> web.Response:
        """Take what the browser brings; what is not waited for is told so and changes nothing."""
        brought = {name: request.query[name] for name in request.query}
        why = "the sign-in has been answered before" if self._brought.done() else self._accept(brought)
        if why is not None:
            return _page(400, "This is not the sign-in that rotator waits for", f"{why}.")
        self._brought.set_result(brought)
        if "error" in brought:
            return _page(200, "Not signed in", "The provider said no. What it said is where rotator was started.")
        return _page(200, "Signed in", "rotator has what it needs. You can close this window.")


def _page(status: int, title: str, text: str) -> web.Response:
    body = PAGE.format(title=html.escape(title), text=html.escape(text))
    return web.Response(status=status, text=body, content_type="text/html", headers=HEADERS)


@asynccontextmanager
async def waiting(port: int, accept: Callable[[dict[str, str]], str | None]) -> AsyncIterator[Loopback]:
    """A loopback address that a browser can come back to.

    Args:
        port: 0 takes a free one.
        accept: See `Loopback`.

    Raises:
        RotationError: LOGIN_REFUSED when the port is taken.
    """
    loopback = Loopback(accept)
    app = web.Application()
    app.router.add_get(PATH, loopback.handle)
    runner = web.AppRunner(app, access_log=None, handle_signals=False)
    await runner.setup()
    try:
        await _listen(runner, port)
        loopback.port = runner.addresses[0][1]
        yield loopback
    finally:
        await runner.cleanup()


async def _listen(runner: web.AppRunner, port: int) -> None:
    try:
        await web.TCPSite(runner, HOST, port).start()
    except OSError as error:
        why = f"port {port} cannot be listened on: {os.strerror(error.errno or errno.EIO)}"
    else:
        return
    raise RotationError(Code.LOGIN_REFUSED, f"{why}; set login.redirect_port to another one that the provider allows")
