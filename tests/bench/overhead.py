"""What metrics, history and scrapes cost: CPU per refresh with them, and without.

    .venv/bin/python -m tests.bench.overhead [--credentials 40] [--pairs 40]

Real OpenBao, real oidc-provider, two fleets in this process, whose CPU time is what counts: one is observed, with a
scrape of /metrics and a status after each refresh, the other is not. They mint and deliver (a Vault path and a file)
by turns, one right after the other, so that whatever else the machine does hits both alike. Prints the median of the
pairs' ratios with its quartiles, and the ratio of the sums.
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
    from collections.abc import Iterator, Sequence

    from rotator.core.ports import Journal
    from rotator.settings.load import Loaded


class Side:
    """One of the two fleets."""

    def __init__(self, loaded: Loaded, log: Journal, *, observed: bool) -> None:
        clock = SystemClock()
        journal = History(log, clock) if observed else log
        self.spent: list[float] = []
        self._loaded = loaded
        self._meters = Meters() if observed else None
        self._fleet = Fleet(
            clock, journal, os.environ, lambda *_: None, lambda _: None, observer=self._meters or NOBODY
        )
        sentinel = Sentinel(clock, awake, Schedule(lambda *_: None, clock), self._fleet.dispatcher, journal)
        progress = Progress(clock, awake, sentinel, self._fleet.dispatcher)
        self._overview = Overview(self._fleet, progress, sentinel, clock, loaded.file)

    async def start(self, names: Sequence[str]) -> None:
        """Take up these credentials."""
        await self._fleet.apply(self._loaded, names)
        await self._fleet.dispatcher.idle()

    async def refresh(self) -> None:
        """Mint and deliver for all of them; the CPU that took, in ms for each, is the next of `spent`."""
        before = time.process_time()
        for name, member in self._fleet.members.items():
            member.rotation.force()
            self._fleet.dispatcher.submit(name)
        await self._fleet.dispatcher.idle()
        if self._meters is not None:
            await asyncio.to_thread(_scraped, self._overview, self._meters)
        self.spent.append(1000 * (time.process_time() - before) / len(self._fleet.members))

    async def end(self) -> None:
        """Let go of everything."""
        await self._fleet.dispatcher.drain(10)
        await self._fleet.close()


def _scraped(overview: Overview, meters: Meters) -> None:
    status = overview.snapshot().status()
    meters.exposition(status)
    report.whole(status)


async def compare(credentials: int, pairs: int) -> None:
    """Print what comes of it."""
    async with AsyncExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        oidc = stack.enter_context(OidcProvider())
        bao = await stack.enter_async_context(BaoServer("inmem"))
        await bao.enable_approle()
        site = Site(home, bao, oidc, provider='rate_limit = "1000/s"')
        names = [f"app-{number:03}" for number in range(2 * credentials)]
        loaded = load(await site.prepare(names), os.environ)
        log = stack.enter_context(_log(home))
        plain, observed = Side(loaded, log, observed=False), Side(loaded, log, observed=True)
        for side, its in ((plain, names[::2]), (observed, names[1::2])):
            stack.push_async_callback(side.end)
            await side.start(its)
        for number in range(pairs):
            await asyncio.sleep(policy.MINT_INTERVAL)
            for side in (plain, observed) if number % 2 else (observed, plain):
                await side.refresh()
        _tell(plain.spent, observed.spent)


def _tell(plain: Sequence[float], observed: Sequence[float]) -> None:
    ratios = [100 * (with_it / without - 1) for without, with_it in zip(plain, observed, strict=True)]
    low, median, high = statistics.quantiles(ratios, n=4)
    print(f"{statistics.median(plain):.3f} ms without, {statistics.median(observed):.3f} ms with")
    print(f"{len(ratios)} pairs: {median:+.1f} % (quartiles {low:+.1f} and {high:+.1f} %)")
    print(f"all together: {100 * (sum(observed) / sum(plain) - 1):+.1f} %")


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
    parser.add_argument("--pairs", type=int, default=40)
    chosen = parser.parse_args()
    asyncio.run(compare(chosen.credentials, chosen.pairs))


if __name__ == "__main__":
    main()
