"""What no single key shows: names that must exist, places that must differ, consumers that read too seldom."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rotator.core.model import EARLIEST_RENEWAL
from rotator.settings.types import spell

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rotator.settings.locate import Path
    from rotator.settings.model import Credential, Settings

USUAL_LIFETIME = 600.0
"""Seconds; what is reckoned with where the configuration assumes no lifetime."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something between several keys: where it is best mended, what is there, what was wanted, what to do."""

    path: Path
    found: str
    wanted: str
    cure: str


def contradictions(settings: Settings) -> Iterator[Finding]:
    """What makes the configuration unusable."""
    if not settings.credentials:
        yield Finding(
            ("credentials",), "no credential", "at least one table [credentials.NAME]", "config.example.toml has one"
        )
    for name, credential in settings.credentials.items():
        if credential.provider not in settings.providers:
            known = ", ".join(sorted(settings.providers)) or "none"
            yield Finding(
                ("credentials", name, "provider"),
                f'"{credential.provider}"',
                f"the name of a provider; there are: {known}",
                f"add a table [providers.{credential.provider}], or name another one",
            )
        yield from _too_seldom(settings, name, credential)
    yield from _shared_places(settings)


def warnings(settings: Settings) -> Iterator[Finding]:
    """What works, but not as well as it should."""
    for name, credential in settings.credentials.items():
        life, lead = _life_and_lead(settings, credential)
        most = spell(round(life * (1 - EARLIEST_RENEWAL), 3))
        for index, sink in enumerate(credential.sinks):
            interval = sink.consumer_interval
            if interval is not None and lead < interval < life:
                late = spell(round(interval - lead, 3))
                yield Finding(
                    ("credentials", name, "sinks", index, "consumer_interval"),
                    f"{spell(interval)}, but a new token is there {spell(round(lead, 3))} before the old one ends: "
                    f"a consumer may hold an expired one for up to {late}",
                    f"at most {most} at a life of {spell(life)}",
                    "let consumers re-read more often"
                    + (", or lower renew_at" if credential.renew_at > EARLIEST_RENEWAL else ""),
                )
        if credential.renew_at < EARLIEST_RENEWAL:
            yield Finding(
                ("credentials", name, "renew_at"),
                f"{credential.renew_at:g}",
                f"{EARLIEST_RENEWAL:g} or more: a lead of more than half the lifetime is clamped",
                f"renew_at = {EARLIEST_RENEWAL:g}",
            )


def _life_and_lead(settings: Settings, credential: Credential) -> tuple[float, float]:
    provider = settings.providers.get(credential.provider)
    assumed = provider.assumed_lifetime if provider is not None else None
    longest = provider.max_lifetime if provider is not None else USUAL_LIFETIME
    life = min(assumed or USUAL_LIFETIME, longest)
    return life, life * (1 - max(credential.renew_at, EARLIEST_RENEWAL))


def _too_seldom(settings: Settings, name: str, credential: Credential) -> Iterator[Finding]:
    life, _ = _life_and_lead(settings, credential)
    for index, sink in enumerate(credential.sinks):
        if sink.consumer_interval is not None and sink.consumer_interval >= life:
            yield Finding(
                ("credentials", name, "sinks", index, "consumer_interval"),
                spell(sink.consumer_interval),
                f"less than the token's life, reckoned as {spell(life)}: no schedule can serve such a consumer",
                "let consumers re-read more often; if tokens live longer, say so in the provider's assumed_lifetime",
            )


def _shared_places(settings: Settings) -> Iterator[Finding]:
    sources = {credential.source.path: name for name, credential in settings.credentials.items()}
    taken: dict[tuple[str, str], str] = {}
    for name, credential in settings.credentials.items():
        for index, sink in enumerate(credential.sinks):
            path: Path = ("credentials", name, "sinks", index, "path")
            place = (sink.type, str(sink.path))
            if place in taken:
                yield Finding(
                    path, f'"{sink.path}"', f"a place of its own; {taken[place]} delivers there", "name another path"
                )
            elif sink.type == "vault" and str(sink.path) in sources:
                yield Finding(
                    path,
                    f'"{sink.path}"',
                    f"a path that holds no client credentials; those of {sources[str(sink.path)]} are there",
                    "name another path: the token would take the place of the secret",
                )
            taken.setdefault(place, name)
