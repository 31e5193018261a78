"""What the page tells beside the credentials: counts, providers, Vault, and what happened lately."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from rotator.operate.page.words import Instant, clock_time, instant, several, told
from rotator.operate.redaction import redact_fields, redact_text
from rotator.operate.status import MEANING, State

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rotator.core.model import Moment
    from rotator.operate.history import Event
    from rotator.operate.page.query import Query
    from rotator.operate.status import ProviderStatus, Status, VaultStatus

PROVIDERS = 12
"""Providers that are shown although nothing is wrong with them."""

FIRST = ("error", "detail", "reason", "sink", "provider")
"""Fields that are told first of an event."""

OMITTED = ("cure", "sink_kind")
"""Not told again: the page says further up what to do, and a sink's name begins with its kind."""


@dataclass(frozen=True, slots=True)
class Count:
    """How many credentials are in a state, and the query that shows them."""

    state: State
    meaning: str
    count: int
    query: Query
    current: bool


@dataclass(frozen=True, slots=True)
class ProviderRow:
    """An authorization server: as which state it counts, and how it is in words."""

    name: str
    state: State
    word: str
    opens: Instant | None
    waiting: int
    in_flight: int
    query: Query


@dataclass(frozen=True, slots=True)
class VaultView:
    """The session with Vault: as which state it counts, and how it is in words."""

    address: str
    state: State
    word: str
    expires: Instant | None
    code: str
    meaning: str
    detail: str
    cure: str


@dataclass(frozen=True, slots=True)
class Happening:
    """An event: when, its name, whose, and its fields as words."""

    at: Instant
    name: str
    credential: str
    text: str


def counts(status: Status, query: Query) -> list[Count]:
    """The fleet at a glance."""
    return [
        Count(state, MEANING[state], count, query.to_state(state), query.state is state)
        for state, count in status.counts().items()
    ]


def summary(status: Status) -> str:
    """The fleet in a few words: for the title, which a tab shows."""
    parts = [f"{count} {state}" for state, count in status.counts().items() if count]
    return several(parts, len(parts)) if parts else "no credentials"


def providers(status: Status, query: Query) -> list[ProviderRow]:
    """The providers, those in trouble first and whole, of the others as many as fit."""
    rows = [_provider(one, status.now, query) for one in status.providers]
    rows.sort(key=lambda one: one.state is State.FRESH)
    troubled = sum(one.state is not State.FRESH for one in rows)
    return rows[: max(PROVIDERS, troubled)]


def _provider(one: ProviderStatus, now: Moment, query: Query) -> ProviderRow:
    held = one.opens_at > now.elapsed
    word = "in an outage: asked seldom until it answers" if one.in_outage else "asked for a pause" if held else "open"
    return ProviderRow(
        name=one.name,
        state=State.FAILING if one.in_outage or held else State.FRESH,
        word=word,
        opens=instant(one.opens_at, now) if held else None,
        waiting=one.waiting,
        in_flight=one.in_flight,
        query=query.to_provider(one.name),
    )


def vault(one: VaultStatus, now: Moment) -> VaultView:
    """The session with Vault."""
    code = one.trouble
    word = "logged in" if one.authenticated else "logged out" if one.entered else "not logged in yet"
    state = State.FRESH if one.authenticated else State.PENDING
    return VaultView(
        address=redact_text(one.address),
        state=state if code is None else State.FAILING,
        word=word if code is None else f"cannot be used: {code.text}",
        expires=None if one.token_expires is None else instant(one.token_expires, now),
        code="" if code is None else code.text,
        meaning="" if code is None else code.meaning,
        detail=redact_text(one.detail),
        cure="" if code is None else code.cure,
    )


def happenings(events: Iterable[Event], now: Moment) -> list[Happening]:
    """Events as words, in the given order."""
    return [_happening(event, now) for event in events]


def _happening(event: Event, now: Moment) -> Happening:
    # Dates become words first: what redaction does not know it makes a text of.
    worded = {
        key: clock_time(value, now.wall) if isinstance(value, datetime) else value
        for key, value in event.fields.items()
    }
    fields = redact_fields(worded)
    credential = fields.pop("credential", "")
    order = [*FIRST, *(key for key in fields if key not in FIRST + OMITTED)]
    text = " · ".join(f"{key} {_value(fields[key])}" for key in order if key in fields)
    return Happening(told(event.at, now), event.name, str(credential), text)


def _value(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
