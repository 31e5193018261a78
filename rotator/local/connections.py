"""The connections of a socket: who is at the other end, how many of them there are, and how long they last.

aiohttp reads the requests. Each connection carries one, as curl's do: those that stand idle in between need no bounds.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, cast

from aiohttp import web

from rotator.local.answers import Unusable
from rotator.local.listening import listen
from rotator.local.peers import peer_of
from rotator.wire.unix_socket import leave

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import TypeAlias

    from rotator.local.listening import LocalSettings
    from rotator.local.peers import Peer

    Answer: TypeAlias = Callable[[web.BaseRequest, Peer, asyncio.Event], Awaitable[web.Response]]


@dataclass(frozen=True, slots=True)
class Limits:
    """What connections may take.

    Attributes:
        most: Connections at once.
        most_of_one: Of one user, so that nobody takes them all.
        asks_within: Seconds in which a request must have come, to the end of its head.
        lasts: Seconds that a connection lasts at most: the longest wait, and time to take the answer.
    """

    most: int = 256
    most_of_one: int = 64
    asks_within: float = 5.0
    lasts: float = 75.0


USUAL = Limits()

LARGEST_LINE = 4096
"""Bytes of a request's first line, and of each line in its head."""

MOST_LINES = 64
"""Lines in a request's head."""

CLOSING = 1.0
"""Seconds that answers under way get when the server stops."""

LONGEST_QUEUE = 1024
"""Connections that wait to be accepted; beyond that a unix socket refuses, which asyncio takes for a connection."""

_WORDS = b"too many connections now\n"
_BUSY = (
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nCache-Control: no-store\r\nConnection: close\r\n"
    b"Content-Type: text/plain; charset=utf-8\r\nContent-Length: %d\r\n\r\n%s" % (len(_WORDS), _WORDS)
)


class Standing:
    """A socket that is listened at.

    Attributes:
        settings: Where.
        limits: What connections may take.
        told: Told what became of requests that nobody was asked about.
        closing: Set when there is no time to wait any more.
    """

    def __init__(self, settings: LocalSettings, limits: Limits, answer: Answer, told: Callable[[str], None]) -> None:
        self.settings = settings
        self.limits = limits
        self._answer = answer
        self.told = told
        self.closing = asyncio.Event()
        self._of = Counter[int]()
        self._web = web.Server(self._handle, handler_cancellation=True)
        self._server: asyncio.Server | None = None

    @classmethod
    async def at(cls, settings: LocalSettings, limits: Limits, answer: Answer, told: Callable[[str], None]) -> Standing:
        """Listen.

        Args:
            settings: Where.
            limits: What connections may take.
            answer: What is answered to a request of this peer; the event is `closing`.
            told: Told what became of those that never get as far as to be answered.

        Raises:
            OSError: The place cannot be had; the text says why.
        """
        self = cls(settings, limits, answer, told)
        loop = asyncio.get_running_loop()
        # Not create_unix_server: Python 3.13 would look for the socket under the name by which it was bound.
        self._server = await loop.create_server(self._connection, sock=listen(settings), backlog=LONGEST_QUEUE)
        return self

    async def stop(self) -> None:
        """Answer nobody any more."""
        self.closing.set()
        leave(self.settings.path)
        if self._server is not None:
            self._server.close()
        self._web.pre_shutdown()
        await self._web.shutdown(CLOSING)

    def enter(self, uid: int) -> bool:
        """Count a connection; False when there are enough."""
        if self._of.total() >= self.limits.most or self._of[uid] >= self.limits.most_of_one:
            self.told("busy")
            return False
        self._of[uid] += 1
        return True

    def left(self, uid: int) -> None:
        """It has ended."""
        self._of[uid] -= 1
        if not self._of[uid]:
            del self._of[uid]

    def _connection(self) -> _Connection:
        return _Connection(
            self,
            self._web,
            loop=asyncio.get_running_loop(),
            keepalive_timeout=self.limits.asks_within,
            tcp_keepalive=False,
            access_log=None,
            lingering_time=0,
            max_line_size=LARGEST_LINE,
            max_field_size=LARGEST_LINE,
            max_headers=MOST_LINES,
        )

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        peer = cast("_Connection", request.protocol).peer
        if peer is None:
            raise TypeError("nobody is let in without saying who he is")
        response = await self._answer(request, peer, self.closing)
        response.force_close()
        return response


class _Connection(web.RequestHandler):
    """One connection. Its peer is known before a byte of it is read."""

    def __init__(self, standing: Standing, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.peer: Peer | None = None
        self._standing = standing
        self._end: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See who it is, and take him in if there is room."""
        stream = cast("asyncio.Transport", transport)
        try:
            peer = peer_of(stream.get_extra_info("socket"))
        except OSError:
            stream.abort()  # it has gone already, or the kernel does not say
            return
        if not self._standing.enter(peer.uid):
            stream.write(_BUSY)
            stream.close()
            return
        self.peer = peer
        self._end = asyncio.get_running_loop().call_later(self._standing.limits.lasts, stream.abort)
        super().connection_made(transport)

    def data_received(self, data: bytes) -> None:
        """Read on."""
        if self.peer is not None:
            super().data_received(data)

    def handle_error(
        self, request: web.BaseRequest, status: int = 500, exc: BaseException | None = None, message: str | None = None
    ) -> web.StreamResponse:
        """Answer what is no HTTP. aiohttp would write an error into the log for each, and repeat what was said."""
        if status != HTTPStatus.BAD_REQUEST:
            return super().handle_error(request, status, exc, message)
        result, response = Unusable(status, "wanted: a request of HTTP/1.1").answer()
        self._standing.told(result)
        response.force_close()
        return response

    def connection_lost(self, exc: BaseException | None) -> None:
        """Make room."""
        if self.peer is not None:
            self._standing.left(self.peer.uid)
        if self._end is not None:
            self._end.cancel()
        super().connection_lost(exc)
