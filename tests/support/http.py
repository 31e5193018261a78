"""What a running rotator answers on its socket, and servers of a test on loopback."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import aiohttp
from aiohttp import web

from rotator.wire.unix_socket import near

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


async def ask(
    socket: Path, path: str, method: str = "GET", headers: dict[str, str] | None = None, within: float = 10.0
) -> tuple[int, str, dict[str, str]]:
    """Status, body and headers of an answer that comes within so many seconds."""
    with near(socket) as place:
        connector = aiohttp.UnixConnector(str(place))
        async with (
            aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(within)) as session,
            session.request(method, f"http://rotator{path}", headers=headers) as answer,
        ):
            return answer.status, await answer.text(), dict(answer.headers)


async def status_of(socket: Path, name: str) -> dict[str, Any]:
    """What `/api/v1/status/NAME` says."""
    import json

    code, body, _ = await ask(socket, f"/api/v1/status/{name}")
    assert code == 200, body
    document: dict[str, Any] = json.loads(body)
    return document


@asynccontextmanager
async def serving(app: web.Application) -> AsyncIterator[str]:
    """Serve an application on loopback; its address."""
    runner = web.AppRunner(app, access_log=None, handle_signals=False)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()
