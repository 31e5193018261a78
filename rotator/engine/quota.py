"""How many tokens a provider has handed out of those that it grants in a span of time: some meter them.

In memory only: after a restart it counts anew.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from rotator.core.observation import NEVER

NEARLY = 0.8
"""Share of a quota from which it counts as nearly used up: what is left is for restarts and changed secrets."""

SLOTS = 1000
"""A span is counted in so many parts, so that a quota of a million takes no more memory than one of fifty."""


@dataclass(frozen=True, slots=True)
class Quota:
    """What a provider grants.

    Attributes:
        count: Tokens, at least 1.
        span: Seconds within which it grants them, more than 0; whichever these are.
    """

    count: int
    span: float


class Tally:
    """The tokens of one provider within the span that ends now. All times are on the elapsed clock."""

    def __init__(self, quota: Quota) -> None:
        self.quota = quota
        self._slots: dict[int, int] = {}
        self._told_at = NEVER

    def add(self, now: float) -> bool:
        """Count a token. True when that leaves the quota nearly used up and nobody was told so for a span."""
        number = self._slot(now)
        if number not in self._slots:
            oldest = self._slot(now - self.quota.span)
            self._slots = {slot: count for slot, count in self._slots.items() if slot >= oldest} | {number: 0}
        self._slots[number] += 1
        told = now - self._told_at < self.quota.span
        if told or self.used(now) < NEARLY * self.quota.count:
            return False
        self._told_at = now
        return True

    def used(self, now: float) -> int:
        """How many tokens the span that ends now has seen; each counts for a thousandth of it too long at most."""
        oldest = self._slot(now - self.quota.span)
        return sum(count for slot, count in self._slots.items() if slot >= oldest)

    def _slot(self, at: float) -> int:
        return math.floor(at / self.quota.span * SLOTS)
