"""What rotator costs while it has nothing to do: `python -c "import rotator.process"`, five times, start of the
interpreter included; and the installed `rotator run` with one fresh credential (a Vault path and a file), its memory
after a while and its CPU over that time, as Linux counts it.
"""

from __future__ import annotations

import asyncio
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rotator.demo.bao import BaoServer
from tests.bench.contender import ROOT
from tests.bench.processes import Usage
from tests.reliability.figures import Figure
from tests.support.oidc import OidcProvider
from tests.support.process import Rotator, Site

if TYPE_CHECKING:
    from collections.abc import Callable

TITLE = "At rest"
SEED = 0
TIMES = 5
SETTLE = 2.0
"""Seconds after the first round before the watch begins."""

SLOWEST_IMPORT, MOST_MEMORY, MOST_CPU = 0.5, 80.0, 0.5
"""The bars: seconds, MiB, per cent of one processor."""


def import_seconds() -> float:
    """How long a new Python needs for everything that `rotator run` needs."""
    before = time.perf_counter()
    subprocess.run([sys.executable, "-c", "import rotator.process"], cwd=ROOT, check=True)
    return time.perf_counter() - before


async def idle(seconds: float) -> tuple[float, float]:
    """Memory (MiB) and CPU (per cent of one processor) of a rotator with one fresh credential."""
    with tempfile.TemporaryDirectory() as home, OidcProvider() as oidc:
        async with BaoServer("inmem") as bao:
            await bao.enable_approle()
            site = Site(Path(home), bao, oidc, lifetime=3600)
            configuration = await site.prepare(["app"])
            # The file of the tests looks every 2 s; this is about what users have.
            configuration.write_text(configuration.read_text().replace('recheck_interval = "2s"\n', ""))
            async with Rotator(configuration) as rotator:
                await rotator.says("daemon.ready")
                await asyncio.sleep(SETTLE)
                before = Usage.of(rotator.pid)
                await asyncio.sleep(seconds)
                after = Usage.of(rotator.pid)
                return after.rss, 100 * (after.cpu - before.cpu) / seconds


@dataclass(frozen=True)
class Size:
    """How much is measured: seconds of doing nothing."""

    seconds: float = 30.0


SMALL = Size(5.0)


def measure(seed: int, say: Callable[[str], None], size: Size | None = None) -> list[Figure]:
    """See the module; `size` is what a trial takes instead of everything."""
    del seed  # nothing is drawn
    seconds = (size or Size()).seconds
    import_seconds()  # what is not compiled yet is compiled now
    took = [import_seconds() for _ in range(TIMES)]
    say(f"imports took {', '.join(f'{one:.2f}' for one in took)} s; now {seconds:g} s of doing nothing")
    memory, cpu = asyncio.run(idle(seconds))
    imported = statistics.median(took)
    return [
        Figure(
            "import of what `rotator run` needs, median", "≤ 0.5 s", f"{imported:.2f} s", imported <= SLOWEST_IMPORT
        ),
        Figure("memory with one fresh credential", "≤ 80 MiB", f"{memory:.1f} MiB", memory <= MOST_MEMORY),
        Figure(f"CPU over {seconds:g} s, of one processor", "≤ 0.5 %", f"{cpu:.2f} %", cpu <= MOST_CPU),
    ]
