"""Names in the order of a number that each of them has: what the schedule's dates and the queues are kept in."""

from __future__ import annotations

import heapq

SPARE = 64
"""So many dead entries are never worth the clearing away."""


class Ranks:
    """Names, each with one rank; the lowest first, and of equal ones who came first.

    Whatever is asked or done takes about as long among a hundred thousand as among ten. A name that gets another rank,
    or leaves, stays in the heap as a dead entry until that comes up or until the dead outnumber the living.
    """

    __slots__ = ("_count", "_heap", "_living")

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, str]] = []
        self._living: dict[str, tuple[float, int, str]] = {}
        self._count = 0

    def __len__(self) -> int:
        return len(self._living)

    def __contains__(self, name: object) -> bool:
        return name in self._living

    def put(self, name: str, rank: float) -> None:
        """Give `name` this rank, instead of the one that it had."""
        self._count += 1
        self._living[name] = entry = (rank, self._count, name)
        heapq.heappush(self._heap, entry)
        self._clear_away()

    def drop(self, name: str) -> None:
        """Take `name` out; it need not be in."""
        if self._living.pop(name, None) is not None:
            self._clear_away()

    def first(self) -> tuple[float, str] | None:
        """The lowest rank and whose it is; None when there is nobody."""
        # Where many were ranked anew together: 100,000 dead took 196 ms one by one, a new heap takes 10 to 34 ms.
        for _ in range(len(self._living) // 16 + SPARE):
            if not self._heap:
                return None
            rank, _, name = entry = self._heap[0]
            if self._living.get(name) is entry:
                return rank, name
            heapq.heappop(self._heap)
        self._build()
        return self.first()

    def take(self) -> tuple[float, str]:
        """Take out the first.

        Raises:
            LookupError: There is nobody.
        """
        first = self.first()
        if first is None:
            raise LookupError("nobody has a rank")
        self.drop(first[1])
        return first

    def below(self, rank: float) -> list[str]:
        """Everybody with a lower rank than this, in no order: all are gone through, unless there is nobody."""
        first = self.first()
        if first is None or first[0] >= rank:
            return []
        return [name for name, entry in self._living.items() if entry[0] < rank]

    def _clear_away(self) -> None:
        if len(self._heap) > 2 * len(self._living) + SPARE:
            self._build()

    def _build(self) -> None:
        self._heap = list(self._living.values())
        heapq.heapify(self._heap)
