"""The runs of `tests.bench.scale`: rotator against the stub, and what was seen of it."""

from __future__ import annotations

import asyncio
import tempfile
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tests.bench.processes import Daemon, scrape, stub
from tests.bench.scale_seen import Life, Start, Steady, histogram
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
    daemon.forget_peak()
    size, before, waited, others = daemon.log_size(), daemon.usage(), daemon.waited(), servers.usage()
    await asyncio.sleep(seconds)
    after, report = daemon.usage(), await servers.report()
    requests = sum(kind["count"] for kind in report["requests"].values())
    return Steady(
        seconds=seconds,
        cpu=after.cpu - before.cpu,
        waited=daemon.waited() - waited,
        rss=after.rss,
        peak=after.peak,
        pace=1e6 * (servers.usage().cpu - others.cpu) / max(1, requests),
        log=daemon.log_size() - size,
        report=report,
    )


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
        await servers.redate(LONG, LONG / 10)
        await servers.begin()
        async with Daemon(configuration, home / "log-again") as daemon:
            again = await start(daemon, fleet)
            idle = await watch_idle(daemon)
            await daemon.stop()
        asked = (await servers.report())["requests"].get("token", {"count": 0})["count"]
        adopted = (home / "log-again").read_bytes().count(b'"event": "token.adopted"')
        bare = await read_alike(servers.address, fleet)
    return Life(count, first, steady.telling(before, after), scraped, again, asked, adopted, idle, bare)


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
