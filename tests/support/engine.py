"""An engine in virtual time whose parts can be stopped, and the judge of whether it makes progress."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from rotator.core.model import CredentialSpec, Moment
from rotator.core.rotation import Rotation
from rotator.engine.dispatcher import Dispatcher
from rotator.engine.gate import Gate, Limits
from rotator.engine.gated import GatedEndpoint
from rotator.engine.progress import USUAL_TIMEOUT, Progress
from rotator.engine.schedule import Schedule
from rotator.engine.sentinel import Sentinel
from rotator.testing import LoopClock, MemoryEndpoint, MemorySchedule, MemorySink, MemorySource, RecordingJournal

if TYPE_CHECKING:
    from collections.abc import Callable

    from rotator.core.model import ClientCredentials, Grant, TokenRecord

EVERY = 0.5
"""Seconds between two questions."""


class StoppableClock(LoopClock):
    """A clock of which one half, or both, can be stopped."""

    wall_stands = elapsed_stands = False
    _last: Moment | None = None

    def now(self) -> Moment:
        now = super().now()
        last = self._last or now
        wall = last.wall if self.wall_stands else now.wall
        self._last = Moment(wall, last.elapsed if self.elapsed_stands else now.elapsed)
        return self._last

    def elapsed(self) -> float:
        return self.now().elapsed


class Held:
    """Holds up whoever passes by: for ever, for some seconds, or not at all."""

    def __init__(self, seconds: float | None = None, *, holds: bool = True) -> None:
        self.seconds = seconds
        self.holds = holds

    async def up(self) -> None:
        if self.holds:
            await (asyncio.Event().wait() if self.seconds is None else asyncio.sleep(self.seconds))


class HeldSource(MemorySource):
    """A source that is slow to answer, or never does."""

    def __init__(self, held: Held) -> None:
        super().__init__()
        self._held = held

    async def read(self) -> ClientCredentials:
        await self._held.up()
        return await super().read()


class HeldEndpoint(MemoryEndpoint):
    """A token endpoint that is slow to answer, or never does."""

    def __init__(self, clock: LoopClock, held: Held) -> None:
        super().__init__(clock)
        self._held = held

    async def mint(self, credentials: ClientCredentials) -> Grant:
        await self._held.up()
        return await super().mint(credentials)


class HeldSink(MemorySink):
    """A sink that is slow to answer, or never does."""

    def __init__(self, name: str, reading: Held, writing: Held) -> None:
        super().__init__(name)
        self._reading, self._writing = reading, writing

    async def read(self) -> TokenRecord | None:
        await self._reading.up()
        return await super().read()

    async def write(self, record: TokenRecord) -> TokenRecord:
        await self._writing.up()
        return await super().write(record)


class Engine:
    """Sentinel, dispatcher, gate and schedule as the daemon has them, and credentials of one provider.

    Args:
        vault_timeout: Seconds, as the configuration has it.
        source: Makes the source of a credential.
        sink: Makes the sink of a credential, by its name.
        endpoint: Makes the token endpoint of all.
        limits: Of the provider.
        recheck_interval: Of the credentials, seconds.
        rings: Whether the schedule does; otherwise it is APScheduler's, and dead.
    """

    def __init__(
        self,
        *,
        vault_timeout: float = USUAL_TIMEOUT,
        source: Callable[[], MemorySource] = MemorySource,
        sink: Callable[[str], MemorySink] = MemorySink,
        endpoint: Callable[[LoopClock], MemoryEndpoint] = MemoryEndpoint,
        limits: Limits | None = None,
        recheck_interval: float = 60.0,
        rings: bool = True,
    ) -> None:
        self.clock = StoppableClock()
        self.journal = RecordingJournal()
        self.loop = asyncio.get_running_loop()
        self.loop_clock_stands_at: float | None = None
        ringing = MemorySchedule(self.clock)
        self.schedule = ringing if rings else Schedule(lambda *_: None, self.clock)
        self.dispatcher = Dispatcher(self.clock, self.schedule.plan, self.journal)
        ringing.dispatch = self.dispatcher.submit
        self.sentinel = Sentinel(self.clock, self._monotonic, self.schedule, self.dispatcher, self.journal)
        self.progress = Progress(self.clock, self._monotonic, self.sentinel, self.dispatcher, lambda: vault_timeout)
        self.gate = Gate("thx", limits or Limits())
        self.endpoint = endpoint(self.clock)
        self._source, self._sink, self._recheck_interval = source, sink, recheck_interval
        self._sentinel = asyncio.create_task(self.sentinel.run(), name="sentinel")

    def _monotonic(self) -> float:
        stands = self.loop_clock_stands_at
        return self.loop.time() if stands is None else stands

    def add(self, count: int = 1) -> None:
        """Take up so many credentials."""
        for number in range(count):
            name = f"app-{number}"
            endpoint = GatedEndpoint(self.endpoint, self.gate, self.clock, self.dispatcher.provider_recovered)
            spec = CredentialSpec(name, "thx", (), recheck_interval=self._recheck_interval)
            sinks = [self._sink(f"memory:{name}")]
            rotation = Rotation(spec, self._source(), endpoint, sinks, self.clock, self.journal)
            self.dispatcher.add(rotation, self.gate)

    def cancel(self, part: str) -> None:
        """Cancel a part, by the name of its task."""
        next(task for task in asyncio.all_tasks() if task.get_name() == part).cancel()

    async def seen(self, within: float = 300.0) -> tuple[str, float]:
        """The first thing that is said to be wrong, and after how many seconds; nothing, if that is so."""
        began = self.loop.time()
        while self.loop.time() - began < within:
            if faults := self.progress.faults():
                return faults[0], self.loop.time() - began
            await asyncio.sleep(EVERY)
        return "", within

    async def end(self) -> None:
        """Stop everything, what hangs as well."""
        self._sentinel.cancel()
        self.schedule.stop()
        await self.dispatcher.drain(0.1)
