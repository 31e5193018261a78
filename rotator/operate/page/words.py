"""Times and durations as people read them: always both, the date in UTC and how far off it is."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rotator.core.model import rfc3339
from rotator.operate.durations import span

if TYPE_CHECKING:
    from datetime import datetime

    from rotator.core.model import Moment


@dataclass(frozen=True, slots=True)
class Instant:
    """A point in time.

    Attributes:
        iso: For machines: `2026-11-24T03:12:05Z`.
        text: For people: `03:12:05 UTC`, with the date unless it is today.
        relative: `in 4 min 12 s`, `4 min 12 s ago`, `now`.
    """

    iso: str
    text: str
    relative: str


def instant(elapsed: float, now: Moment) -> Instant | None:
    """A reading of the elapsed clock for people; None for never, for ever, and what no calendar has."""
    if not math.isfinite(elapsed):
        return None
    try:
        date = now.at(elapsed)
    except OverflowError:
        return None
    return Instant(rfc3339(date), clock_time(date, now.wall), relative(elapsed - now.elapsed))


def told(date: datetime, now: Moment) -> Instant:
    """A wall time for people."""
    return Instant(rfc3339(date), clock_time(date, now.wall), relative((date - now.wall).total_seconds()))


def relative(apart: float) -> str:
    """How far off something is that lies `apart` seconds ahead."""
    # A second either way is now: nobody can act on less, and the page is older than that when it is read.
    if abs(apart) < 1:
        return "now"
    return f"in {span(apart)}" if apart > 0 else f"{span(-apart)} ago"


def clock_time(date: datetime, today: datetime) -> str:
    """A time of day, with the date before it unless that is today's."""
    text = f"{date:%H:%M:%S} UTC"
    return text if date.date() == today.date() else f"{date.date().isoformat()} {text}"


def several(names: list[str], total: int) -> str:
    """An enumeration: `a`, `a and b`, `a, b and 7 more`; `names` are the first of `total`."""
    if total > len(names):
        return f"{', '.join(names)} and {total - len(names)} more"
    return " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else names[0]
