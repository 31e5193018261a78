"""Who is next of those that need a token: see docs/adr/0021-an-engine-for-a-hundred-thousand.md.

First who nears the end of what its consumers have, then who has nothing for them, then who has enough for now; in each
of these the least remaining life first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from rotator.core import policy
from rotator.core.observation import NEVER
from rotator.engine.ranks import Ranks

if TYPE_CHECKING:
    from rotator.core.observation import Observation

NEAR = 0.25
"""Share of a token's life that is left when its end is near: half of what is left when it is due for renewal."""


class Need(NamedTuple):
    """For how long the consumers of a credential are served. Both are on the elapsed clock.

    Attributes:
        until: When what they have ends; NEVER when they never had anything.
        urgent_from: From when on that is near.
    """

    until: float
    urgent_from: float


def need_of(seen: Observation) -> Need:
    """The need of a credential, by what is known of it."""
    longest = max(policy.tokens(seen), key=lambda token: token.expires, default=None)
    if longest is None:
        return Need(NEVER, NEVER)
    return Need(longest.expires, longest.expires - NEAR * longest.lifetime)


class Line:
    """Those who wait."""

    __slots__ = ("_needs", "_served", "_unserved")

    def __init__(self) -> None:
        self._needs: dict[str, Need] = {}
        self._served = Ranks()
        self._unserved = Ranks()

    def __len__(self) -> int:
        return len(self._needs)

    def __contains__(self, name: object) -> bool:
        return name in self._needs

    def join(self, name: str, need: Need) -> None:
        """Queue up; once is enough."""
        if name not in self._needs:
            self._needs[name] = need
            (self._unserved if need.until == NEVER else self._served).put(name, need.until)

    def leave(self, name: str) -> None:
        """Wait no longer; it need not have waited."""
        if self._needs.pop(name, None) is not None:
            self._served.drop(name)
            self._unserved.drop(name)

    def take(self, now: float) -> tuple[str, Need]:
        """Take out who is next, `now` being on the elapsed clock.

        Raises:
            LookupError: Nobody waits.
        """
        self._sort_out_the_expired(now)
        served, unserved = self._served.first(), self._unserved.first()
        if served is not None and (unserved is None or self._needs[served[1]].urgent_from <= now):
            _, name = self._served.take()
        else:
            _, name = self._unserved.take()
        return name, self._needs.pop(name)

    def _sort_out_the_expired(self, now: float) -> None:
        """Whose token has ended while it waited has nothing for its consumers any more."""
        while (first := self._served.first()) is not None and first[0] <= now:
            until, name = self._served.take()
            self._unserved.put(name, until)
