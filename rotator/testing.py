"""Fakes for time and for faults, public so that nobody has to patch: in-memory ports, a clock to turn, a loop to skip.

Each fake passes the same contract suite as the real thing (`rotator.contract`).
"""

from __future__ import annotations

import asyncio
import itertools
import math
import selectors
from collections import defaultdict
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, TypeVar

from rotator.core.errors import Code, RotationError
from rotator.core.model import ClientCredentials, Consent, Grant, Moment, Secret, TokenRecord

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator

T = TypeVar("T")

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
"""Where fake wall clocks start."""


class FakeClock:
    """A clock that moves when told to.

    Args:
        wall: Where the wall clock starts.
        elapsed: Where the elapsed clock starts, seconds.
    """

    def __init__(self, wall: datetime = EPOCH, elapsed: float = 1000.0) -> None:
        self._now = Moment(wall, elapsed)

    def now(self) -> Moment:
        """Both clocks."""
        return self._now

    def elapsed(self) -> float:
        """The elapsed clock."""
        return self._now.elapsed

    async def sleep(self, seconds: float) -> None:
        """Move on by `seconds` at once."""
        self.advance(seconds)

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self._now = Moment(self._now.wall + timedelta(seconds=seconds), self._now.elapsed + seconds)

    def step(self, seconds: float) -> None:
        """Set the wall clock; no time passes."""
        self._now = Moment(self._now.wall + timedelta(seconds=seconds), self._now.elapsed)


class LoopClock:
    """A clock that reads the running event loop's time; with `run_in_virtual_time`, a clock that skips waits."""

    def __init__(self, wall: datetime = EPOCH) -> None:
        self._wall = wall
        self._offset = 0.0
        self._slept = 0.0

    def now(self) -> Moment:
        """Both clocks."""
        elapsed = asyncio.get_running_loop().time() + self._slept
        return Moment(self._wall + timedelta(seconds=elapsed + self._offset), elapsed)

    def elapsed(self) -> float:
        """The elapsed clock."""
        return asyncio.get_running_loop().time() + self._slept

    async def sleep(self, seconds: float) -> None:
        """Sleep on the loop."""
        await asyncio.sleep(seconds)

    def step(self, seconds: float) -> None:
        """Set the wall clock; no time passes."""
        self._offset += seconds

    def suspend(self, seconds: float) -> None:
        """Let the machine have slept: both clocks go on, the loop's own does not, and its timers ring late."""
        self._slept += seconds


class _SkippingSelector(selectors.SelectSelector):
    """Instead of waiting it moves the clock on."""

    def __init__(self) -> None:
        super().__init__()
        self.time = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        # While there is work to do nobody is listened for: sockets belong to real time, and asking is a system call.
        ready = [] if timeout == 0 else super().select(0)
        if not ready and timeout is not None:
            # Just past the timer, for asyncio rings those only whose time is over; one that is due this very instant
            # would otherwise be waited for without end. So time also creeps on while work is done, as real time does.
            self.time = math.nextafter(self.time + timeout, math.inf)
        return ready


class _VirtualLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._skipping = _SkippingSelector()
        super().__init__(self._skipping)
        # asyncio rings timers early by this much; in time that only moves when somebody waits that would be for ever.
        self._clock_resolution = 0.0

    def time(self) -> float:
        return self._skipping.time


def run_in_virtual_time(work: Coroutine[object, object, T]) -> T:
    """Run `work` on a loop on which every wait ends at once and the loop's time moves on by as much.

    For work that waits for timers only; sockets and threads belong to real time.
    """
    with asyncio.Runner(loop_factory=_VirtualLoop) as runner:
        return runner.run(work)


class RecordingJournal:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.events: list[tuple[str, dict[str, object]]] = []

    def event(self, name: str, /, **fields: object) -> None:
        """Keep one event."""
        self.events.append((name, fields))

    def named(self, name: str) -> list[dict[str, object]]:
        """The fields of every event of that name."""
        return [fields for event, fields in self.events if event == name]


class Faults:
    """Failures on order, for any fake: `with faults.on("write", error): …`, or `faults.next("write", error)`."""

    def __init__(self) -> None:
        self._lasting: dict[str, RotationError] = {}
        self._once: dict[str, list[RotationError]] = defaultdict(list)

    def next(self, operation: str, *errors: RotationError) -> None:
        """Let the next calls of `operation` fail, one with each error."""
        self._once[operation].extend(errors)

    @contextmanager
    def on(self, operation: str, error: RotationError) -> Iterator[None]:
        """Let every call of `operation` fail while the block lasts."""
        self._lasting[operation] = error
        try:
            yield
        finally:
            del self._lasting[operation]

    def strike(self, operation: str) -> None:
        """Raise what was ordered for this call, if anything.

        Raises:
            RotationError: What was ordered.
        """
        if self._once[operation]:
            raise self._once[operation].pop(0)
        if operation in self._lasting:
            raise self._lasting[operation]


class MemorySource:
    """Client credentials in memory."""

    def __init__(self, client_id: str = "client", *secrets: str) -> None:
        self.faults = Faults()
        self.reads = 0
        self._versions = itertools.count(1)
        self.store(client_id, *(secrets or ("secret",)))

    def store(self, client_id: str, *secrets: str, expires: datetime | None = None) -> None:
        """Store a new version of the document."""
        version = f"v{next(self._versions)}"
        kept = tuple(map(Secret, secrets))
        self._document: ClientCredentials | None = ClientCredentials(client_id, kept, version, expires=expires)

    def remove(self) -> None:
        """Remove the document."""
        self._document = None

    async def read(self) -> ClientCredentials:
        """See `rotator.core.ports.Source`."""
        self.reads += 1
        self.faults.strike("read")
        if self._document is None:
            raise RotationError(Code.SECRET_MISSING, "nothing is stored here")
        return self._document


class MemoryEndpoint:
    """An authorization server in memory: a new token for every request, unless told otherwise.

    Attributes:
        lifetime: Seconds that tokens live.
        accepts: The secrets that are accepted; None accepts every one.
        repeat: Whether the token handed out last is handed out again.
        refresh_in: Seconds after which it hints that a new one may be asked for; None for no hint.
        requests: When each request came, and with which client id.
    """

    def __init__(self, clock: FakeClock | LoopClock, lifetime: float = 600.0, accepts: set[str] | None = None) -> None:
        self.faults = Faults()
        self.lifetime = lifetime
        self.accepts = accepts
        self.repeat = False
        self.refresh_in: float | None = None
        self.latency = 0.0
        self.requests: list[tuple[float, str]] = []
        self._clock = clock
        self._serial = 0

    async def mint(self, credentials: ClientCredentials) -> Grant:
        """See `rotator.core.ports.TokenEndpoint`."""
        issued = self._clock.now()
        client_id = credentials.client_id
        self.requests.append((issued.elapsed, client_id))
        if self.latency:
            await self._clock.sleep(self.latency)
        self.faults.strike("mint")
        if self.accepts is not None and not self.accepts & {secret.reveal() for secret in credentials.secrets[:1]}:
            raise RotationError(Code.INVALID_CLIENT, "the secret is wrong")
        if not self.repeat:
            self._serial += 1
        token = Secret(f"{client_id}.token.{self._serial}")
        return Grant(token, issued, self.lifetime, "openid admin", self.refresh_in)


class MemorySink:
    """A place for one token in memory.

    Attributes:
        record: What it holds.
        history: Every record that was written, with its time.
    """

    kind = "memory"

    def __init__(self, name: str = "memory:token", record: TokenRecord | None = None) -> None:
        self.name = name
        self.record = record
        self.faults = Faults()
        self.history: list[TokenRecord] = []

    async def read(self) -> TokenRecord | None:
        """See `rotator.core.ports.Sink`."""
        self.faults.strike("read")
        return self.record

    async def write(self, record: TokenRecord) -> TokenRecord:
        """See `rotator.core.ports.Sink`."""
        self.faults.strike("write")
        held = self.record
        if held is not None and held.stays_before(record):
            return held
        self.record = record
        self.history.append(record)
        return record

    async def check(self) -> None:
        """See `rotator.core.ports.Sink`."""
        self.faults.strike("check")


class MemoryConsentStore:
    """A refresh token in memory; several may share one `shelf`, as processes share a Vault.

    Attributes:
        shelf: What is stored, newest last.
    """

    def __init__(self, shelf: list[Consent] | None = None) -> None:
        self.place = "memory"
        self.shelf = [] if shelf is None else shelf
        self.faults = Faults()

    async def read(self) -> Consent | None:
        """See `rotator.core.ports.ConsentStore`."""
        self.faults.strike("read")
        return self.shelf[-1] if self.shelf else None

    async def vacant(self) -> int:
        """See `rotator.core.ports.ConsentStore`."""
        return self.shelf[-1].version if self.shelf else 0

    async def write(self, consent: Consent) -> Consent:
        """See `rotator.core.ports.ConsentStore`."""
        self.faults.strike("write")
        stored = self.shelf[-1].version if self.shelf else 0
        if consent.version != stored:
            raise RotationError(Code.GRANT_CLAIMED, "somebody else has written meanwhile")
        self.shelf.append(replace(consent, version=stored + 1))
        return self.shelf[-1]


class MemorySchedule:
    """The schedule without APScheduler: rings on the running loop, also in virtual time.

    Args:
        clock: Time; `plan` takes readings of its elapsed clock.

    Attributes:
        dispatch: Called with the name whose time has come.
    """

    def __init__(self, clock: LoopClock) -> None:
        self.dispatch: Callable[[str], None] = _nobody
        self._clock = clock
        self._dates: dict[str, float] = {}
        self._handles: dict[str, asyncio.TimerHandle] = {}

    def plan(self, name: str, at: float) -> None:
        """Ring for `name` at this reading of the elapsed clock."""
        if name in self._handles:
            self._handles[name].cancel()
        self._dates[name] = at
        ahead = at - self._clock.elapsed()
        self._handles[name] = asyncio.get_running_loop().call_later(ahead, self._ring, name)

    def is_planned(self, name: str) -> bool:
        """Whether a date for `name` has been planned and has not rung yet."""
        return name in self._dates

    def unplanned(self) -> list[str]:
        """Who has rung and has not been planned since."""
        return [name for name in self._handles if name not in self._dates]

    def overdue(self) -> list[str]:
        """Nobody: the loop rings."""
        return []

    def replan(self) -> None:
        """Lay every date anew: the machine slept, and timers do not count that."""
        for name, at in list(self._dates.items()):
            self.plan(name, at)

    def stop(self) -> None:
        """Ring no more."""
        for handle in self._handles.values():
            handle.cancel()

    def _ring(self, name: str) -> None:
        del self._dates[name]
        self.dispatch(name)


def _nobody(_: str) -> None:
    raise LookupError("set `dispatch` before anything is planned")
