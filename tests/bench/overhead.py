"""What metrics, history and scrapes cost: CPU per refresh with them, and without.

    .venv/bin/python -m tests.bench.overhead [--credentials 40] [--rounds 7] [--refreshes 10]

Real OpenBao, real oidc-provider, the fleet in this process, whose CPU time is what counts. In each round all
credentials are minted and delivered (a Vault path and a file) as many times as asked, once observed, with a scrape of
/metrics and a status after each refresh of all, and once not; the two take turns at going first. Prints medians and
their ratio.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import tempfile
import time
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from rotator.core import policy
from rotator.demo.bao import BaoServer
from rotator.engine.clock import SystemClock, awake
from rotator.engine.metered import NOBODY
from rotator.engine.progress import Progress
from rotator.engine.schedule import Schedule
from rotator.engine.sentinel import Sentinel
from rotator.fleet import Fleet
from rotator.operate import logs, report
from rotator.operate.history import History
from rotator.operate.metrics import Meters
from rotator.overview import Overview
from rotator.settings.load import load
from tests.support.oidc import OidcProvider
from tests.support.process import Site

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rotator.core.ports import Journal
    from rotator.settings.load import Loaded


async def refreshed(loaded: Loaded, log: Journal, refreshes: int, *, observed: bool) -> float:
    """Milliseconds of CPU per refresh, in this process."""
    clock = SystemClock()
    meters = Meters()
    journal = History(log, clock) if observed else log
    fleet = Fleet(clock, journal, os.environ, lambda *_: None, lambda _: None, observer=meters if observed else NOBODY)
    try:
        await fleet.apply(loaded)
        await fleet.dispatcher.idle()
        sentinel = Sentinel(clock, awake, Schedule(lambda *_: None, clock), fleet.dispatcher, journal)
        overview = Overview(fleet, Progress(clock, awake, sentinel, fleet.dispatcher), sentinel, clock, loaded.file)
        spent = 0.0
        for _ in range(refreshes):
            await asyncio.sleep(policy.MINT_INTERVAL)
            before = time.process_time()
            for name, member in fleet.members.items():
                member.rotation.force()
                fleet.dispatcher.submit(name)
            await fleet.dispatcher.idle()
            if observed:
                await asyncio.to_thread(_scraped, overview, meters)
            spent += time.process_time() - before
        return 1000 * spent / refreshes / len(fleet.members)
    finally:
        await fleet.dispatcher.drain(10)
        await fleet.close()


def _scraped(overview: Overview, meters: Meters) -> None:
    status = overview.snapshot().status()
    meters.exposition(status)
    report.whole(status)


async def compare(credentials: int, rounds: int, refreshes: int) -> None:
    """Print what comes of it."""
    async with AsyncExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        oidc = stack.enter_context(OidcProvider())
        bao = await stack.enter_async_context(BaoServer("inmem"))
        await bao.enable_approle()
        site = Site(home, bao, oidc, provider='rate_limit = "1000/s"')
        configuration = await site.prepare([f"app-{number:03}" for number in range(credentials)])
        loaded = load(configuration, os.environ)
        log = stack.enter_context(_log(home))
        plain: list[float] = []
        observed: list[float] = []
        for number in range(rounds):
            for turn in (number % 2 == 0, number % 2 == 1):
                found = observed if turn else plain
                found.append(await refreshed(loaded, log, refreshes, observed=turn))
            print(f"round {number + 1}: {plain[-1]:.3f} ms without, {observed[-1]:.3f} ms with", flush=True)
    without, with_it = statistics.median(plain), statistics.median(observed)
    print(f"median: {without:.3f} ms without, {with_it:.3f} ms with: {100 * (with_it / without - 1):+.1f} %")


@contextmanager
def _log(home: Path) -> Iterator[logs.Log]:
    with (home / "log").open("w") as file:
        log = logs.configure(logs.LogSettings(format="json"), file)
        try:
            yield log
        finally:
            log.close()


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--credentials", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--refreshes", type=int, default=10)
    chosen = parser.parse_args()
    asyncio.run(compare(chosen.credentials, chosen.rounds, chosen.refreshes))


if __name__ == "__main__":
    main()
