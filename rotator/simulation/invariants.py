"""What must hold in every history, whatever the weather was."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING

from rotator.core.policy import MINT_INTERVAL
from rotator.simulation.history import joined
from rotator.simulation.plant import Blow
from rotator.simulation.servers import DEADLINE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from rotator.simulation.history import History, Interval
    from rotator.simulation.plant import CredentialModel, Plant, Spell, Weather

RECOVERY = 5.0
"""Seconds after the end of a trouble within which the first tokens must be there again; a queue comes on top."""

SETTLING = 600.0
"""Seconds of an outage after which requests must have become few."""

PROBE = 5.0
"""Seconds between two requests in an outage that has settled."""

SLACK = 0.002
"""Seconds by which two instants may differ and still count as one."""


def broken(plant: Plant, weather: Weather, history: History) -> list[str]:
    """Every promise that this history breaks, as sentences; empty when all are kept.

    Args:
        plant: What was simulated.
        weather: What went wrong.
        history: What came of it.
    """
    return [
        *history.problems,
        *_moved_back(history),
        *_needless_writes(plant, weather, history),
        *_over_the_limits(plant, history),
        *_too_close(plant, weather, history),
        *_storms(plant, weather, history),
        *_unforced_gaps(plant, weather, history),
    ]


def _moved_back(history: History) -> Iterator[str]:
    """No sink ever gets a token that ends before the one it held."""
    for sink, timeline in history.timelines.items():
        best = float("-inf")
        for at, expires in zip(timeline.at, timeline.expires, strict=True):
            emptied = expires <= at
            if not emptied and expires < best - SLACK:
                yield f"{at:.1f} s: {sink} went back from a token until {best:.1f} s to one until {expires:.1f} s"
            best = best if emptied else max(best, expires)


def _needless_writes(plant: Plant, weather: Weather, history: History) -> Iterator[str]:
    """A sink is written once per token, and once more when somebody emptied it."""
    drifts: dict[int, int] = defaultdict(int)
    for shock in weather.shocks:
        drifts[shock.target] += shock.blow is Blow.DRIFT
    for number, model in enumerate(plant.credentials):
        for sink in model.sinks:
            timeline = history.timelines[sink.name]
            needless = timeline.writes - len(set(timeline.expires)) - drifts[number]
            if needless > 0:
                yield f"{sink.name} was written {needless} times without a new token"


def _over_the_limits(plant: Plant, history: History) -> Iterator[str]:
    """Neither the rate nor the requests in flight are ever exceeded, across restarts neither but by one burst."""
    for name, model in plant.providers.items():
        requests, limits = history.requests[name], model.limits
        if requests.most_in_flight > limits.max_in_flight:
            yield f"{name} had {requests.most_in_flight} requests in flight; allowed are {limits.max_in_flight}"
        for first, last in zip(requests.at, requests.at[limits.count :], strict=False):
            if last - first < limits.period - SLACK:
                yield f"{last:.1f} s: {name} got more than {limits.count} requests within {limits.period:g} s"
                break


def _too_close(plant: Plant, weather: Weather, history: History) -> Iterator[str]:
    """After a token, none is asked for again within `MINT_INTERVAL`, unless a restart forgot it."""
    restarts = [shock.at for shock in weather.shocks if shock.blow is Blow.RESTART]
    for name in plant.providers:
        requests = history.requests[name]
        granted_at: dict[int, float] = {}
        for at, by, granted in zip(requests.at, requests.by, requests.granted, strict=True):
            before = granted_at.get(by, float("-inf"))
            close = at - before < MINT_INTERVAL - SLACK
            if close and not any(before <= restart <= at for restart in restarts):
                yield f"{at:.1f} s: credential {by} asked {name} again {at - before:.2f} s after a token"
            if granted:
                granted_at[by] = at


def _storms(plant: Plant, weather: Weather, history: History) -> Iterator[str]:
    """In a long outage a provider gets little more than one probe every 5 s, however many credentials it has."""
    restarts = [shock.at for shock in weather.shocks if shock.blow in {Blow.RESTART, Blow.SUSPEND}]
    for name in plant.providers:
        for spell in weather.providers.get(name, ()):
            since = max([spell.start, *(at for at in restarts if at < spell.end)]) + SETTLING
            allowed = 1.1 * (spell.end - since) / PROBE + 2
            if spell.is_total and since < spell.end:
                found = history.requests[name].count(since, spell.end)
                if found > allowed:
                    yield f"{spell.start:.0f} s: in an outage {name} got {found} requests; allowed are {allowed:.0f}"


def _unforced_gaps(plant: Plant, weather: Weather, history: History) -> Iterator[str]:
    """Nobody is without a token unless something stood in the way from the time it was due until it came.

    What lets nobody through may cover the gap itself; what lets some through counts only before it: with half of the
    requests failing, a token is late and not missing.
    """
    everywhere = list(_everywhere(weather, history))
    sizes = Counter(model.spec.provider for model in plant.credentials)
    for number, model in enumerate(plant.credentials):
        name = model.spec.provider
        provider = plant.providers[name]
        queue = RECOVERY + DEADLINE + sizes[name] / provider.limits.count * provider.limits.period * 1.1
        spells = weather.providers.get(name, ())
        total = [*everywhere, *_struck(number, model, weather), *_times(spells, total=True)]
        forced = joined((start, end + queue) for start, end in total)
        hindered = joined([*forced, *((start, end + queue) for start, end in _times(spells, total=False))])
        lead = provider.lifetime * (1 - model.spec.renewal_share) - queue
        for sink in model.sinks:
            for start, end in history.timelines[sink.name].gaps(weather.duration):
                emptied = any(abs(start - at) < 1.0 for at, _ in _struck(number, model, weather))
                since = start if emptied else start - max(lead, 0.0)
                if not _within(forced, start, end) or not _within(hindered, since, end):
                    yield f"{start:.1f} s: {sink.name} held no token for {end - start:.1f} s, and nothing forced it"


def _everywhere(weather: Weather, history: History) -> Iterator[Interval]:
    """What keeps every credential from being served."""
    yield from history.vault_away
    yield from _times(weather.vault, total=True)
    for shock in weather.shocks:
        if shock.blow in {Blow.RESTART, Blow.SUSPEND}:
            yield (shock.at, shock.at + shock.amount)


def _struck(number: int, model: CredentialModel, weather: Weather) -> Iterator[Interval]:
    """What keeps one credential from being served: a sink that somebody emptied is found at the next recheck."""
    for shock in weather.shocks:
        if shock.blow is Blow.DRIFT and shock.target == number:
            yield (shock.at, shock.at + model.spec.recheck_interval)


def _times(spells: Iterable[Spell], *, total: bool) -> Iterator[Interval]:
    return ((spell.start, spell.end + spell.retry_after) for spell in spells if spell.is_total is total)


def _within(intervals: list[Interval], start: float, end: float) -> bool:
    return any(first <= start and end <= last for first, last in intervals)
