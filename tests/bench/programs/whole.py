"""rotator itself: the daemon as `rotator run` builds it, with its logs (JSON, level info) in a file.

Nothing is left out: policy, schedule, gates, reading of refusals, redaction, history, metrics, check-and-set. A round
asks for every credential at once, as `POST /rotate` does for one, and ends when nothing is under way any more.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from rotator.daemon import Daemon
from rotator.engine.clock import SystemClock
from rotator.operate import logs
from rotator.settings.load import load
from tests.bench.programs import protocol

PATIENCE = 0.005
"""Seconds between two looks at whether all is done."""


async def _warm(daemon: Daemon, running: asyncio.Task[int]) -> None:
    """Return once every credential has its first token.

    Raises:
        RuntimeError: The daemon has ended before that.
    """
    while not daemon.overview.first_round:
        await asyncio.wait([running], timeout=0.05)
        if running.done():
            raise RuntimeError(f"the daemon ended with {running.result()} before its first round")


async def _compete(daemon: Daemon) -> None:
    async def refresh_all() -> int:
        for name in daemon.fleet.members:
            daemon.rotate(name)
        # Not `idle()`, which is woken by the end of each pass: that would be counted as rotator's work.
        for name in daemon.fleet.members:
            while daemon.fleet.dispatcher.is_busy(name):  # noqa: ASYNC110  see above
                await asyncio.sleep(PATIENCE)
        return len(daemon.fleet.members)

    running = asyncio.create_task(daemon.run())
    await _warm(daemon, running)
    await protocol.serve_loop(refresh_all)
    daemon.stop()
    await running


def main() -> None:
    """Compete."""
    file = Path(protocol.read_task().configuration)
    with file.with_suffix(".log").open("w") as stream:
        log = logs.configure(logs.LogSettings(format="json"), stream)
        try:
            asyncio.run(_compete(Daemon(load(file, os.environ), os.environ, SystemClock(), log)))
        finally:
            log.close()


if __name__ == "__main__":
    main()
