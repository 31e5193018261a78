"""What the service manager is told of one daemon: ready, reloading, stopping, how it is, and that it makes progress."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

from rotator.operate import notify

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from rotator.overview import Overview

READY_ANYWAY = 30.0
"""Seconds after which the start counts as done though credentials still wait for their first look at a provider's gate.

Whoever needs a token before it starts says `rotator wait NAME`; systemd would end a start that takes 90 s.
"""

READY_LOOK = 0.1
"""Seconds between two looks at whether the start is done."""

STATUS_INTERVAL = 5.0
"""Seconds between two lines for `systemctl status`."""

MARGIN = 5.0
"""Seconds that the end may take beyond the grace: the Vault token is given back, connections are closed."""


class ServiceManager:
    """Tells it; who was started by nobody in particular tells nobody.

    Args:
        overview: How the daemon is.
        environ: The process's environment as it was at the start.
        monotonic: CLOCK_MONOTONIC.
    """

    def __init__(self, overview: Overview, environ: Mapping[str, str], monotonic: Callable[[], float]) -> None:
        self._overview = overview
        self._environ = environ
        self._monotonic = monotonic
        self._interval = notify.feeding_interval(environ, os.getpid())

    async def run(self) -> None:
        """Tell until cancelled: readiness once, then the watchdog, and a line of status."""
        if not self._environ.get("NOTIFY_SOCKET"):
            await asyncio.Event().wait()
        await asyncio.gather(self._announce(), self._feed(), self._inform())

    async def _announce(self) -> None:
        began = self._monotonic()
        while True:
            started = self._overview.first_round or self._monotonic() - began > READY_ANYWAY
            if started and self._tell(notify.READY, notify.status(await self._overview.line())):
                return
            await asyncio.sleep(READY_LOOK)

    async def _feed(self) -> None:
        while self._interval is not None:
            if not self._overview.faults():
                self._tell(notify.ALIVE)
            await asyncio.sleep(self._interval)

    async def _inform(self) -> None:
        while True:
            self._tell(notify.status(await self._overview.line()))
            await asyncio.sleep(STATUS_INTERVAL)

    def reloading(self) -> None:
        """The configuration is read again."""
        self._tell(notify.reloading(self._monotonic()))

    async def reloaded(self) -> None:
        """It is in force, or the old one stays so."""
        self._tell(notify.READY, notify.status(await self._overview.line()))

    def stopping(self, grace: float) -> None:
        """The end has begun, and may take so many seconds."""
        self._tell(notify.STOPPING, notify.extend(grace + MARGIN), notify.status("ending what is under way"))

    def _tell(self, first: str, *more: str) -> bool:
        """Whether it was told: one that is not there, or not listening, is no trouble of ours."""
        return notify.tell(self._environ, first, *more) is None
