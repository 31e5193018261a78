"""Who is next of those that need a token: see docs/adr/0021-an-engine-for-a-hundred-thousand.md.

Least remaining life first, from those whose token expired the longest ago on; and whoever never had a token, and so has
no consumers that worked until now, comes after those whose token has ended or nears its end, before all others.
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

    __slots__ = ("_had", "_needs", "_new")

    def __init__(self) -> None:
        self._needs: dict[str, Need] = {}
        self._had = Ranks()
        self._new = Ranks()

    def __len__(self) -> int:
        return len(self._needs)

    def __contains__(self, name: object) -> bool:
        return name in self._needs

    def join(self, name: str, need: Need) -> None:
        """Queue up; once is enough."""
        if name not in self._needs:
            self._needs[name] = need
            (self._new if need.until == NEVER else self._had).put(name, need.until)

    def leave(self, name: str) -> None:
        """Wait no longer; it need not have waited."""
        if self._needs.pop(name, None) is not None:
            self._had.drop(name)
            self._new.drop(name)

    def take(self, now: float) -> tuple[str, Need]:
        """Take out who is next, `now` being on the elapsed clock.

        Raises:
            LookupError: Nobody waits.
        """
        first, newcomer = self._had.first(), self._new.first()
        if first is not None and (newcomer is None or self._needs[first[1]].urgent_from <= now):
            _, name = self._had.take()
        else:
            _, name = self._new.take()
        return name, self._needs.pop(name)
