"""The runs of `tests.bench.scale`: rotator against the stub, and what was seen of it."""

from __future__ import annotations

import asyncio
import math
import tempfile
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.bench.processes import Daemon, scrape, stub
from tests.bench.scale_site import SLOW, STEADY, Fleet, configure, read_alike

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.bench.processes import StubProcess

LATENCY = 0.02
"""Seconds until the stub answers."""

LONG = 86_000
"""Seconds that tokens live which are not to be renewed; records older than a day do not pass for fresh."""

IDLE = 10.0
"""Seconds in which nothing is due."""

RECHECK = 10
"""Seconds between two looks where looks are what is measured."""


@dataclass(frozen=True)
class Steady:
    """A stretch of steady state.

    Attributes:
        seconds: Its length.
        cpu: Seconds of processor time.
        waited: Seconds for which the main thread was ready to run and had no processor.
        rss: MiB resident at its end.
        log: Bytes of log.
        report: What the stub saw; see `tests.bench.stub_counts.Counts.report`.
        told: The lateness that 99 % of passes did not exceed by rotator's own histogram, its bucket's bound, seconds.
    """

    seconds: float
    cpu: float
    waited: float
    rss: float
    log: int
    report: dict[str, Any]
    told: float = 0.0

    @property
    def steady(self) -> dict[str, Any]:
        """What the stub saw of the credentials whose provider answers at once."""
        found: dict[str, Any] = self.report["groups"][STEADY]
        return found

    @property
    def expired(self) -> int:
        """Records of those that had run out when they were replaced, or have not been replaced."""
        return int(self.steady["expired"] + self.steady["expired_now"])

    def lateness(self, share: str) -> float:
        """Seconds; `share` is p50, p99 or max."""
        return float(self.steady["lateness"][share])

    @property
    def per_refresh(self) -> float:
        """Milliseconds of processor time for one renewal."""
        return 1000 * self.cpu / max(1, int(self.steady["renewals"]))


@dataclass(frozen=True)
class Start:
    """A start.

    Attributes:
        loaded: Seconds until the configuration had been taken over.
        ready: Seconds until every credential was served.
        cpu: Seconds of processor time until then.
        peak: MiB that were resident at most.
    """

    loaded: float
    ready: float
    cpu: float
    peak: float


@dataclass(frozen=True)
class Life:
    """One fleet from its first start to a restart with fresh tokens.

    Attributes:
        credentials: How many.
        first: The start with nothing in the sinks.
        steady: What followed.
        scraped: Seconds of processor time for one scrape.
        again: The start with fresh tokens.
        asked: Token requests after that.
        adopted: Tokens that it took over.
        idle: Share of a processor while nothing was due.
        bare: Seconds that the same reads take by bare sockets.
    """

    credentials: int
    first: Start
    steady: Steady
    scraped: float
    again: Start
    asked: int
    adopted: int
    idle: float
    bare: float


def patience(fleet: Fleet) -> float:
    """Seconds within which a fleet must be ready."""
    return 60 + 0.05 * sum(fleet.counts.values())


async def start(daemon: Daemon, fleet: Fleet) -> Start:
    """Wait until a rotator is ready."""
    loaded = await daemon.says("config.loaded", patience(fleet))
    ready = await daemon.says("daemon.ready", patience(fleet))
    usage = daemon.usage()
    return Start(loaded, ready, usage.cpu, usage.peak)


async def watch(daemon: Daemon, servers: StubProcess, seconds: float) -> Steady:
    """What becomes of so many seconds."""
    await servers.begin()
    size, before, waited = daemon.log_size(), daemon.usage(), daemon.waited()
    await asyncio.sleep(seconds)
    after, report = daemon.usage(), await servers.report()
    grown = daemon.log_size() - size
    return Steady(seconds, after.cpu - before.cpu, daemon.waited() - waited, after.rss, grown, report)


@asynccontextmanager
async def site(lifetime: int) -> AsyncIterator[tuple[Path, StubProcess]]:
    """A directory, and a stub whose tokens live so many seconds."""
    with tempfile.TemporaryDirectory(prefix="rotator-scale-") as home:
        async with stub(LATENCY, lifetime) as servers:
            yield Path(home), servers


async def live(count: int, lifetime: int, seconds: float) -> Life:
    """A fleet from its first start to a restart.

    Args:
        count: Credentials.
        lifetime: Seconds that their tokens live.
        seconds: Length of the steady state that is measured; it begins a life after the start.
    """
    fleet = Fleet({STEADY: count})
    async with site(lifetime) as (home, servers):
        configuration = configure(home, servers.address, fleet)
        async with Daemon(configuration, home / "log") as daemon:
            first = await start(daemon, fleet)
            before = histogram(await scrape(home / "state" / "rotator.sock"))
            await asyncio.sleep(lifetime)
            steady = await watch(daemon, servers, seconds)
            used = daemon.usage().cpu
            after = histogram(await scrape(home / "state" / "rotator.sock"))
            scraped = daemon.usage().cpu - used
            await daemon.stop()
        steady = replace_told(steady, before, after)
        await servers.redate(LONG, LONG / 10)
        await servers.begin()
        async with Daemon(configuration, home / "log-again") as daemon:
            again = await start(daemon, fleet)
            idle = await watch_idle(daemon)
            await daemon.stop()
        asked = (await servers.report())["requests"].get("token", {"count": 0})["count"]
        adopted = (home / "log-again").read_bytes().count(b'"event": "token.adopted"')
        bare = await read_alike(servers.address, fleet)
    return Life(count, first, steady, scraped, again, asked, adopted, idle, bare)


def replace_told(steady: Steady, before: dict[float, float], after: dict[float, float]) -> Steady:
    """The same with what rotator's own histogram has grown by."""
    grown = {bound: count - before.get(bound, 0.0) for bound, count in after.items()}
    wanted = 0.99 * grown.get(math.inf, 0.0)
    told = min(bound for bound, count in grown.items() if count >= wanted)
    return Steady(steady.seconds, steady.cpu, steady.waited, steady.rss, steady.log, steady.report, told)


def histogram(metrics: str) -> dict[float, float]:
    """How many passes began so late at most, by seconds, of what a scrape tells."""
    name = 'rotator_scheduling_lateness_seconds_bucket{le="'
    lines = (line.removeprefix(name) for line in metrics.splitlines() if line.startswith(name))
    return {float(bound): float(count) for bound, _, count in (line.partition('"} ') for line in lines)}


async def watch_idle(daemon: Daemon) -> float:
    """The share of a processor that is used while nothing is due."""
    await asyncio.sleep(1)
    before = daemon.usage().cpu
    await asyncio.sleep(IDLE)
    return (daemon.usage().cpu - before) / IDLE


async def looks(count: int, seconds: float) -> tuple[float, int]:
    """Milliseconds of processor time for one look at an unchanged source and its sink, and how many there were."""
    fleet, often = Fleet({STEADY: count}), Fleet({STEADY: count}, f"{RECHECK}s")
    async with site(LONG) as (home, servers):
        async with Daemon(configure(home, servers.address, fleet), home / "log") as daemon:
            await start(daemon, fleet)
            idle = await watch_idle(daemon)
            await daemon.stop()
        async with Daemon(configure(home, servers.address, often), home / "log") as daemon:
            await start(daemon, often)
            seen = await watch(daemon, servers, seconds)
            await daemon.stop()
    looked = seen.report["requests"]["source"]["count"]
    return 1000 * (seen.cpu - idle * seconds) / max(1, looked), looked


async def served(servers: StubProcess, count: int, within: float) -> None:
    """Wait until every credential whose provider answers at once has a token.

    Raises:
        TimeoutError: Not so within so many seconds.
    """
    async with asyncio.timeout(within):
        while await _served(servers) != count:  # noqa: ASYNC110  it is another process
            await asyncio.sleep(1)


async def _served(servers: StubProcess) -> int:
    return int((await servers.report())["groups"].get(STEADY, {}).get("records", 0))


async def beside_slow(count: int, slow: int, lifetime: int, seconds: float) -> Steady:
    """The same steady state beside credentials of a provider that takes 5 s for each answer."""
    fleet = Fleet({STEADY: count, SLOW: slow})
    async with AsyncExitStack() as stack:
        home, servers = await stack.enter_async_context(site(lifetime))
        daemon = Daemon(configure(home, servers.address, fleet), home / "log")
        await stack.enter_async_context(daemon)
        await served(servers, count, patience(fleet))
        await asyncio.sleep(lifetime)
        seen = await watch(daemon, servers, seconds)
        await daemon.stop()
    return seen
