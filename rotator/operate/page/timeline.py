"""The lives of one credential's tokens on an axis of time: who was served when, and by what.

Computes lengths only; the template draws them. The axis reaches as far as the token lives, so `now` stands at the same
place in every row of a list, and rows with equal lifetimes have equal scales.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from rotator.core.observation import NEVER
from rotator.operate.durations import span
from rotator.operate.page.words import instant, relative
from rotator.operate.status import State

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rotator.core.model import Moment
    from rotator.operate.status import CredentialStatus

Interval = tuple[float, float]
"""When something began and ended, on the elapsed clock."""

STEPS = (
    *(1.0, 2.0, 5.0, 10.0, 15.0, 30.0),
    *(60.0, 120.0, 300.0, 600.0, 900.0, 1800.0),
    *(3600.0, 7200.0, 21600.0, 43200.0),
    *(86400.0, 172800.0, 604800.0, 1209600.0, 2592000.0, 7776000.0, 31536000.0),
)
"""Seconds between two marks of the axis: what people count in."""

BEHIND, AHEAD = 3, 2
"""Marks on the axis before and after now."""

LANES = 3
"""A token that is renewed at half its life, or a tenth earlier, overlaps with the next two at most."""

WIDTH = 300.0
"""Of the axis, in the drawing's units."""

USUAL_LIFE = 600.0
"""Seconds that the axis reaches ahead while no token is known."""

MINUS = "\N{MINUS SIGN}"

SAME = 1.5
"""Two lives whose ends lie less than this many seconds apart are one: records carry whole seconds."""


@dataclass(frozen=True, slots=True)
class Bar:
    """A stretch of the axis.

    Attributes:
        x: Where it begins, in the drawing's units.
        width: In the same.
        lane: 0 to 2, from the top: lives that overlap lie in different ones, so that their overlap is seen.
        live: Whether it lasts beyond now.
    """

    x: float
    width: float
    lane: int
    live: bool


@dataclass(frozen=True, slots=True)
class Tick:
    """A mark on the axis, its distance from now as a word, and the time of day there."""

    x: float
    label: str
    clock: str


@dataclass(frozen=True, slots=True)
class Timeline:
    """What there is to draw.

    Attributes:
        bars: Each token's life.
        gaps: When consumers had no good token.
        now: Where now is.
        following: Where the next mint is planned; None when that lies outside.
        ticks: The axis.
        words: The same for those who do not see it.
    """

    bars: tuple[Bar, ...]
    gaps: tuple[Bar, ...]
    now: float
    following: float | None
    ticks: tuple[Tick, ...]
    words: str


def timeline(one: CredentialStatus, lives: Iterable[Interval], started: float, now: Moment) -> Timeline:
    """The timeline of one credential.

    Args:
        one: How it is.
        lives: Of its last tokens, from memory.
        started: When this process started, for nothing is known of the time before.
        now: When `one` was so.
    """
    known = _merged([*lives, *_held(one)])
    life = max((ends - began for began, ends in known[-2:]), default=USUAL_LIFE)
    step = next((step for step in STEPS if step * AHEAD >= life), STEPS[-1])
    axis = _Axis(now.elapsed - BEHIND * step, now.elapsed + AHEAD * step)
    gaps = _gaps(one, known, started, now.elapsed)
    following = max(one.next_mint.at, now.elapsed)
    return Timeline(
        bars=tuple(
            axis.bar(life, lane, live=life[1] > now.elapsed)
            for life, lane in zip(known, _lanes(known), strict=True)
            if axis.shows(life)
        ),
        gaps=tuple(axis.bar(gap, 0, live=gap[1] >= now.elapsed) for gap in gaps if axis.shows(gap)),
        now=axis.at(now.elapsed),
        following=axis.at(following) if following <= axis.ends else None,
        ticks=tuple(_tick(axis, now, place * step) for place in range(-BEHIND, AHEAD + 1)),
        words=_words(one, known, gaps, now),
    )


def _held(one: CredentialStatus) -> list[Interval]:
    """Lives that sinks and hand tell of, whether or not memory does."""
    tokens = [one.token, *(sink.token for sink in one.sinks)]
    return [(token.issued.elapsed, token.expires) for token in tokens if token is not None]


def _merged(lives: Sequence[Interval]) -> list[Interval]:
    """Each life once, in the order in which they ended."""
    merged: list[Interval] = []
    for began, ends in sorted(lives, key=lambda life: (life[1], life[0])):
        if not merged or ends - merged[-1][1] >= SAME or abs(began - merged[-1][0]) >= SAME:
            merged.append((began, ends))
    return merged


def _lanes(lives: Sequence[Interval]) -> list[int]:
    """A lane for each life: the first one that is free, or else the one that is free the soonest."""
    free = [NEVER] * LANES
    lanes = []
    for began, ends in lives:
        lane = next((lane for lane in range(LANES) if free[lane] <= began), free.index(min(free)))
        free[lane] = ends
        lanes.append(lane)
    return lanes


def _gaps(one: CredentialStatus, lives: Sequence[Interval], started: float, now: float) -> list[Interval]:
    """When consumers had no good token, up to now, as far as is known."""
    found = _between(lives, now)
    if one.state is State.EXPIRED:
        # A token in hand serves nobody: what counts is what the sinks hold.
        found.append((one.served_until if one.served_until > NEVER else started, now))
    return _joined(found)


def _between(lives: Sequence[Interval], now: float) -> list[Interval]:
    """The times before `now` that lie in no life, from the first one on."""
    found = []
    covered = min((began for began, _ in lives), default=now)
    for began, ends in [*sorted(lives), (now, now)]:
        if covered < min(began, now):
            found.append((covered, min(began, now)))
        covered = max(covered, ends)
    return found


def _joined(intervals: Sequence[Interval]) -> list[Interval]:
    """The same times in as few intervals as there can be."""
    joined: list[Interval] = []
    for began, ends in sorted(intervals):
        if joined and began <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(ends, joined[-1][1]))
        else:
            joined.append((began, ends))
    return joined


def _tick(axis: _Axis, now: Moment, apart: float) -> Tick:
    sign = MINUS if apart < 0 else "+"
    found = instant(now.elapsed + apart, now)
    return Tick(
        axis.at(now.elapsed + apart),
        "now" if apart == 0 else f"{sign}{span(abs(apart))}",
        "" if found is None else found.text.removesuffix(" UTC"),
    )


def _words(one: CredentialStatus, lives: Sequence[Interval], gaps: Sequence[Interval], now: Moment) -> str:
    count = f"{len(lives)} tokens known" if len(lives) != 1 else "1 token known"
    parts = [f"Validity of {one.name}: {count}."]
    if lives:
        ends = instant(lives[-1][1], now)
        date = "never" if ends is None else f"{ends.text}, {ends.relative}"
        parts.append(f"The last one {'ended' if lives[-1][1] <= now.elapsed else 'ends'} {date}.")
    overlaps = [before[1] - after[0] for before, after in pairwise(lives) if before[1] > after[0]]
    if overlaps:
        parts.append(f"Tokens overlap by {span(min(overlaps))} at least.")
    parts += [f"Gap of {span(ends - began)}, begun {relative(began - now.elapsed)}." for began, ends in gaps]
    return " ".join(parts if gaps else [*parts, "No gap."])


@dataclass(frozen=True, slots=True)
class _Axis:
    """A stretch of the elapsed clock, laid over the drawing's width."""

    begins: float
    ends: float

    def at(self, elapsed: float) -> float:
        """Where an instant lies, cut to the drawing."""
        share = (elapsed - self.begins) / (self.ends - self.begins)
        return round(WIDTH * min(1.0, max(0.0, share)), 1)

    def shows(self, interval: Interval) -> bool:
        """Whether any of it lies within."""
        return interval[0] < self.ends and interval[1] > self.begins

    def bar(self, interval: Interval, lane: int, *, live: bool) -> Bar:
        """A stretch; not thinner than can be seen."""
        x = self.at(interval[0])
        return Bar(x, max(0.8, round(self.at(interval[1]) - x, 1)), lane, live)
