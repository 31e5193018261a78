"""The end of a client secret, and when it is told: at 30, 7 and 1 days, and once it has come.

That end is a date of the calendar, which no clock of ours counts down to. So nothing here waits: whoever looks at the
source every minute asks each time.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

DAYS = (30, 7, 1, 0)
"""How many days before the end it is told."""

URGENT = 1
"""Days before the end from which on it is an error and no warning."""

CURE = (
    "Have a new client secret made, and write it to the source with its own end, the old one as client_secret_previous "
    "until the new one is accepted."
)


@dataclass(frozen=True, slots=True)
class SecretEnd:
    """When a client secret ends.

    Attributes:
        version: Of the document that says so.
        at: Aware, UTC.
    """

    version: str
    at: datetime

    def days_left(self, now: datetime) -> float:
        """Days until the end; negative after it."""
        return (self.at - now) / timedelta(days=1)

    def within(self, now: datetime) -> int | None:
        """The least of `DAYS` that has been reached; None before all of them."""
        left = self.days_left(now)
        return min((days for days in DAYS if left <= days), default=None)


@dataclass(frozen=True, slots=True)
class Told:
    """What has been told of one secret.

    Attributes:
        of: Which one.
        last: What `SecretEnd.within` was at the last look.
        days: Which of `DAYS` have been told.
    """

    of: SecretEnd | None = None
    last: int | None = None
    days: frozenset[int] = field(default_factory=frozenset)

    def look(self, end: SecretEnd, now: datetime) -> tuple[int | None, Told]:
        """Which of `DAYS` is to be told now, if one is, and what has been told then.

        Each is told once of one secret, and only on the way towards the end: a wall clock that is set back, or ahead
        and back, repeats nothing. Those that it was wrongly ahead of are still told when their time has come.
        """
        known = self if self.of == end else Told(end)
        within = end.within(now)
        nearer = within is not None and (known.last is None or within < known.last)
        if within is None or not nearer or within in known.days:
            return None, Told(end, within, known.days)
        return within, Told(end, within, known.days | {within})


NOTHING_TOLD = Told()
