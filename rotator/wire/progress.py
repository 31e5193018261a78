"""How far a request came: whether its connection had been used before, and whether it was sent.

aiohttp's errors do not say so. Its tracing would, and calls a coroutine for each step of each request, which takes a
tenth of what a token request costs; so the one step that tells both is watched here.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

import aiohttp

if TYPE_CHECKING:
    from aiohttp import ClientRequest, ClientTimeout
    from aiohttp.client_proto import ResponseHandler
    from aiohttp.connector import Connection
    from aiohttp.tracing import Trace


class Progress:
    """How far one request came.

    Attributes:
        kept: Whether one of its connections had been used before.
        sent: Whether it was sent, as far as we know: it got a connection, and is written to that at once.
    """

    __slots__ = ("kept", "sent")

    def __init__(self) -> None:
        self.kept = self.sent = False


PROGRESS: ContextVar[Progress | None] = ContextVar("PROGRESS", default=None)
"""Of the request that is being made; None where nobody wants to know."""


class WatchedConnector(aiohttp.TCPConnector):
    """Tells `PROGRESS` when a request gets its connection.

    Args:
        options: As `aiohttp.TCPConnector` takes them.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._used: WeakSet[ResponseHandler] = WeakSet()

    async def connect(self, req: ClientRequest, traces: list[Trace], timeout: ClientTimeout) -> Connection:  # noqa: ASYNC109  aiohttp's own
        """As aiohttp does it."""
        connection = await super().connect(req, traces, timeout)
        progress, protocol = PROGRESS.get(), connection.protocol
        if progress is not None and protocol is not None:
            progress.kept = progress.kept or protocol in self._used
            progress.sent = True
            self._used.add(protocol)
        return connection
