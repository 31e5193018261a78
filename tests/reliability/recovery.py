"""Simulated: 1,000 credentials with tokens of 600 s at one provider with `rate_limit = "20/s"`, which is away for 20
minutes, so that every token has expired when it comes back; ten times, with other seeds. The queue-free delay of the
n-th token after the return is what it took beyond its place in the queue, at the pace at which the gate lets requests
through: 20 in 1.05 s, so that those that bunch on their way do not exceed 20 in a second. Least remaining life first
means that no request comes for a credential while another one, whose token ended earlier, waits; what comes within
50 ms counts as simultaneous, since eight requests may be in flight at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from rotator.engine.gate import RATE_MARGIN, Limits
from rotator.simulation.plant import Spell, Weather
from rotator.simulation.world import simulate
from tests.reliability.figures import Figure
from tests.reliability.simulated import in_parallel, one_provider

if TYPE_CHECKING:
    from collections.abc import Callable

    from rotator.simulation.history import History

TITLE = "Recovery after an outage longer than a life"
SEED = 1
TRIALS = 10
CREDENTIALS = 1000
RATE = 20
SIMULTANEOUS = 0.05
START, AWAY, AFTER = 1800.0, 1200.0, 120.0


class Recovery(NamedTuple):
    """One trial: seconds of delay per token and until the last, requests in the busiest second and out of order."""

    delays: list[float]
    last: float
    peak: int
    out_of_order: int


def measure(seed: int, say: Callable[[str], None]) -> list[Figure]:
    """See `tests.reliability.figures.Measurement`."""
    found = list(in_parallel(trial, range(seed, seed + TRIALS), say, "outages"))
    delays = sorted(delay for recovery in found for delay in recovery.delays)
    p99 = delays[int(len(delays) * 0.99)]
    peak = max(recovery.peak for recovery in found)
    longest = max(recovery.last for recovery in found)
    unordered = sum(recovery.out_of_order for recovery in found)
    return [
        Figure("requests in the busiest second", f"≤ {RATE}", str(peak), peak <= RATE),
        Figure("queue-free delay, 99th percentile", "≤ 5 s", f"{p99:.2f} s", p99 <= 5.0),
        Figure("queue-free delay, longest", "", f"{delays[-1]:.2f} s"),
        Figure("time from the return until the thousandth token", "", f"{longest:.1f} s, at 20/s without a pause 50 s"),
        Figure(f"requests out of order, of {len(delays)}", "0", str(unordered), unordered == 0),
        Figure(
            "credentials served again", f"{TRIALS * CREDENTIALS}", str(len(delays)), len(delays) == TRIALS * CREDENTIALS
        ),
    ]


def trial(seed: int, credentials: int = CREDENTIALS) -> Recovery:
    """One outage."""
    back = START + AWAY
    weather = Weather(back + AFTER, {"thx": (Spell(START, back),)})
    history = simulate(one_provider(credentials, limits=Limits(RATE)), weather, seed)
    requests = history.requests["thx"]
    served = [
        (at, by)
        for at, by, granted in zip(requests.at, requests.by, requests.granted, strict=True)
        if granted and at >= back
    ]
    first = list({by: at for at, by in reversed(served)}.items())
    first.sort(key=lambda entry: entry[1])
    delays = [at - back - number * RATE_MARGIN / RATE for number, (_, at) in enumerate(first)]
    return Recovery(delays, first[-1][1] - back, requests.peak(), out_of_order(history, first, back))


def out_of_order(history: History, served: list[tuple[int, float]], back: float, grain: float = 0.0) -> int:
    """How many were served after one whose token had ended later, by more than `grain` seconds."""
    latest, overtaken = (float("-inf"), float("-inf")), 0
    for by, at in served:
        timeline = history.timelines[f"vault:{by}"]
        ended = max(expires for expires, came in zip(timeline.expires, timeline.at, strict=True) if came < back)
        overtaken += ended < latest[0] - grain and at > latest[1] + SIMULTANEOUS
        latest = max(latest, (ended, at))
    return overtaken
