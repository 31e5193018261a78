"""What a stub has seen since it was last told to begin anew: requests, late renewals, and tokens that ran out.

Credentials are told apart by groups: what stands in their names before the first hyphen.
"""

from __future__ import annotations

from array import array
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


def group(name: str) -> str:
    """The group of a credential."""
    return name.partition("-")[0]


def percentile(ordered: Sequence[float], share: float) -> float:
    """The value that this share of them does not exceed; 0 when there are none."""
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


@dataclass
class Rates:
    """How often what was asked.

    Attributes:
        total: Requests, by kind.
        peak: Most requests that one second saw, by kind.
    """

    total: Counter[str] = field(default_factory=Counter)
    peak: Counter[str] = field(default_factory=Counter)
    _second: int = 0
    _in_second: Counter[str] = field(default_factory=Counter)

    def add(self, kind: str, now: float) -> None:
        """A request of this kind has come at this time, seconds."""
        if int(now) != self._second:
            self._second = int(now)
            self._in_second.clear()
        self.total[kind] += 1
        self._in_second[kind] += 1
        self.peak[kind] = max(self.peak[kind], self._in_second[kind])


@dataclass
class Punctuality:
    """How late the renewals of one group were, and what became of its tokens.

    Attributes:
        lateness: Of each renewal, seconds; negative for one that came early.
        gaps: For how long records had been expired when the next one was written, seconds.
    """

    lateness: array[float] = field(default_factory=lambda: array("d"))
    gaps: array[float] = field(default_factory=lambda: array("d"))

    def report(self) -> dict[str, Any]:
        """Its figures."""
        ordered = sorted(self.lateness)
        return {
            "renewals": len(ordered),
            "lateness": {
                "p50": percentile(ordered, 0.5),
                "p99": percentile(ordered, 0.99),
                "max": ordered[-1] if ordered else 0.0,
            },
            "expired": len(self.gaps),
            "longest_gap": max(self.gaps, default=0.0),
        }


class Counts:
    """All that was seen since `began`.

    Args:
        began: When it begins, seconds on the elapsed clock.
    """

    def __init__(self, began: float) -> None:
        self.began = began
        self.rates = Rates()
        self._groups: dict[str, Punctuality] = defaultdict(Punctuality)

    def renewed(self, name: str, lateness: float) -> None:
        """The successor of a token was asked for so many seconds after it was due."""
        self._groups[group(name)].lateness.append(lateness)

    def replaced(self, name: str, ends: float, now: float) -> None:
        """A record that ends at `ends` was written over; both on the wall clock, seconds."""
        if ends < now:
            self._groups[group(name)].gaps.append(now - ends)

    def report(self, now: float, ends: Iterable[tuple[str, float]], wall: float) -> dict[str, Any]:
        """Everything as JSON.

        Args:
            now: On the elapsed clock, seconds.
            ends: Each record's credential, and when it ends.
            wall: On the wall clock, seconds.
        """
        held, over = Counter[str](), Counter[str]()
        for name, end in ends:
            held[group(name)] += 1
            over[group(name)] += end < wall
        groups = {name: one.report() for name, one in self._groups.items()}
        for name in held:
            one = groups.setdefault(name, Punctuality().report())
            one |= {"records": held[name], "expired_now": over[name]}
        kinds = self.rates.total
        requests = {kind: {"count": kinds[kind], "peak_per_second": self.rates.peak[kind]} for kind in kinds}
        return {"seconds": now - self.began, "requests": requests, "groups": groups}
