"""Which credentials the page tells of, and what of each: ten thousand are looked through, fifty are shown."""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rotator.core import policy
from rotator.core.observation import NEVER
from rotator.operate.durations import span
from rotator.operate.page.findings import urgency
from rotator.operate.page.timeline import timeline
from rotator.operate.page.words import Instant, instant, relative, told
from rotator.operate.redaction import redact_text
from rotator.operate.status import MEANING, State

if TYPE_CHECKING:
    from rotator.core.model import BearerToken, Moment
    from rotator.operate.history import History
    from rotator.operate.page.query import Query
    from rotator.operate.page.timeline import Timeline
    from rotator.operate.status import CredentialStatus, SinkStatus, Status, Trouble

PAGE = 50
"""Credentials on a page."""


@dataclass(frozen=True, slots=True)
class Selection:
    """The credentials of one page.

    Attributes:
        shown: On this page, the most urgent first.
        found: How many match the query.
        page: Its number, from 1.
        pages: How many pages there are, at least 1.
    """

    shown: tuple[CredentialStatus, ...]
    found: int
    page: int
    pages: int

    @property
    def first(self) -> int:
        """The place of the first one shown, from 1; 0 when none is."""
        return (self.page - 1) * PAGE + 1 if self.shown else 0

    @property
    def last(self) -> int:
        """The place of the last one shown."""
        return (self.page - 1) * PAGE + len(self.shown)


def select(status: Status, query: Query) -> Selection:
    """What a query asks for; of pages beyond the last one, the last."""
    words = query.q.casefold().split()
    found = [
        one
        for one in status.credentials
        if (query.state in (None, one.state))
        and (query.provider in ("", one.provider))
        and (not words or _holds(one, words))
    ]
    pages = max(1, -(-len(found) // PAGE))
    page = min(query.page, pages)
    # Only as much as is needed is put in order: of ten thousand, the first page takes a third of the time.
    shown = heapq.nsmallest(page * PAGE, found, key=urgency)[(page - 1) * PAGE :]
    return Selection(tuple(shown), len(found), page, pages)


def _holds(one: CredentialStatus, words: list[str]) -> bool:
    """Whether every word is somewhere in a credential's name, provider, sinks or errors."""
    troubles = [one.trouble, *(sink.trouble for sink in one.sinks)]
    codes = [trouble.code.text for trouble in troubles if trouble is not None]
    text = "\n".join((one.name, one.provider, *(sink.name for sink in one.sinks), *codes)).casefold()
    return all(word in text for word in words)


@dataclass(frozen=True, slots=True)
class TroubleView:
    """A run of failures; see `rotator.operate.status.Trouble`."""

    code: str
    meaning: str
    cure: str
    detail: str
    stage: str
    since: Instant | None
    at: Instant | None
    attempts: int
    following: Instant | None
    parked: bool


@dataclass(frozen=True, slots=True)
class TokenView:
    """A token by its fingerprint."""

    fingerprint: str
    issued: Instant | None
    expires: Instant | None
    lifetime: str
    scope: str


@dataclass(frozen=True, slots=True)
class SinkRow:
    """One sink: what it is, how it is in one word, as which state that counts, and what it holds."""

    kind: str
    place: str
    state: State
    word: str
    token: TokenView | None
    trouble: TroubleView | None


@dataclass(frozen=True, slots=True)
class Row:
    """One credential.

    Attributes:
        valid_for: How long every consumer is served, or since when not, in words.
        served: The same as a date; None when some consumer holds no token.
        worst: What a person should know of first.
        mint: Why the last mint failed.
        others: as for `rotator.operate.status.CredentialStatus`.
    """

    name: str
    provider: str
    required: bool
    state: State
    meaning: str
    token: TokenView | None
    valid_for: str
    served: Instant | None
    budget: str
    following: Instant | None
    reason: str
    success: Instant | None
    worst: TroubleView | None
    mint: TroubleView | None
    sinks: tuple[SinkRow, ...]
    timeline: Timeline
    renew_at: float
    recheck: str
    secret: Instant | None


def row(one: CredentialStatus, status: Status, history: History) -> Row:
    """What is told of one credential."""
    now = status.now
    return Row(
        name=one.name,
        provider=one.provider,
        required=one.required,
        state=one.state,
        meaning=MEANING[one.state],
        token=_token(one.token, now),
        valid_for=_valid_for(one, now.elapsed),
        served=instant(one.served_until, now),
        budget=span(one.outage_budget),
        following=instant(max(one.next_mint.at, now.elapsed), now),
        reason=str(one.next_mint.reason),
        success=instant(one.last_success, now),
        worst=_trouble(one.worst, now),
        mint=_trouble(one.trouble, now),
        sinks=tuple(_sink(sink, now) for sink in one.sinks),
        timeline=timeline(one, history.lives(one.name), status.started.elapsed, now),
        renew_at=one.spec.renewal_share if one.token is None else policy.renewal_share(one.spec, one.token),
        recheck=span(one.spec.recheck_interval),
        secret=None if one.secret is None else told(one.secret.at, now),
    )


def _valid_for(one: CredentialStatus, now: float) -> str:
    if one.served_until == NEVER:
        return "no token"
    left = one.served_until - now
    return span(left) if left > 0 else f"expired {relative(left)}"


def _token(token: BearerToken | None, now: Moment) -> TokenView | None:
    if token is None:
        return None
    issued, expires = instant(token.issued.elapsed, now), instant(token.expires, now)
    return TokenView(token.fingerprint, issued, expires, span(token.lifetime), redact_text(token.scope))


def _trouble(found: Trouble | None, now: Moment) -> TroubleView | None:
    if found is None:
        return None
    return TroubleView(
        code=found.code.text,
        meaning=found.code.meaning,
        cure=found.code.cure,
        detail=redact_text(found.detail),
        stage=str(found.stage),
        since=instant(found.since, now),
        at=instant(found.at, now),
        attempts=found.attempts,
        following=instant(found.next_attempt, now),
        parked=found.parked,
    )


def _sink(sink: SinkStatus, now: Moment) -> SinkRow:
    state, word = _how(sink, now.elapsed)
    place = sink.name.removeprefix(f"{sink.kind}:")
    return SinkRow(sink.kind, place, state, word, _token(sink.token, now), _trouble(sink.trouble, now))


def _how(sink: SinkStatus, now: float) -> tuple[State, str]:
    """As which state a sink counts, and the word for it."""
    if sink.token is None:
        return (State.PENDING, "none yet") if sink.trouble is None else (State.EXPIRED, sink.trouble.code.text)
    if sink.token.expires <= now:
        return State.EXPIRED, "expired token"
    if sink.trouble is not None:
        return State.PARKED if sink.trouble.parked else State.FAILING, sink.trouble.code.text
    return (State.PENDING, "behind") if sink.behind else (State.FRESH, "up to date")
