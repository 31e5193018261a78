"""Token requests and deliveries that are counted and timed on their way."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Protocol, TypeVar

from rotator.core.errors import Code, RotationError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from rotator.core.model import ClientCredentials, Grant, TokenRecord
    from rotator.core.ports import Clock, Sink, TokenEndpoint

T = TypeVar("T")

OK = "ok"
"""The result of what succeeded; of anything else it is the code of the error."""


class Observer(Protocol):
    """Who is told. Neither blocks nor raises."""

    def minted(self, provider: str, result: str, seconds: float) -> None:
        """A token request of this provider has ended."""

    def delivered(self, kind: str, result: str, seconds: float) -> None:
        """A write to a sink of this kind has ended."""

    def late(self, seconds: float) -> None:
        """A pass has begun so long after the date for which it was planned."""

    def asked(self, result: str) -> None:
        """A question at the local socket has been answered."""


class _Nobody:
    def minted(self, provider: str, result: str, seconds: float) -> None:
        """See `Observer`."""

    def delivered(self, kind: str, result: str, seconds: float) -> None:
        """See `Observer`."""

    def late(self, seconds: float) -> None:
        """See `Observer`."""

    def asked(self, result: str) -> None:
        """See `Observer`."""


NOBODY: Observer = _Nobody()
"""The observer of what nobody watches."""


async def _timed(work: Awaitable[T], clock: Clock, tell: Callable[[str, float], None]) -> T:
    """Wait for `work` and tell its result and how long it took. What is cancelled has no result and is not told."""
    began = clock.elapsed()
    try:
        done = await work
    except Exception as error:
        code = error.code if isinstance(error, RotationError) else Code.INTERNAL
        tell(code.text, clock.elapsed() - began)
        raise
    tell(OK, clock.elapsed() - began)
    return done


class MeteredEndpoint:
    """A token endpoint whose requests are told of."""

    __slots__ = ("_clock", "_endpoint", "_observer", "_provider")

    def __init__(self, endpoint: TokenEndpoint, provider: str, clock: Clock, observer: Observer) -> None:
        self._endpoint = endpoint
        self._clock = clock
        self._provider = provider
        self._observer = observer

    async def mint(self, credentials: ClientCredentials) -> Grant:
        """See `rotator.core.ports.TokenEndpoint`."""
        tell = partial(self._observer.minted, self._provider)
        return await _timed(self._endpoint.mint(credentials), self._clock, tell)


class MeteredSink:
    """A sink whose writes are told of."""

    __slots__ = ("_clock", "_observer", "_sink")

    def __init__(self, sink: Sink, clock: Clock, observer: Observer) -> None:
        self._sink = sink
        self._clock = clock
        self._observer = observer

    @property
    def name(self) -> str:
        """See `rotator.core.ports.Sink`."""
        return self._sink.name

    @property
    def kind(self) -> str:
        """See `rotator.core.ports.Sink`."""
        return self._sink.kind

    async def read(self) -> TokenRecord | None:
        """See `rotator.core.ports.Sink`."""
        return await self._sink.read()

    async def write(self, record: TokenRecord) -> TokenRecord:
        """See `rotator.core.ports.Sink`."""
        tell = partial(self._observer.delivered, self._sink.kind)
        return await _timed(self._sink.write(record), self._clock, tell)

    async def check(self) -> None:
        """See `rotator.core.ports.Sink`."""
        await self._sink.check()
