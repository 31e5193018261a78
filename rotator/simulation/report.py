"""What a simulation comes to for the people who ask: requests, peaks, and seconds with an expired token."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rotator.simulation.invariants import broken

if TYPE_CHECKING:
    from rotator.simulation.history import History, Interval
    from rotator.simulation.plant import CredentialModel, Plant, Weather


@dataclass(frozen=True, slots=True)
class ProviderReport:
    """What one provider saw.

    Attributes:
        name: The provider.
        credentials: How many it serves.
        requests: Token requests since `since`.
        granted: Those answered with a token.
        in_trouble: Requests that came while something was wrong.
        peak: The most that came within a second.
        limit: What the configuration allows in a second.
        most_in_flight: The most that were under way at once.
    """

    name: str
    credentials: int
    requests: int
    granted: int
    in_trouble: int
    peak: int
    limit: float
    most_in_flight: int


@dataclass(frozen=True, slots=True)
class SinkReport:
    """When readers of one sink were worse off than promised.

    Attributes:
        name: The sink.
        consumer_interval: Seconds between two looks of its consumers.
        expired: When the sink itself held an expired token, or none.
        held_expired: When a consumer held one, who had always just looked before a new token came.
    """

    name: str
    consumer_interval: float
    expired: tuple[Interval, ...]
    held_expired: tuple[Interval, ...]


@dataclass(frozen=True, slots=True)
class CredentialReport:
    """One credential with its sinks."""

    name: str
    provider: str
    sinks: tuple[SinkReport, ...]

    @property
    def expired(self) -> float:
        """Seconds for which some consumer held an expired token, of the worst sink."""
        return max((_length(sink.held_expired) for sink in self.sinks), default=0.0)

    @property
    def longest(self) -> float:
        """The longest time on end of that kind, seconds."""
        return max((end - start for sink in self.sinks for start, end in sink.held_expired), default=0.0)


@dataclass(frozen=True, slots=True)
class Report:
    """All of it.

    Attributes:
        since: From when on requests and gaps are counted: what is before is warming up.
        until: The end.
        providers: In the order of the configuration.
        credentials: The worst first.
        broken: Promises that rotator broke, which would be a defect of rotator: empty.
    """

    since: float
    until: float
    providers: tuple[ProviderReport, ...]
    credentials: tuple[CredentialReport, ...]
    broken: tuple[str, ...]


def report(plant: Plant, weather: Weather, history: History, since: float) -> Report:
    """Sum up a history from `since` on, seconds from its start."""
    credentials = [_credential(model, weather, history, since) for model in plant.credentials]
    return Report(
        since,
        weather.duration,
        tuple(_provider(name, plant, weather, history, since) for name in plant.providers),
        tuple(sorted(credentials, key=lambda found: (-found.expired, found.name))),
        tuple(broken(plant, weather, history)),
    )


def _provider(name: str, plant: Plant, weather: Weather, history: History, since: float) -> ProviderReport:
    requests, limits = history.requests[name], plant.providers[name].limits
    spells = [*weather.providers.get(name, ()), *weather.vault]
    return ProviderReport(
        name=name,
        credentials=sum(model.spec.provider == name for model in plant.credentials),
        requests=requests.count(since),
        granted=sum(granted for at, granted in zip(requests.at, requests.granted, strict=True) if at >= since),
        in_trouble=sum(any(spell.start <= at < spell.end for spell in spells) for at in requests.at if at >= since),
        peak=requests.peak(since),
        limit=limits.count / limits.period,
        most_in_flight=requests.most_in_flight,
    )


def _credential(model: CredentialModel, weather: Weather, history: History, since: float) -> CredentialReport:
    sinks = []
    for sink in model.sinks:
        timeline = history.timelines[sink.name]
        expired, held = (
            tuple(gap for gap in timeline.gaps(weather.duration, interval) if gap[1] > since)
            for interval in (0.0, sink.consumer_interval)
        )
        sinks.append(SinkReport(sink.name, sink.consumer_interval, expired, held))
    return CredentialReport(model.spec.name, model.spec.provider, tuple(sinks))


def _length(intervals: tuple[Interval, ...]) -> float:
    return sum(end - start for start, end in intervals)
