"""Thirty days of bad weather, drawn from a seed: outages, errors, throttling, restarts, clock steps, new secrets."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

from rotator.core.model import CredentialSpec
from rotator.simulation.plant import (
    Blow,
    CredentialModel,
    Plant,
    ProviderModel,
    Shock,
    SinkModel,
    Spell,
    Trouble,
    Weather,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0


def plant(credentials: int, lifetimes: dict[str, float], recheck_interval: float = 300.0) -> Plant:
    """Credentials spread evenly over providers, each with a Vault path and every other one with a file as well."""
    providers = {name: ProviderModel(lifetime=lifetime) for name, lifetime in lifetimes.items()}
    names = list(providers)
    models = []
    for number in range(credentials):
        spec = CredentialSpec(f"app-{number}", names[number % len(names)], (), recheck_interval=recheck_interval)
        file = (SinkModel(f"file:{number}", in_vault=False),) if number % 2 else ()
        models.append(CredentialModel(spec, (SinkModel(f"vault:{number}"), *file)))
    return Plant(providers, tuple(models))


def drawn(seed: int, duration: float, of: Plant) -> Weather:
    """Weather for a plant: each provider in trouble some times a day, Vault once a day, a shock every few hours."""
    rng = Random(seed)  # noqa: S311  weather, not a secret
    providers = {name: tuple(_spells(rng, duration)) for name in of.providers}
    shocks = sorted(_shocks(rng, duration, len(of.credentials)), key=lambda shock: shock.at)
    return Weather(duration, providers, tuple(_outages(rng, duration)), tuple(shocks))


def _spells(rng: Random, duration: float) -> Iterator[Spell]:
    at = rng.expovariate(1 / (6 * HOUR))
    while at < duration:
        trouble = rng.choice(list(Trouble))
        length = rng.choice([rng.uniform(1, 5 * MINUTE), rng.uniform(MINUTE, HOUR), rng.uniform(1, 20)])
        share = rng.uniform(0.05, 0.5) if trouble is Trouble.FAILING and rng.random() < 0.8 else 1.0
        wait = rng.choice([0.0, 1.0, 30.0, 120.0]) if trouble is Trouble.THROTTLING else 0.0
        yield Spell(at, at + length, trouble, share, wait)
        at += length + rng.expovariate(1 / (6 * HOUR))


def _outages(rng: Random, duration: float) -> Iterator[Spell]:
    at = rng.expovariate(1 / DAY)
    while at < duration:
        length = rng.choice([rng.uniform(1, MINUTE), rng.uniform(MINUTE, 15 * MINUTE)])
        yield Spell(at, at + length, share=rng.choice([1.0, 0.2]))
        at += length + rng.expovariate(1 / DAY)


def _shocks(rng: Random, duration: float, credentials: int) -> Iterator[Shock]:
    at = rng.expovariate(1 / (4 * HOUR))
    while at < duration:
        blow = rng.choice(list(Blow))
        amounts = {
            Blow.RESTART: rng.uniform(0.5, 60),
            Blow.STEP: rng.choice([-1, 1]) * rng.choice([3.0, HOUR, 30 * DAY]),
            Blow.SUSPEND: rng.uniform(5, 20 * MINUTE),
        }
        yield Shock(at, blow, amounts.get(blow, 0.0), rng.randrange(credentials))
        at += 20 * MINUTE + rng.expovariate(1 / (4 * HOUR))
