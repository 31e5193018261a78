"""The installed `rotator run` with 100,000 credentials, each with a source and a sink in Vault and tokens of 600 s.
Vault and the provider are a stub (`tests.bench.stub`) that answers each request after 20 ms and costs next to nothing,
for real servers of that size do not fit on the machine; a test compares its answers with OpenBao's. Sources are looked
at once a day. Two smaller fleets show what grows with the number of credentials; their tokens live as many times
shorter, 20 s at least, so that all are renewed about as often in a second. Processor time, memory and the time for
which the main thread waited for a processor are the kernel's figures. Lateness is when a renewal reached the provider
less when rotator's own `renewal_due` has it, the token's life being counted from when the request for it came. Steady
state begins a life after every credential was served for the first time. A token counts as expired when the
record in Vault had run out before the next one was written, or has. Then rotator is ended, every record gets a new
life, and it is started again; the same reads are made by bare sockets, as many at a time. Last, a small fleet looks at
its sources every 10 s, and one shares rotator with credentials of a provider that takes 5 s for each answer.
"""

from __future__ import annotations

import argparse
import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.bench.scale_runs import beside_slow, live, looks
from tests.reliability.figures import Figure

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.bench.scale_seen import Life, Steady

TITLE = "100,000 credentials on one machine"
SEED = 0

LATE, BESIDE = 0.25, 0.05
"""Seconds: the bar for the 99th percentile, and by how much a slow provider may raise that of others."""

CPU_SHARE, RSS, GROWTH, EVEN = 0.6, 400.0, 1.25, 0.1
"""The bars: share of a processor, MiB, how much more one of many may cost than one of few, and how even memory is."""

SHORTEST = 20
"""Seconds that tokens of the small fleets live at least: two of a credential are never asked for within 5 s."""


@dataclass(frozen=True)
class Size:
    """How much is measured.

    Attributes:
        credentials: Of the largest fleet; the smaller ones have a hundredth and a tenth of them.
        seconds: Of its steady state.
        lifetime: Seconds that its tokens live.
    """

    credentials: int = 100_000
    seconds: float = 1200.0
    lifetime: int = 600

    @property
    def fleets(self) -> list[tuple[int, int, float]]:
        """Credentials, lifetime and seconds of steady state of each fleet, the smallest first."""
        shares = (100, 10)
        small = [(self.credentials // share, max(SHORTEST, self.lifetime // share)) for share in shares]
        # Four lives: as many renewals as the small fleets can give without taking longer than the large one.
        return [
            *((count, lifetime, min(self.seconds, 4.0 * lifetime)) for count, lifetime in small),
            (self.credentials, self.lifetime, self.seconds),
        ]


SMALL = Size(2_000, 60.0, 60)
"""A trial, of eight minutes: that everything works."""


async def _run(size: Size, say: Callable[[str], None]) -> list[Figure]:
    lives = []
    for count, lifetime, seconds in size.fleets:
        say(f"{count:,} credentials whose tokens live {lifetime} s, for {seconds:g} s")
        lives.append(await live(count, lifetime, seconds))
        say(f"ready after {lives[-1].first.ready:.1f} s; {lives[-1].steady.per_refresh:.2f} ms for a renewal")
    count, lifetime, seconds = size.fleets[0]
    say(f"{count:,} credentials that look at their sources all the time")
    each, looked = await looks(count, seconds)
    slow = size.credentials // 10
    say(f"{count:,} credentials beside {slow:,} of a slow provider")
    beside = await beside_slow(count, slow, lifetime, seconds)
    return [
        *_steady(lives[-1]),
        *_growth(lives),
        *_restart(lives[-1]),
        Figure(
            "processor time for one look at an unchanged source and its sink", "", f"{each:.2f} ms ({looked:,} looks)"
        ),
        *_beside(lives[0].steady, beside, slow),
    ]


def _steady(life: Life) -> list[Figure]:
    seen = life.steady
    p99, share, expired = seen.lateness("p99"), seen.cpu / seen.seconds, seen.expired
    unserved = life.credentials - seen.steady["records"]
    peak = seen.report["requests"]["token"]["peak_per_second"]
    return [
        Figure(
            f"tokens expired in {seen.seconds:g} s of steady state; credentials without one",
            "0; 0",
            f"{expired}; {unserved}; {seen.steady['renewals']:,} renewals",
            expired == unserved == 0,
        ),
        Figure("lateness of renewals, p99", f"≤ {LATE * 1000:g} ms", _ms(p99), p99 <= LATE),
        Figure("the same, median and worst", "", f"{_ms(seen.lateness('p50'))}, {_ms(seen.lateness('max'))}"),
        Figure("lateness of passes as rotator tells it at /metrics, p99", "", f"≤ {_ms(seen.told)}"),
        Figure("processor, share of one core", f"≤ {CPU_SHARE:.0%}", f"{share:.1%}", share <= CPU_SHARE),
        Figure("the same while nothing is due", "", f"{life.idle:.1%}"),
        Figure("processor time for one scrape of /metrics", "", f"{life.scraped:.2f} s"),
        Figure("share of the time for which it waited for a processor", "", f"{seen.waited / seen.seconds:.0%}"),
        Figure("resident memory in steady state, at most", f"≤ {RSS:g} MiB", f"{seen.peak:.0f} MiB", seen.peak <= RSS),
        Figure("the same while it starts", "", f"{max(life.first.peak, life.again.peak):.0f} MiB"),
        Figure("token requests in one second at most", "", f"{peak}"),
        Figure("log in one second", "", f"{seen.log / seen.seconds / 1024:.0f} KiB"),
    ]


def _growth(lives: Sequence[Life]) -> list[Figure]:
    """What one of many costs, against one of few."""
    few, some, many = lives
    cost = many.steady.per_refresh / few.steady.per_refresh
    memory = [
        1024 * _slope(life.steady.rss - before.steady.rss, before, life) for before, life in ((few, some), (some, many))
    ]
    ready = [
        1000 * _slope(life.first.ready - before.first.ready, before, life)
        for before, life in ((few, some), (some, many))
    ]
    sizes = ", ".join(f"{life.credentials:,}" for life in lives)
    steps = f"from {few.credentials:,} to {some.credentials:,}, and on to {many.credentials:,}"
    return [
        Figure(
            f"processor time for one renewal with {sizes} credentials",
            f"the last ≤ {GROWTH:g} times the first",
            ", ".join(f"{life.steady.per_refresh:.2f} ms" for life in lives),
            cost <= GROWTH,
        ),
        Figure(
            "the same for one request at the stub, whose work does not grow: the machine's weather",
            "",
            ", ".join(f"{life.steady.pace:.0f} µs" for life in lives),
        ),
        Figure(
            f"memory for each further credential, {steps}",
            f"± {EVEN:.0%}",
            ", ".join(f"{each:.2f} KiB" for each in memory),
            abs(memory[1] / memory[0] - 1) <= EVEN,
        ),
        Figure(
            f"first start, for each further credential, {steps}",
            f"≤ {GROWTH:g} times the first",
            ", ".join(f"{each:.2f} ms" for each in ready) + f"; {many.first.ready:.0f} s in all",
            ready[1] <= GROWTH * ready[0],
        ),
        Figure(
            f"until the configuration is taken over, with {sizes} credentials",
            "",
            ", ".join(f"{life.first.loaded:.1f} s" for life in lives),
        ),
    ]


def _slope(difference: float, few: Life, many: Life) -> float:
    return difference / (many.credentials - few.credentials)


def _restart(life: Life) -> list[Figure]:
    return [
        Figure("restart with fresh tokens: token requests", "0", f"{life.asked}", life.asked == 0),
        Figure(
            "the same: tokens adopted", f"{life.credentials:,}", f"{life.adopted:,}", life.adopted == life.credentials
        ),
        Figure(
            "the same: until all are served, against the same reads by bare sockets",
            "",
            f"{life.again.ready:.1f} s against {life.bare:.1f} s; {life.again.cpu:.1f} s of processor time",
        ),
    ]


def _beside(alone: Steady, beside: Steady, slow: int) -> list[Figure]:
    p99, before = beside.lateness("p99"), alone.lateness("p99")
    return [
        Figure(
            f"lateness of renewals beside {slow:,} credentials of a provider that takes 5 s, p99",
            f"≤ {BESIDE * 1000:g} ms above {_ms(before)}",
            f"{_ms(p99)}; {beside.expired} expired",
            p99 <= before + BESIDE,
        ),
    ]


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms"


def measure(seed: int, say: Callable[[str], None], size: Size | None = None) -> list[Figure]:
    """See the module; `size` is what a trial takes instead of everything."""
    del seed  # the spread of renewals is derived from names and tokens, and nothing is drawn
    return asyncio.run(_run(size or Size(), say))


def main() -> None:
    """Parse, measure and print the figures; exit code 1 when a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--credentials", type=int, default=Size.credentials)
    parser.add_argument("--seconds", type=float, default=Size.seconds, help="of steady state")
    parser.add_argument("--lifetime", type=int, help="seconds that tokens live; as many as are measured, 600 at most")
    chosen = parser.parse_args()
    lifetime = chosen.lifetime or int(min(Size.lifetime, max(SHORTEST, chosen.seconds)))
    found = measure(SEED, print, Size(chosen.credentials, chosen.seconds, lifetime))
    for figure in found:
        print(f"{'ok  ' if figure.holds else 'MISS'} {figure.what}: {figure.found} (bar: {figure.bar or 'none'})")
    raise SystemExit(not all(figure.holds for figure in found))


if __name__ == "__main__":
    main()
