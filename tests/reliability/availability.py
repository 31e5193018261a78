"""Simulated: 100 credentials, in ten worlds of ten, with tokens of 600 s at a provider that answers each request,
independently of all others, with an error in 50, 80 or 90 of a hundred cases, for 5 days after a first hour without
errors. Counted is, over all credentials, the time for which the Vault path held a token that had not expired, and one
with at least 60 s left.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from rotator.simulation.plant import Spell, Trouble, Weather
from rotator.simulation.world import simulate
from tests.reliability.figures import Figure
from tests.reliability.simulated import LIFE, in_parallel, one_provider

if TYPE_CHECKING:
    from collections.abc import Callable

    from rotator.simulation.history import Timeline

TITLE = "Independent errors of a provider"
SEED = 1
BARS = {0.5: (100.0, 100.0), 0.8: (99.99, 99.99), 0.9: (99.7, 99.6)}
MARGIN = 60.0
CREDENTIALS, WORLDS = 10, 10
WARM, DAYS = 3600.0, 5.0


def measure(seed: int, say: Callable[[str], None]) -> list[Figure]:
    """See `tests.reliability.figures.Measurement`."""
    figures = []
    for share, (unexpired, with_margin) in BARS.items():
        work = partial(days, share, DAYS)
        results = list(in_parallel(work, range(seed, seed + WORLDS), say, f"worlds at {share:.0%} errors"))
        total = sum(result[0] for result in results)
        held, comfortable = (100 * (1 - sum(result[n] for result in results) / total) for n in (1, 2))
        attempts = sum(result[3] for result in results) / sum(result[4] for result in results)
        per_life = sum(result[3] for result in results) / (total / LIFE)
        bar = 8.0 if share == 0.8 else None
        figures += [
            Figure(f"time with an unexpired token at {share:.0%} errors", *at_least(unexpired, held)),
            Figure(f"time with at least 60 s left at {share:.0%} errors", *at_least(with_margin, comfortable)),
            Figure(
                f"token requests per token at {share:.0%} errors",
                f"≤ {bar:g}" if bar else "",
                f"{attempts:.2f} ({per_life:.2f} in 600 s)",
                bar is None or attempts <= bar,
            ),
        ]
    return figures


def at_least(bar: float, found: float) -> tuple[str, str, bool]:
    """A bar in percent, what was found, and whether that will do."""
    return f"≥ {bar:g} %" if bar < 100 else "100 %", f"{found:.5f} %", found >= bar


def days(share: float, length: float, seed: int) -> tuple[float, float, float, int, int]:
    """One world: credential-seconds in all, without a token and with less than the margin; requests; tokens."""
    end = WARM + length * 86400
    plant = one_provider(CREDENTIALS)
    weather = Weather(end, {"thx": (Spell(WARM, end, Trouble.FAILING, share),)})
    history = simulate(plant, weather, seed)
    timelines = history.timelines.values()
    requests = history.requests["thx"]
    asked = requests.count(WARM, end)
    granted = sum(g for at, g in zip(requests.at, requests.granted, strict=True) if at >= WARM)
    return (
        CREDENTIALS * (end - WARM),
        sum(without(timeline, end, 0.0) for timeline in timelines),
        sum(without(timeline, end, MARGIN) for timeline in timelines),
        asked,
        granted,
    )


def without(timeline: Timeline, end: float, margin: float) -> float:
    """Seconds from the start of the errors for which a sink held no token with so much life left."""
    seconds = 0.0
    for number, expires in enumerate(timeline.expires):
        until = timeline.at[number + 1] if number + 1 < len(timeline.at) else end
        seconds += max(0.0, until - max(expires - margin, timeline.at[number], WARM))
    return seconds
