"""What the runs of `tests.bench.scale` have seen."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

from tests.bench.scale_site import STEADY


@dataclass(frozen=True)
class Steady:
    """A stretch of steady state.

    Attributes:
        seconds: Its length.
        cpu: Seconds of processor time.
        waited: Seconds for which the main thread was ready to run and had no processor.
        rss: MiB resident at its end.
        peak: MiB resident at most.
        pace: Microseconds of processor time that the stub took for one request: what the machine's weather was.
        log: Bytes of log.
        report: What the stub saw; see `tests.bench.stub_counts.Counts.report`.
        told: The lateness that 99 % of passes did not exceed by rotator's own histogram, its bucket's bound, seconds.
    """

    seconds: float
    cpu: float
    waited: float
    rss: float
    peak: float
    pace: float
    log: int
    report: dict[str, Any]
    told: float = 0.0

    def telling(self, before: dict[float, float], after: dict[float, float]) -> Steady:
        """The same with what rotator's own histogram has grown by; see `histogram`."""
        grown = {bound: count - before.get(bound, 0.0) for bound, count in after.items()}
        wanted = 0.99 * grown.get(math.inf, 0.0)
        return replace(self, told=min(bound for bound, count in grown.items() if count >= wanted))

    @property
    def steady(self) -> dict[str, Any]:
        """What the stub saw of the credentials whose provider answers at once."""
        found: dict[str, Any] = self.report["groups"][STEADY]
        return found

    @property
    def expired(self) -> int:
        """Records of those that had run out when they were replaced, or have not been replaced."""
        return int(self.steady["expired"] + self.steady["expired_now"])

    def lateness(self, share: str) -> float:
        """Seconds; `share` is p50, p99 or max."""
        return float(self.steady["lateness"][share])

    @property
    def per_refresh(self) -> float:
        """Milliseconds of processor time for one renewal."""
        return 1000 * self.cpu / max(1, int(self.steady["renewals"]))


@dataclass(frozen=True)
class Start:
    """A start.

    Attributes:
        loaded: Seconds until the configuration had been taken over.
        ready: Seconds until every credential was served.
        cpu: Seconds of processor time until then.
        peak: MiB that were resident at most.
    """

    loaded: float
    ready: float
    cpu: float
    peak: float


@dataclass(frozen=True)
class Life:
    """One fleet from its first start to a restart with fresh tokens.

    Attributes:
        credentials: How many.
        first: The start with nothing in the sinks.
        steady: What followed.
        scraped: Seconds of processor time for one scrape.
        again: The start with fresh tokens.
        asked: Token requests after that.
        adopted: Tokens that it took over.
        idle: Share of a processor while nothing was due.
        bare: Seconds that the same reads take by bare sockets.
    """

    credentials: int
    first: Start
    steady: Steady
    scraped: float
    again: Start
    asked: int
    adopted: int
    idle: float
    bare: float


def histogram(metrics: str) -> dict[float, float]:
    """How many passes began so late at most, by seconds, of what a scrape tells."""
    name = 'rotator_scheduling_lateness_seconds_bucket{le="'
    lines = (line.removeprefix(name) for line in metrics.splitlines() if line.startswith(name))
    return {float(bound): float(count) for bound, _, count in (line.partition('"} ') for line in lines)}
