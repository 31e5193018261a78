"""Simulated: 1,000 credentials for 30 days, in ten worlds of 100, a tenth of them with tokens of 600 s, the others with
tokens of an hour; source and sinks are looked at every half hour. Each provider is in trouble some times a day
(unreachable, silent until the deadline, failing by chance, throttling with Retry-After; for seconds to an hour), Vault
once a day; every few hours rotator is killed and started again, the wall clock is set by 3 s, an hour or 30 days, the
machine sleeps, a client secret changes, or somebody empties a sink. Afterwards the history is searched for every broken
promise: a token published that nobody minted; a sink that went back to a token that ends earlier; a sink written
without a new token; more requests than the rate, the limit in flight or an outage allows; two requests within 5 s of a
token; a gap that nothing forced.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from rotator.simulation.invariants import broken
from rotator.simulation.world import simulate
from tests.reliability.figures import Figure
from tests.reliability.simulated import in_parallel
from tests.support import weather

if TYPE_CHECKING:
    from collections.abc import Callable

TITLE = "Thirty days of a thousand credentials in bad weather"
SEED = 1
WORLDS, CREDENTIALS, DAYS = 10, 100, 30.0
RECHECK = 1800.0
"""Seconds between two looks. At five minutes, nearly all of the work is looks at what nobody has changed."""

LIVES = {"short": 600.0, **{f"hour-{number}": 3600.0 for number in range(9)}}


def measure(seed: int, say: Callable[[str], None]) -> list[Figure]:
    """See `tests.reliability.figures.Measurement`."""
    work = partial(world, CREDENTIALS, DAYS)
    results = []
    for number, result in enumerate(
        in_parallel(work, range(seed, seed + WORLDS), say, f"worlds of {CREDENTIALS} credentials")
    ):
        results.append(result)
        say(f"seed {seed + number}: {len(result[0])} promises broken, {result[1]:,} tokens, {result[2]} troubles")
    problems = [f"seed {seed + number}: {problem}" for number, (found, _, _) in enumerate(results) for problem in found]
    for problem in problems[:50]:
        say(problem)
    minted = sum(result[1] for result in results)
    troubles = sum(result[2] for result in results)
    return [
        Figure("promises broken", "0", "; ".join(problems[:5]) or "0", not problems),
        Figure("tokens minted", "", f"{minted:,}"),
        Figure("spells of trouble and shocks", "", f"{troubles:,}"),
    ]


def world(credentials: int, days: float, seed: int) -> tuple[list[str], int, int]:
    """One world: the promises it broke, tokens minted, and how much went wrong."""
    plant = weather.plant(credentials, LIVES, RECHECK)
    drawn = weather.drawn(seed, days * weather.DAY, plant)
    history = simulate(plant, drawn, seed)
    minted = sum(sum(requests.granted) for requests in history.requests.values())
    troubles = sum(map(len, drawn.providers.values())) + len(drawn.vault) + len(drawn.shocks)
    return broken(plant, drawn, history), minted, troubles
