"""What happened in a simulation, kept so tightly that thirty days of a thousand credentials fit into memory."""

from __future__ import annotations

from array import array
from collections import defaultdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Interval = tuple[float, float]
"""A start and an end, seconds from the start of the simulation."""


def joined(intervals: Iterable[Interval]) -> list[Interval]:
    """The intervals in order, those that touch made one."""
    whole: list[Interval] = []
    for start, end in sorted(intervals):
        if whole and start <= whole[-1][1]:
            whole[-1] = (whole[-1][0], max(end, whole[-1][1]))
        else:
            whole.append((start, end))
    return whole


class Timeline:
    """What one sink held, and from when.

    Attributes:
        at: When each token came.
        expires: When it truly ends, whatever its dates say.
        writes: How often the sink was written.
    """

    def __init__(self) -> None:
        self.at = array("d")
        self.expires = array("d")
        self.writes = 0

    def hold(self, at: float, expires: float) -> None:
        """Another token from now on; one that is over at once when the sink was emptied."""
        self.at.append(at)
        self.expires.append(expires)

    def gaps(self, end: float, interval: float = 0.0) -> list[Interval]:
        """When a reader holds an expired token, or none, from the first token until `end`.

        Args:
            end: The end of the simulation.
            interval: Seconds between two looks of the reader, who is taken to be as unlucky as can be: he has looked
                just before each token came.
        """
        late = ((expires, min(until + interval, end)) for _, expires, until in self._held(end))
        return joined((start, until) for start, until in late if until > start)

    def _held(self, end: float) -> Iterator[tuple[float, float, float]]:
        for number, at in enumerate(self.at):
            until = self.at[number + 1] if number + 1 < len(self.at) else end
            yield at, max(self.expires[number], at), until


class Requests:
    """The token requests that one provider received.

    Attributes:
        at: When each came.
        by: Whose it was: the number of the credential.
        granted: Whether it was answered with a token: 1 or 0.
        most_in_flight: How many were under way at once, at most.
    """

    def __init__(self) -> None:
        self.at = array("d")
        self.by = array("l")
        self.granted = array("b")
        self.most_in_flight = 0

    def peak(self, start: float = 0.0, end: float = float("inf")) -> int:
        """The most requests that came within any one second between two instants."""
        most = first = 0
        for number, at in enumerate(self.at):
            while self.at[first] <= at - 1.0 or self.at[first] < start:
                first += 1
                if first > number:
                    break
            if start <= at < end:
                most = max(most, number - first + 1)
        return most

    def count(self, start: float = 0.0, end: float = float("inf")) -> int:
        """How many came between two instants."""
        return sum(start <= at < end for at in self.at)


class History:
    """All that happened.

    Attributes:
        requests: Per provider.
        timelines: Per sink.
        events: How often each log event was told.
        vault_away: When Vault could not be used: its spells, up to the moment at which rotator saw the end.
        problems: What no history may hold, found while it was written.
    """

    def __init__(self) -> None:
        self.requests: dict[str, Requests] = defaultdict(Requests)
        self.timelines: dict[str, Timeline] = defaultdict(Timeline)
        self.events: dict[str, int] = defaultdict(int)
        self.vault_away: list[Interval] = []
        self.problems: list[str] = []

    def event(self, name: str, /, **_: object) -> None:
        """Count one log event; see `rotator.core.ports.Journal`."""
        self.events[name] += 1
