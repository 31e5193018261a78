"""What happened lately, kept in memory for the status page: the lives of each credential's last tokens, and events."""

from __future__ import annotations

from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from struct import Struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rotator.core.model import Moment
    from rotator.core.ports import Clock, Journal

LIVES = 6
"""Lives kept per credential: half an hour of 600-second tokens."""

EVENTS = 500
"""Events kept, of all credentials together."""

UNTOLD = frozenset({"process.vitals", "token.mint_retried", "token.delivery_retried"})
"""What is told at debug level only, and would push out what matters."""

_LIFE = Struct("dd")
"""When it began and when it ends: as bytes, as there may be a hundred thousand credentials with six lives each."""


@dataclass(frozen=True, slots=True)
class Event:
    """One that was told.

    Attributes:
        at: When.
        name: Of the list in docs/events.md.
        fields: As they were told, without secrets.
    """

    at: datetime
    name: str
    fields: Mapping[str, object]


class History:
    """A journal that passes on what it is told, and remembers the last of it.

    Args:
        journal: Where events go.
        clock: Time.

    Attributes:
        events: The last ones, the newest last.
    """

    def __init__(self, journal: Journal, clock: Clock) -> None:
        self.events: deque[Event] = deque(maxlen=EVENTS)
        self._journal = journal
        self._clock = clock
        self._lives: dict[str, bytes] = {}

    def event(self, name: str, /, **fields: object) -> None:
        """See `rotator.core.ports.Journal`."""
        self._journal.event(name, **fields)
        # A journal does not raise. It has been told; when there is no clock to remember it by, so it is not (R06).
        with suppress(Exception):
            self._keep(name, fields)

    def _keep(self, name: str, fields: Mapping[str, object]) -> None:
        now = self._clock.now()
        if name not in UNTOLD:
            self.events.append(Event(now.wall, name, fields))
        if name in {"token.minted", "token.adopted"} and not fields.get("repeated"):
            self._note(fields, now)

    def lives(self, credential: str) -> list[tuple[float, float]]:
        """When the last tokens of a credential began and end, on the elapsed clock, the oldest first."""
        return [(began, ends) for began, ends in _LIFE.iter_unpack(self._lives.get(credential, b""))]

    def last(self, credential: str, count: int) -> list[Event]:
        """The last events of a credential, the newest first."""
        # The list is made at once: who asks is in another thread than who tells.
        found = (event for event in reversed(list(self.events)) if event.fields.get("credential") == credential)
        return [event for event, _ in zip(found, range(count), strict=False)]

    def forget(self, credential: str) -> None:
        """Keep no lives of a credential that has gone."""
        self._lives.pop(credential, None)

    def _note(self, fields: Mapping[str, object], now: Moment) -> None:
        expires_at, lifetime = fields.get("expires_at"), fields.get("lifetime_s")
        if not isinstance(expires_at, datetime):
            return  # nobody tells it so; and a journal does not raise
        ends = now.when(expires_at).elapsed
        began = ends - lifetime if isinstance(lifetime, float | int) else now.elapsed
        credential = str(fields["credential"])
        kept = self._lives.get(credential, b"") + _LIFE.pack(began, ends)
        self._lives[credential] = kept[-LIVES * _LIFE.size :]
