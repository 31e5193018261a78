"""A real rotator with real servers, whose page can be looked at by HTTP."""

from __future__ import annotations

import socket
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from rotator.demo.bao import BaoServer
from tests.support.oidc import OidcProvider
from tests.support.process import Rotator, Site

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from pathlib import Path


@asynccontextmanager
async def running(home: Path, lifetimes: Mapping[str, int]) -> AsyncIterator[tuple[Rotator, Site, str]]:
    """A rotator that keeps these applications fresh, their tokens living so many seconds; and its page's address."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        place = f"127.0.0.1:{free.getsockname()[1]}"
    async with BaoServer("inmem") as bao:
        await bao.enable_approle()
        with OidcProvider() as provider:
            site = Site(home, bao, provider, extra=f'[http]\nlisten = "{place}"\n')
            configuration = await site.prepare([])
            for name, lifetime in lifetimes.items():
                site.lifetime = lifetime
                await site.register(name)
            site.write(list(lifetimes))
            async with Rotator(configuration) as daemon:
                await daemon.says("http.listening")
                for name in lifetimes:
                    await daemon.says("token.delivered", credential=name, count=2)
                yield daemon, site, f"http://{place}/"
