"""What the garbage collector looks at, and when."""

from __future__ import annotations

import asyncio
import gc
import weakref
from typing import TYPE_CHECKING

import pytest

from rotator.engine import collector

if TYPE_CHECKING:
    from collections.abc import Iterator


class Cycle:
    def __init__(self) -> None:
        self.itself = self


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    """The collector of the tests' own process is what it was."""
    threshold = gc.get_threshold()
    yield
    gc.unfreeze()
    gc.set_threshold(*threshold)


def test_what_is_young_is_collected_and_nothing_makes_a_full_collection() -> None:
    collector.begin()
    before = gc.get_stats()[2]["collections"]
    gone = weakref.ref(Cycle())
    kept = [[number] for number in range(500_000)]
    assert gone() is None
    assert gc.get_stats()[2]["collections"] == before
    assert len(kept) == 500_000


async def test_what_lives_is_not_looked_at_until_the_hour_is_over_and_then_all_of_it_is() -> None:
    garbage = Cycle()
    gone = weakref.ref(garbage)
    keeping = asyncio.create_task(collector.keep(0.05))
    await asyncio.sleep(0)
    del garbage
    gc.collect()
    assert gone() is not None  # it lived when everything was taken for what lives long
    async with asyncio.timeout(5):
        while gone() is not None:  # noqa: ASYNC110  the collector tells nobody
            await asyncio.sleep(0.01)
    keeping.cancel()
