"""Metrics, in the text format of Prometheus. Names and labels are a contract with dashboards and alerts.

Counters and histograms are counted as things happen; everything else is read off a status when somebody asks, so that
a quiet rotator spends nothing on it. No label holds a client id, a scope or a path.
"""

from __future__ import annotations

import math
import platform
from functools import cache, partial
from typing import TYPE_CHECKING

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from rotator.operate.gauges import credential_gauges, posix

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from rotator.operate.status import Status

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

MINT_BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Seconds; a token request ends within 10."""

DELIVERY_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Seconds; a file is written in about a millisecond."""

LATENESS_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 30.0)
"""Seconds between the date for which a pass was planned and its beginning."""


class Meters:
    """What is counted and timed as it happens; see `rotator.engine.metered.Observer`."""

    def __init__(self) -> None:
        # A series more for each, which nobody reads: process_start_time_seconds tells the same.
        disable_created_metrics()  # type: ignore[no-untyped-call]  # the library gives it no types
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        # What the library finds anew for each set of labels, four times per refresh, is kept.
        self._mints = cache(
            Counter("rotator_mints", "Token requests.", ["provider", "result"], registry=self.registry).labels
        )
        self._deliveries = cache(
            Counter("rotator_deliveries", "Writes to sinks.", ["sink", "result"], registry=self.registry).labels
        )
        timed = partial(Histogram, registry=self.registry)
        self._mint_seconds = cache(
            timed("rotator_mint_duration_seconds", "Token requests.", ["provider"], buckets=MINT_BUCKETS).labels
        )
        self._delivery_seconds = cache(
            timed("rotator_delivery_duration_seconds", "Writes to sinks.", ["sink"], buckets=DELIVERY_BUCKETS).labels
        )
        self._local = cache(
            Counter(
                "rotator_local_requests",
                "Questions at the local socket, by what came of them.",
                ["result"],
                registry=self.registry,
            ).labels
        )
        self._lateness = Histogram(
            "rotator_scheduling_lateness_seconds",
            "From the date for which a pass was planned until it began, without what a mint waits at its gate.",
            buckets=LATENESS_BUCKETS,
            registry=self.registry,
        )

    def minted(self, provider: str, result: str, seconds: float) -> None:
        """A token request has ended, with `ok` or the code of an error."""
        self._mints(provider, result).inc()
        self._mint_seconds(provider).observe(seconds)

    def delivered(self, kind: str, result: str, seconds: float) -> None:
        """A write to a sink of this kind has ended, with `ok` or the code of an error."""
        self._deliveries(kind, result).inc()
        self._delivery_seconds(kind).observe(seconds)

    def late(self, seconds: float) -> None:
        """A pass has begun so long after its date."""
        self._lateness.observe(seconds)

    def asked(self, result: str) -> None:
        """A question at the local socket has been answered."""
        self._local(result).inc()

    def exposition(self, status: Status) -> bytes:
        """Everything, as a scrape gets it."""
        read_off = CollectorRegistry(auto_describe=False)
        read_off.register(_ReadOff(status))
        return generate_latest(self.registry) + generate_latest(read_off) + credential_gauges(status).encode()


class _ReadOff(Collector):
    """The gauges of one status, but for those of each credential: see `credential_gauges`."""

    def __init__(self, status: Status) -> None:
        self._status = status

    def collect(self) -> Iterator[Metric]:
        status = self._status
        yield from _process(status)
        yield from _vault(status)
        yield from _providers(status)

    def describe(self) -> Iterable[Metric]:
        return ()


def _process(status: Status) -> Iterator[Metric]:
    build = GaugeMetricFamily("rotator_build_info", "1, with what runs.", labels=["version", "python"])
    build.add_metric([status.version, platform.python_version()], 1)
    yield build
    yield GaugeMetricFamily("rotator_healthy", "Whether the engine makes progress.", value=not status.faults)
    yield GaugeMetricFamily("rotator_ready", "Whether no required credential has expired.", value=not status.unready)
    reloaded = "Whether the configuration that was last offered is the one in force."
    yield GaugeMetricFamily("rotator_config_last_reload_successful", reloaded, value=status.reloaded)
    steps = CounterMetricFamily("rotator_clock_steps", "How often the wall clock has been set.")
    steps.add_metric([], status.clock_steps)
    yield steps
    counts = GaugeMetricFamily("rotator_credentials", "Credentials in each state.", labels=["state"])
    for state, count in status.counts().items():
        counts.add_metric([state], count)
    yield counts


def _vault(status: Status) -> Iterator[Metric]:
    in_use = "Whether there is a Vault token and Vault takes it."
    usable = GaugeMetricFamily("rotator_vault_authenticated", in_use, labels=["vault"])
    ends = GaugeMetricFamily(
        "rotator_vault_token_expiry_timestamp_seconds", "When the Vault token dies unless renewed.", labels=["vault"]
    )
    for one in (status.vault, *status.vaults):
        label = [one.name] if one.name else []  # [vault] itself bears none, as before there were several
        usable.add_metric(label, one.authenticated)
        if one.token_expires is not None:
            ends.add_metric(label, posix(one.token_expires, status))
    yield usable
    yield ends


def _providers(status: Status) -> Iterator[Metric]:
    retry_after = GaugeMetricFamily(
        "rotator_provider_retry_after_timestamp_seconds",
        "Until when the provider wants no requests; 0 when it never said so.",
        labels=["provider"],
    )
    outage = GaugeMetricFamily(
        "rotator_provider_in_outage", "Whether the provider fails so often that it is asked less.", labels=["provider"]
    )
    waiting = GaugeMetricFamily("rotator_provider_waiting", "Credentials at the provider's gate.", labels=["provider"])
    quota = GaugeMetricFamily(
        "rotator_provider_quota_used_ratio",
        "Share of the provider's quota that its last span has seen used, counted since the start.",
        labels=["provider"],
    )
    for one in status.providers:
        if one.quota is not None:
            quota.add_metric([one.name], one.quota.used / one.quota.limit)
        retry_after.add_metric([one.name], posix(one.opens_at, status) if math.isfinite(one.opens_at) else 0)
        outage.add_metric([one.name], one.in_outage)
        waiting.add_metric([one.name], one.waiting)
    yield from (retry_after, outage, waiting, quota)
