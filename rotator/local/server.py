"""The socket at which programs on this machine ask for their tokens: HTTP, one request for each connection.

Who may not have any token learns nothing but that; who may have one learns nothing of any other, not even whether there
is one. Whoever can connect is somebody's process on this machine, but need not mean well: what a user's connections may
take of memory and time is bounded, so that others are answered all the same.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol

from rotator.core.errors import RotationError
from rotator.local.answers import Asked, Unusable, answer, refusal
from rotator.local.connections import USUAL, Limits, Standing
from rotator.local.peers import Accounts
from rotator.local.shelf import Shelf

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aiohttp import web

    from rotator.core.ports import Clock
    from rotator.local.listening import LocalSettings
    from rotator.local.peers import Peer, Peers
    from rotator.local.sink import SocketSink


class Observer(Protocol):
    """Who is told. Neither blocks nor raises."""

    def asked(self, result: str) -> None:
        """A request has been answered; see `rotator.local.answers.RESULTS`."""


class _Nobody:
    def asked(self, result: str) -> None:
        """See `Observer`."""


NOBODY: Observer = _Nobody()
"""The observer of what nobody watches."""


class LocalServer:
    """Serves the tokens of one rotator to the processes that may have them.

    Args:
        clock: Time.
        observer: Told of each request.
        limits: What connections may take.

    Attributes:
        shelf: What is served.
        accounts: Who the users and groups are.
    """

    def __init__(self, clock: Clock, observer: Observer = NOBODY, limits: Limits = USUAL) -> None:
        self.shelf = Shelf(clock)
        self.accounts = Accounts()
        self._limits = limits
        self._observer = observer
        self._sinks: dict[str, SocketSink] = {}
        self._peers: frozenset[Peers] = frozenset()
        self._standing: Standing | None = None

    def offer(self, sinks: Iterable[SocketSink]) -> None:
        """Serve for these sinks and no other from now on; what was held for others is forgotten."""
        self._sinks = {sink.credential: sink for sink in sinks}
        self._peers = frozenset(sink.peers for sink in self._sinks.values())
        self.shelf.keep(self._sinks)

    async def listen(self, settings: LocalSettings | None) -> None:
        """Answer there; None is nowhere. Who is served at another place now is so until the new one is had.

        Raises:
            OSError: The place cannot be had, and the one before is kept; the text says why.
        """
        before = self._standing
        if settings == (None if before is None else before.settings):
            return
        if before is not None and (settings is None or settings.path == before.settings.path):
            self._standing = None
            await self._end(before)
            before = None
        if settings is not None:
            self._standing = await Standing.at(settings, self._limits, self._answer, self._observer.asked)
        if before is not None:
            await self._end(before)

    async def stop(self) -> None:
        """Answer nobody any more."""
        await self.listen(None)

    async def _end(self, standing: Standing) -> None:
        standing.closing.set()
        self.shelf.wake()  # those who wait are told to come again
        await standing.stop()

    async def _answer(self, request: web.BaseRequest, peer: Peer, closing: asyncio.Event) -> web.Response:
        result, response = await self._judge(Asked.parse(request), peer, closing)
        self._observer.asked(result)
        return response

    async def _judge(self, asked: Asked | Unusable, peer: Peer, closing: asyncio.Event) -> tuple[str, web.Response]:
        if isinstance(asked, Unusable):
            # Only those who may have something are told what is wrong with their question.
            return asked.answer() if await self._knows(peer) else refusal("refused")
        loop = asyncio.get_running_loop()
        ends = loop.time() + asked.wait
        while True:
            sink = self._sinks.get(asked.name)
            if sink is None or not await self._admits(sink.peers, peer):
                return refusal("unknown" if await self._knows(peer) else "refused")
            record = self.shelf.fresh(asked.name)
            if record is not None and record.fingerprint != asked.newer:
                return answer(record, asked, sink.fields)
            left = ends - loop.time()
            if left <= 0 or closing.is_set():
                return refusal("unavailable" if record is None else "unchanged")
            await self.shelf.news(asked.name, left)

    async def _knows(self, peer: Peer) -> bool:
        """Whether there is a token that somebody may have."""
        for peers in self._peers:
            if await self._admits(peers, peer):
                return True
        return False

    async def _admits(self, peers: Peers, peer: Peer) -> bool:
        with suppress(RotationError):  # who cannot be looked up is not let in; the sink's next write tells why
            return await self.accounts.admits(peers, peer)
        return False
