"""What `simulate` does: a configuration's credentials on a simulated clock, and what an outage would do to them."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from itertools import islice
from random import Random
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Table
from rich.text import Text

from rotator.cli import options
from rotator.settings import asked, translate
from rotator.settings.load import load
from rotator.settings.model import described
from rotator.settings.problems import dotted
from rotator.settings.sinks import PluginSink
from rotator.settings.types import spell
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
from rotator.simulation.report import report
from rotator.simulation.world import simulate

if TYPE_CHECKING:
    from pathlib import Path

    from rotator.settings import locate
    from rotator.settings.load import Loaded
    from rotator.settings.providers import Provider
    from rotator.settings.sinks import Sink
    from rotator.simulation.history import Interval
    from rotator.simulation.report import CredentialReport, Report

USUAL_LIFETIME = 600.0
"""Seconds; for a provider whose configuration does not say how long its tokens live."""

USUAL_INTERVAL = 300.0
"""Seconds between two looks of a consumer at a Vault path that says no other: Vault Agent's default."""

STARTING = 3.0
"""Seconds from a kill until rotator runs again."""

MINUTE = 60.0

SHOWN = 20
"""Credentials in the table and the picture, the worst first."""


@dataclass(frozen=True, slots=True)
class Question:
    """What is to happen. All times in seconds, 0 for not at all.

    Attributes:
        outage: How long providers are away.
        vault_outage: How long Vault is away.
        errors: The share of requests that fail while providers are away: 1 lets none through.
        step: By how much the wall clock is set, forward or back.
        suspend: How long the machine sleeps.
        restart: Whether rotator is killed and started again in the middle of it.
        provider: The one that is away; None means every one.
        lifetime: How long tokens live; None asks the configuration.
        seed: Decides what chance decides, the moment at which it all begins included.
    """

    outage: float = 0.0
    vault_outage: float = 0.0
    errors: float = 1.0
    step: float = 0.0
    suspend: float = 0.0
    restart: bool = False
    provider: str | None = None
    lifetime: float | None = None
    seed: int = 0


def answer(file: Path, question: Question, output: str) -> int:
    """Simulate and tell; the exit code: 1 when some consumer would hold an expired token."""
    loaded = load(file, os.environ)
    plant = _plant(loaded, question)
    begin, weather = _weather(plant, question)
    watcher = Console(stderr=True)
    columns = (TextColumn("[dim]simulating {task.fields[what]}"), BarColumn())
    with Progress(*columns, console=watcher, transient=True, disable=not watcher.is_terminal) as progress:
        what = f"{len(plant.credentials)} credentials for {_spelt(weather.duration)}"
        task = progress.add_task("", total=weather.duration, what=what)
        history = simulate(plant, weather, question.seed, lambda now: progress.update(task, completed=now))
    found = report(plant, weather, history, since=begin)
    if output == "json":
        print(json.dumps(_document(question, found, begin), indent=2))  # noqa: T201  the command's output
    else:
        _Picture(Console(), question, found, begin).show()
    return 1 if any(credential.expired for credential in found.credentials) else 0


def _plant(loaded: Loaded, question: Question) -> Plant:
    settings = loaded.settings
    if question.provider is not None and question.provider not in settings.providers:
        raise options.misnamed("provider", [question.provider], settings.providers)
    providers = {
        name: ProviderModel(translate.limits(section), question.lifetime or _lifetime(section))
        for name, section in settings.providers.items()
    }
    credentials = (
        CredentialModel(
            asked.spec(name, settings.providers[section.provider], section),
            tuple(_sink(sink, name) for sink in section.sinks),
        )
        # Of each [discover.NAME] one: how many there are, only Vault knows.
        for name, section in ((_name(place), section) for place, section in described(settings))
    )
    return Plant(providers, tuple(credentials))


def _name(place: locate.Path) -> str:
    """What the credential of a section is called; that of a template by the template."""
    return str(place[-1]) if place[0] == "credentials" else dotted(place)


def _lifetime(section: Provider) -> float:
    return min(section.assumed_lifetime or USUAL_LIFETIME, section.max_lifetime)


def _sink(section: Sink, name: str) -> SinkModel:
    in_vault = section.type == "vault"
    interval = section.consumer_interval or (USUAL_INTERVAL if in_vault else 0.0)
    # What has no path of its own is told from others by whose token it holds.
    place = section.plugged.place(name) if isinstance(section, PluginSink) else getattr(section, "path", name)
    return SinkModel(f"{section.type}:{place}", in_vault, interval)


def _weather(plant: Plant, question: Question) -> tuple[float, Weather]:
    """When it begins, after two lives of warming up and a random phase, and all that goes wrong from then on."""
    life = max(model.lifetime for model in plant.providers.values())
    begin = 2 * life + Random(question.seed).uniform(0, life / 2)  # noqa: S311  a moment, not a secret
    length = max(question.outage, question.vault_outage)
    end = begin + length + question.suspend + 1.5 * life
    trouble = Trouble.UNREACHABLE if question.errors >= 1.0 else Trouble.FAILING
    spells = (Spell(begin, begin + question.outage, trouble, question.errors),) if question.outage else ()
    away = {name: spells for name in plant.providers if question.provider in (None, name)}
    vault = (Spell(begin, begin + question.vault_outage),) if question.vault_outage else ()
    middle = begin + length / 2
    shocks = (
        Shock(middle, Blow.STEP, question.step),
        Shock(middle, Blow.SUSPEND, question.suspend),
        Shock(middle, Blow.RESTART, STARTING if question.restart else 0.0),
    )
    return begin, Weather(end, away, vault, tuple(shock for shock in shocks if shock.amount))


def _document(question: Question, found: Report, begin: float) -> dict[str, object]:
    """Stable JSON; times are seconds after the beginning of the trouble."""

    def relative(intervals: tuple[Interval, ...]) -> list[list[float]]:
        return [[round(start - begin, 1), round(end - begin, 1)] for start, end in intervals]

    return {
        "question": asdict(question),
        "simulated_s": round(found.until, 1),
        "providers": [asdict(provider) for provider in found.providers],
        "credentials": [
            {
                "credential": credential.name,
                "provider": credential.provider,
                "expired_s": round(credential.expired, 1),
                "longest_s": round(credential.longest, 1),
                "sinks": [
                    {
                        "sink": sink.name,
                        "consumer_interval_s": sink.consumer_interval,
                        "expired": relative(sink.expired),
                        "held_expired": relative(sink.held_expired),
                    }
                    for sink in credential.sinks
                ],
            }
            for credential in found.credentials
        ],
        "broken_promises": list(found.broken),
    }


class _Picture:
    """The answer for people."""

    def __init__(self, people: Console, question: Question, found: Report, begin: float) -> None:
        self._people = people
        self._question = question
        self._found = found
        self._begin = begin

    def show(self) -> None:
        """Print all of it."""
        self._people.print(self._what_happens(), soft_wrap=True)
        self._people.print()
        self._people.print(self._requests())
        self._people.print()
        self._people.print(self._validity())
        self._people.print()
        self._people.print(self._verdict(), soft_wrap=True)
        for promise in self._found.broken:
            promise_broken = Text(f"rotator broke a promise, please report it: {promise}", style="red")
            self._people.print(promise_broken, soft_wrap=True)

    def _what_happens(self) -> Text:
        asked = self._question
        where = asked.provider or "every provider"
        parts = []
        if asked.outage:
            how = "away" if asked.errors >= 1.0 else f"failing {asked.errors:.0%} of requests"
            parts.append(f"{where} {how} for {_spelt(asked.outage)}")
        if asked.vault_outage:
            parts.append(f"Vault away for {_spelt(asked.vault_outage)}")
        if asked.suspend:
            parts.append(f"the machine asleep for {_spelt(asked.suspend)}")
        if asked.step:
            parts.append(f"the wall clock set by {'-' if asked.step < 0 else '+'}{_spelt(abs(asked.step))}")
        if asked.restart:
            parts.append("rotator killed and started again in the middle")
        return Text.assemble(("Simulated: ", "bold"), ("; ".join(parts) or "nothing out of the ordinary") + ".")

    def _requests(self) -> Table:
        table = Table(box=None, pad_edge=False, header_style="bold")
        for title in ("PROVIDER", "CREDENTIALS", "REQUESTS", "IN TROUBLE", "TOKENS", "PEAK", "ALLOWED"):
            table.add_column(title, justify="left" if title == "PROVIDER" else "right")
        for provider in self._found.providers:
            counts = (provider.credentials, provider.requests, provider.in_trouble, provider.granted)
            table.add_row(provider.name, *map(str, counts), f"{provider.peak}/s", f"{provider.limit:g}/s")
        return table

    def _validity(self) -> Table:
        """A line per credential, the worst first: what its most unlucky consumer holds."""
        width = max(20, min(72, self._people.width - 40))
        start, end = self._window
        table = Table(box=None, pad_edge=False, header_style="bold")
        table.add_column("CREDENTIAL", overflow="ellipsis", max_width=24)
        table.add_column("EXPIRED FOR", justify="right")
        table.add_column(f"{_spelt(self._begin - start)} BEFORE TO {_spelt(end - self._begin)} AFTER IT BEGAN")
        table.add_row("", "", self._troubles(width))
        for credential in islice(self._found.credentials, SHOWN):
            expired = Text(_spelt(credential.expired) if credential.expired else "never")
            expired.stylize("red" if credential.expired else "green")
            table.add_row(credential.name, expired, self._line(credential, width))
        more = len(self._found.credentials) - SHOWN
        if more > 0:
            table.add_row(Text(f"and {more} more", style="dim"), "", "")
        return table

    @property
    def _window(self) -> Interval:
        """What is drawn: the trouble and all that it led to, with a margin."""
        bad = (end for found in self._found.credentials for sink in found.sinks for _, end in sink.held_expired)
        last = max(bad, default=self._begin + MINUTE)
        last = max(last, self._begin + max(self._question.outage, self._question.vault_outage, self._question.suspend))
        margin = max((last - self._begin) / 4, MINUTE)
        return self._begin - margin, min(last + margin, self._found.until)

    def _cells(self, width: int) -> list[Interval]:
        start, end = self._window
        step = (end - start) / width
        return [(start + number * step, start + (number + 1) * step) for number in range(width)]

    def _troubles(self, width: int) -> Text:
        end = self._begin + max(self._question.outage, self._question.vault_outage, self._question.suspend)
        return Text("".join("▼" if start < end and until > self._begin else " " for start, until in self._cells(width)))

    def _line(self, credential: CredentialReport, width: int) -> Text:
        line = Text()
        gaps = [gap for sink in credential.sinks for gap in sink.held_expired]
        for start, until in self._cells(width):
            bad = any(first < until and last > start for first, last in gaps)
            line.append("░" if bad else "█", style="red" if bad else "green")
        return line

    def _verdict(self) -> Text:
        hit = [credential for credential in self._found.credentials if credential.expired]
        if not hit:
            return Text("No consumer would hold an expired token at any time.", style="green")
        total = len(self._found.credentials)
        longest = max(credential.longest for credential in hit)
        return Text(
            f"Consumers of {len(hit)} of {total} credentials would hold an expired token, for {_spelt(longest)} on end "
            "at most.",
            style="red",
        )


def _spelt(seconds: float) -> str:
    """A length of time for people, cut to what they can use."""
    return spell(round(seconds, 1) if seconds < MINUTE else round(seconds))
