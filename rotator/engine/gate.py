"""How many token requests one provider gets, and who goes first.

A gate does no I/O and reads no clock: the dispatcher tells it the time. It lets those through that wait in its line,
one by one, within three limits: the configured rate, the requests in flight, and the provider's own
Retry-After. While requests fail in a row the provider is in an outage: the gate lowers the rate, down to one probe
every 5 s and never to none, and the first answer opens it again.
"""

from __future__ import annotations

import math
from collections import deque
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rotator.core.observation import NEVER, Surroundings
from rotator.engine.line import Line
from rotator.engine.quota import Quota, Tally

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rotator.core.errors import RotationError
    from rotator.engine.line import Need

OUTAGE_AFTER = 30
"""Failures in a row that make an outage. At four independent errors in five, 1 run in 808 is as long: see SLOWED."""

SLOWED, SLOWEST = 0.05, 5.0
"""Seconds between requests in an outage: doubles with each failure from the first, up to the last.

So the seven failures after `OUTAGE_AFTER` cost little, and a run that long under independent errors soon ends.
"""

RATE_MARGIN = 1.05
"""The window of the rate is a little longer than configured: requests bunch on their way to the provider."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one provider may be asked.

    Attributes:
        count: Token requests per `period`, at least 1.
        period: Seconds, more than 0.
        max_in_flight: Requests that may be under way at once, at least 1.
        quota: Tokens that it grants in a longer span: counted and told of, but never waited for. None for none.
    """

    count: int = 20
    period: float = 1.0
    max_in_flight: int = 8
    quota: Quota | None = None


class Gate:
    """The gate before one provider's token endpoint. All times are on the elapsed clock."""

    def __init__(self, provider: str, limits: Limits) -> None:
        self.provider = provider
        self.recovered_at = NEVER
        self._limits = limits
        self._line = Line()
        self._sent: deque[float] = deque(maxlen=limits.count)
        self._in_flight = 0
        self._failed_in_a_row = 0
        self._opens_at = NEVER
        self._under_way: dict[int, float] = {}
        self._requests = 0
        self._tally = None if limits.quota is None else Tally(limits.quota)

    @property
    def in_outage(self) -> bool:
        """Whether the provider has failed so often in a row that its rate is lowered."""
        return self._failed_in_a_row >= OUTAGE_AFTER

    @property
    def waiting(self) -> int:
        """How many credentials wait here."""
        return len(self._line)

    @property
    def in_flight(self) -> int:
        """How many have been let through and are not done."""
        return self._in_flight

    @property
    def oldest_request(self) -> float:
        """When the oldest token request that is under way was sent; infinity when there is none."""
        return min(self._under_way.values(), default=math.inf)

    @property
    def opens_at(self) -> float:
        """Before this the provider has asked for no requests (Retry-After); NEVER when it did not ask."""
        return self._opens_at

    def around(self, *, may_mint: bool, store_recovered_at: float) -> Surroundings:
        """What a pass may know of the provider."""
        return Surroundings(
            provider_opens_at=self._opens_at,
            provider_recovered_at=self.recovered_at,
            store_recovered_at=store_recovered_at,
            may_mint=may_mint,
        )

    def join(self, name: str, need: Need) -> None:
        """Queue up a credential that wants to mint; once is enough."""
        self._line.join(name, need)

    def leave(self, name: str) -> None:
        """Take a credential out of the queue; it need not be in it."""
        self._line.leave(name)

    def has(self, name: str) -> bool:
        """Whether a credential waits here."""
        return name in self._line

    def next_at(self) -> float | None:
        """When the first in the queue may pass; None when nobody waits or nothing more may be in flight."""
        if not self._line or self._in_flight >= self._limits.max_in_flight:
            return None
        last = self._sent[-1] if self._sent else NEVER
        full = len(self._sent) == self._limits.count
        by_rate = self._sent[0] + self._limits.period * RATE_MARGIN if full else NEVER
        return max(self._opens_at, last + self._slowed_by(), by_rate)

    def admit(self, now: float) -> str:
        """Let the first in the queue pass; only when `next_at` has come. `passed` must follow."""
        name, _ = self._line.take(now)
        self._sent.append(now)
        self._in_flight += 1
        return name

    def passed(self) -> None:
        """One that was admitted has finished, whether it asked the provider or not."""
        self._in_flight -= 1

    @contextmanager
    def asking(self, now: float) -> Iterator[None]:
        """A token request is under way while the block lasts."""
        self._requests += 1
        number = self._requests
        self._under_way[number] = now
        try:
            yield
        finally:
            del self._under_way[number]

    def slept(self, seconds: float) -> None:
        """The machine has slept for so long, which no request has taken."""
        self._under_way = {number: began + seconds for number, began in self._under_way.items()}

    def answered(self, now: float) -> bool:
        """The provider has given an answer, be it a refusal. True when that ends an outage."""
        recovered = self.in_outage
        self._failed_in_a_row = 0
        if recovered:
            self.recovered_at = now
        return recovered

    def minted(self, now: float) -> bool:
        """A token has been handed out. True when somebody is to be told that the quota is nearly used up."""
        return self._tally is not None and self._tally.add(now)

    def spent(self, now: float) -> tuple[Quota, int] | None:
        """The quota, and how many tokens the span that ends now has seen; None where there is no quota."""
        return None if self._tally is None else (self._tally.quota, self._tally.used(now))

    def inherit(self, before: Gate) -> None:
        """Take over what another gate before the same provider has counted: the configuration was changed."""
        if before._tally is not None and before._limits.quota == self._limits.quota:
            self._tally = before._tally

    def failed(self, error: RotationError, now: float) -> bool:
        """A request has failed. True when the provider has answered all the same and that ends an outage."""
        if error.retry_after is not None:
            self._opens_at = max(self._opens_at, now + error.retry_after)
        if not error.code.retryable:
            return self.answered(now)
        self._failed_in_a_row += 1
        return False

    def _slowed_by(self) -> float:
        if not self.in_outage:
            return 0.0
        return min(SLOWEST, SLOWED * 2.0 ** min(self._failed_in_a_row - OUTAGE_AFTER, 16))
