"""Whose pass comes next, when more wait than may run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rotator.engine.line import Line
from rotator.engine.ranks import Ranks

if TYPE_CHECKING:
    from collections.abc import Callable

    from rotator.engine.line import Need

JUDGED = 16
"""Credentials of which, for one turn, it is asked whether they would but look: 40 µs for each."""


class Turns:
    """The queue of passes.

    Those who would but look give way to those who have something to mint or to deliver, however long these are served:
    otherwise the many credentials of a provider that is away, none of them served, would hold up all others. Which they
    are is asked late, of few at a time, and only while others wait: a hundred thousand may queue up at once.

    Args:
        only_looks: Whether a pass of this credential would but look.
    """

    def __init__(self, only_looks: Callable[[str], bool]) -> None:
        self._only_looks = only_looks
        self._line = Line()
        self._lookers: dict[str, Need] = {}
        self._lookers_by_end = Ranks()
        self._lookers_by_urgency = Ranks()

    def __len__(self) -> int:
        return len(self._line) + len(self._lookers)

    def __contains__(self, name: object) -> bool:
        return name in self._line or name in self._lookers

    def join(self, name: str, need: Need) -> None:
        """Queue up; whoever waits but to look is asked again whether that is so."""
        self._drop_looker(name)
        self._line.join(name, need)

    def leave(self, name: str) -> None:
        """Wait no longer; it need not have waited."""
        self._line.leave(name)
        self._drop_looker(name)

    def take(self, now: float) -> str:
        """Take out whose turn it is, `now` being on the elapsed clock.

        Raises:
            LookupError: Nobody waits.
        """
        self._wake_lookers(now)
        for _ in range(JUDGED):
            if not self._line:
                break
            name, need = self._line.take(now)
            if not self or not self._only_looks(name):
                return name
            self._put_off(name, need, now)
        _, name = self._lookers_by_end.take()
        self._drop_looker(name)
        return name

    def _put_off(self, name: str, need: Need, now: float) -> None:
        self._lookers[name] = need
        self._lookers_by_end.put(name, need.until)
        if need.urgent_from > now:
            self._lookers_by_urgency.put(name, need.urgent_from)

    def _drop_looker(self, name: str) -> None:
        if self._lookers.pop(name, None) is not None:
            self._lookers_by_end.drop(name)
            self._lookers_by_urgency.drop(name)

    def _wake_lookers(self, now: float) -> None:
        """Whose token has come near its end while it waited to look has more to do than that."""
        while (first := self._lookers_by_urgency.first()) is not None and first[0] <= now:
            _, name = first
            self.join(name, self._lookers[name])
