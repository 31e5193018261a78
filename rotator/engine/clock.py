"""The only reader of clocks (a lint rule says so); everybody else is handed a `Clock`."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime

from rotator.core.model import Moment

# CLOCK_BOOTTIME counts suspend and never steps; where there is none (macOS), the monotonic clock comes nearest.
_ELAPSED = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


class SystemClock:
    """The machine's clocks."""

    def now(self) -> Moment:
        """Both clocks, read one right after the other."""
        return Moment(datetime.now(UTC), time.clock_gettime(_ELAPSED))

    def elapsed(self) -> float:
        """See `rotator.core.ports.Clock`."""
        return time.clock_gettime(_ELAPSED)

    async def sleep(self, seconds: float) -> None:
        """Sleep; the time that the machine is suspended does not count here."""
        await asyncio.sleep(seconds)


def awake() -> float:
    """Seconds on CLOCK_MONOTONIC, which stands still during suspend: on Linux, the event loop's own clock."""
    return time.monotonic()
