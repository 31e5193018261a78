"""Servers that hand out one token until it dies, over real sockets: asked seldom at first and often towards the end."""

from __future__ import annotations

import itertools
import math
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
from aiohttp import web

from rotator.core.model import CredentialSpec
from rotator.core.observation import Surroundings
from rotator.core.policy import MINT_INTERVAL
from rotator.core.rotation import Rotation
from rotator.oauth.endpoint import EndpointSettings, HttpTokenEndpoint
from rotator.oauth.provider import Provider, ProviderSettings
from rotator.testing import FakeClock, MemorySink, MemorySource, RecordingJournal
from tests.support.http import serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

LIFE = 600.0

LATE = MINT_INTERVAL + 3
"""Seconds. A token that dies is replaced within these: the server has none before, and is not asked without end."""


class Cache:
    """An authorization server with a cache, and a credential of it.

    Args:
        honest: Whether it tells what is left of a token's life; otherwise always the whole of it.

    Attributes:
        asked: When each request came, on the elapsed clock.
    """

    def __init__(self, *, honest: bool) -> None:
        self.clock = FakeClock()
        self.journal = RecordingJournal()
        self.sink = MemorySink("memory:0")
        self.asked: list[float] = []
        self._honest = honest
        self._serial, self._dies = 0, 0.0

    async def answer(self, _: web.Request) -> web.Response:
        now = self.clock.now().elapsed
        self.asked.append(now)
        if now >= self._dies:
            self._serial, self._dies = self._serial + 1, now + LIFE
        left = math.floor(self._dies - now) if self._honest else int(LIFE)
        fields = {"access_token": f"token.{self._serial}", "token_type": "Bearer", "expires_in": left}
        return web.json_response(fields)

    def connect(self, url: str) -> Provider:
        provider = Provider(ProviderSettings(f"{url}/token"), self.clock)
        endpoint = HttpTokenEndpoint(provider, EndpointSettings(), self.clock)
        spec = CredentialSpec("billing", "thx", ())
        self._rotation = Rotation(spec, MemorySource(), endpoint, [self.sink], self.clock, self.journal)
        return provider

    async def live(self, seconds: float) -> None:
        """Make every pass when it is due."""
        until = self.clock.now().elapsed + seconds
        while (now := self.clock.now().elapsed) < until:
            wait = await self._rotation.run(Surroundings())
            self.clock.advance(max(min(wait.until, until) - now, 0.001))


@asynccontextmanager
async def cache(*, honest: bool) -> AsyncIterator[Cache]:
    server = Cache(honest=honest)
    app = web.Application()
    app.router.add_post("/token", server.answer)
    async with serving(app) as url:
        provider = server.connect(url)
        try:
            yield server
        finally:
            await provider.close()


KINDS = pytest.mark.parametrize("honest", [True, False], ids=["that tells what is left", "that tells the whole life"])


@KINDS
async def test_p33_p34_a_token_that_is_handed_out_again_is_delivered_once_with_its_true_end(*, honest: bool) -> None:
    async with cache(honest=honest) as server:
        await server.live(20.5 * LIFE)
        held = [record.access_token.reveal() for record in server.sink.history]
        assert held == [f"token.{number + 1}" for number in range(len(held))]
        assert len(held) == 21
        ends = [record.expires_at for record in server.sink.history]
        apart = [(later - earlier).total_seconds() for earlier, later in itertools.pairwise(ends)]
        assert LIFE - 1 <= min(apart) <= max(apart) <= LIFE + LATE
        assert server.journal.named("credential.rejected") == []


@KINDS
async def test_p33_p34_the_server_is_asked_more_often_towards_the_end_but_never_in_haste(*, honest: bool) -> None:
    async with cache(honest=honest) as server:
        await server.live(LIFE - 1)
        pauses = [later - earlier for earlier, later in itertools.pairwise(server.asked)]
        assert 5 <= len(server.asked) <= 10
        assert pauses == sorted(pauses, reverse=True)
        assert min(pauses) >= MINT_INTERVAL - 0.01
        repeated = [fields.get("repeated", False) for fields in server.journal.named("token.minted")]
        assert repeated == [False] + [True] * (len(server.asked) - 1)
