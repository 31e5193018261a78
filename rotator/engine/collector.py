"""Python's cyclic garbage collector, kept from stopping everything.

A full collection looks at every object that lives, with the event loop stopped: at 10,000 credentials a third of a
second, at 100,000 seconds, whenever what lives long has grown by a quarter. Tokens that are due wait for that. But
hardly anything of rotator's is garbage that only a full collection finds: after 480 refreshes it was 132 objects. So
what is young is collected as ever, what lives long is not looked at, and a full collection is made once an hour, where
its seconds are a thousandth of the time.
"""

from __future__ import annotations

import asyncio
import gc

NEVER = 1_000_000
"""Collections of the middle generation before a full one: years of them."""

HOUR = 3600.0
"""Seconds between two full collections."""


def begin() -> None:
    """From now on, collect by itself only what is young."""
    young, middle, _ = gc.get_threshold()
    gc.set_threshold(young, middle, NEVER)


async def keep(interval: float = HOUR) -> None:
    """Take what lives now for what lives long, and look through all of it once in so many seconds; never ends."""
    while True:
        gc.freeze()
        await asyncio.sleep(interval)
        gc.unfreeze()
        gc.collect()
