"""Rounds, interleaved: whatever else the machine does hits all contenders alike. And the arithmetic over them."""

from __future__ import annotations

import statistics
from collections import defaultdict
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, TypeVar

from tests.bench.contender import Contender
from tests.bench.ground import sink
from tests.bench.ledger import Ledger, held

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from tests.bench.contender import Lap, Program
    from tests.bench.ground import Ground

T = TypeVar("T")
WARM = 0
"""The round that is run and checked and does not count."""


def rotated(items: Sequence[T], number: int) -> list[T]:
    """The same in another order for each round: everybody is first as often as anybody else."""
    start = number % len(items)
    return [*items[start:], *items[:start]]


def ratio(over: Sequence[float], under: Sequence[float]) -> float:
    """The median of the rounds' ratios."""
    return statistics.median(one / other for one, other in zip(over, under, strict=True))


async def run(
    ground: Ground,
    programs: Sequence[Program],
    rounds: int,
    say: Callable[[str], None],
    between: Callable[[], Awaitable[None]],
) -> dict[str, list[Lap]]:
    """Let them compete.

    Args:
        ground: What they stand on.
        programs: Who competes.
        rounds: How many count; one more is run before them.
        say: Shows progress, a line at a time.
        between: Called once in every round that counts.

    Returns:
        By the program's key, what each round took.

    Raises:
        ContenderError: One of them ended, or has not refreshed everything.
    """
    laps: dict[str, list[Lap]] = defaultdict(list)
    ledger = Ledger()
    async with AsyncExitStack() as stack:
        running = [await stack.enter_async_context(Contender(one, ground.task(one.key))) for one in programs]
        for number in range(WARM, rounds + 1):
            for contender in rotated(running, number):
                key = contender.program.key
                await contender.rested()
                before = await held(ground, sink(key))
                lap = await contender.lap(number)
                ledger.check(contender.program, lap, len(ground.names), before, await held(ground, sink(key)))
                if number != WARM:
                    laps[key].append(lap)
            if number != WARM:
                say(told(number, rounds, {key: its[-1] for key, its in laps.items()}))
                await between()
    return laps


def told(number: int, rounds: int, laps: dict[str, Lap]) -> str:
    """A round in one line."""
    each = ", ".join(f"{key} {lap.rate:.0f}/s {lap.cost:.2f} ms" for key, lap in sorted(laps.items()))
    return f"round {number} of {rounds}: {each}"
