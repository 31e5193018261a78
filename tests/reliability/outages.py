"""Simulated: 1,000 trials with tokens of 600 s. In each, a provider goes away at a random moment of the tokens' lives,
and the longest outage after which no consumer has held an expired token is searched by halving, to 0.5 s: each trial is
lived through again with another length. Half of the trials have one credential, half have ten, whose failures the gate
counts together.
"""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

from rotator.simulation.plant import Spell, Weather
from rotator.simulation.world import simulate
from tests.reliability.figures import Figure
from tests.reliability.simulated import LIFE, in_parallel, one_provider

if TYPE_CHECKING:
    from collections.abc import Callable

TITLE = "The longest outage of a provider that nobody notices"
SEED = 1
TRIALS = 1000
BAR = 295.0
FINE = 0.5


def measure(seed: int, say: Callable[[str], None]) -> list[Figure]:
    """See `tests.reliability.figures.Measurement`."""
    longest = list(in_parallel(trial, range(seed, seed + TRIALS), say, "trials"))
    worst = min(longest)
    ordered = sorted(longest)
    return [
        Figure(
            "longest outage without a gap, the worst of 1,000 trials", f"≥ {BAR:g} s", f"{worst:.2f} s", worst >= BAR
        ),
        Figure("the same, the median trial", "", f"{ordered[len(ordered) // 2]:.2f} s"),
        Figure("the worst trial's seed", "", str(seed + longest.index(worst))),
    ]


def trial(seed: int) -> float:
    """The longest outage without a gap from a random moment on, seconds."""
    start = 1.5 * LIFE + Random(seed).uniform(0, LIFE)  # noqa: S311  a moment, not a secret
    short, long = 0.0, LIFE
    while long - short > FINE:
        middle = (short + long) / 2
        if passes_unnoticed(1 if seed % 2 else 10, start, middle, seed):
            short = middle
        else:
            long = middle
    return short


def passes_unnoticed(credentials: int, start: float, length: float, seed: int) -> bool:
    """Whether no sink holds an expired token at any time."""
    end = start + length + 60.0
    weather = Weather(end, {"thx": (Spell(start, start + length),)})
    history = simulate(one_provider(credentials), weather, seed)
    return not any(timeline.gaps(end) for timeline in history.timelines.values())
