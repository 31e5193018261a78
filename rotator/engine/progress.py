"""Whether the engine makes progress: what liveness is told from, whoever asks (systemd, a probe, a person).

Nothing here depends on a provider, on Vault or on a disk: they may be away for as long as they like. What waits for
them has a deadline; what has gone on for longer than that waits for nobody.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rotator.engine.sentinel import HELD_UP, TICK

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rotator.core.ports import Clock
    from rotator.engine.dispatcher import Dispatcher
    from rotator.engine.sentinel import Sentinel

STALLED = 20.0
"""Seconds without progress that make a fault of what shows some each second, or has nothing to do."""

LOOKS_STALLED = 25.0
"""Seconds in which no pass has begun or ended: sinks may take 10 s to be read and 10 s to be written, each in turn."""

LONGEST_REQUEST = 25.0
"""Seconds for one token request; providers.NAME.timeout is 10 at most."""

LONGEST_PASS = 120.0
"""Seconds for which one pass may last: some times what the deadlines of a source, a mint and a sink add up to."""

USUAL_TIMEOUT = 5.0
"""Seconds for one request to Vault, for which the bounds on passes are made; where it may take longer, so may they."""


class Progress:
    """Looks at the engine.

    Args:
        clock: Time.
        monotonic: The event loop's clock, which goes on when the other one stops, and stands still during suspend.
        sentinel: Ticks each second.
        dispatcher: Runs the passes.
        vault_timeout: Seconds that one request to Vault may take, as the configuration in force has it.
    """

    def __init__(
        self,
        clock: Clock,
        monotonic: Callable[[], float],
        sentinel: Sentinel,
        dispatcher: Dispatcher,
        vault_timeout: Callable[[], float] = lambda: USUAL_TIMEOUT,
    ) -> None:
        self._clock = clock
        self._monotonic = monotonic
        self._sentinel = sentinel
        self._dispatcher = dispatcher
        self._vault_timeout = vault_timeout
        self._doubted = (sentinel.ticked_at, sentinel.ticked_at)

    def faults(self) -> list[str]:
        """What has stopped, a sentence each; empty while everything goes on."""
        now = self._clock.now().elapsed
        if now - self._sentinel.ticked_at <= TICK + HELD_UP:
            return [*self._clocks(), *self._passes(now)]
        # The machine has just slept, and what is overdue has had no time to be done. If it is the loop that sleeps, or
        # its clock that has stopped, no tick will come to end this doubt.
        ticked, since = self._doubted
        if ticked != self._sentinel.ticked_at:
            since = now
            self._doubted = (self._sentinel.ticked_at, now)
        known = list(self._clocks())
        if not known and now - since > STALLED:
            return [f"the event loop has not woken up for {now - self._sentinel.ticked_at:.0f} s"]
        return known

    def _clocks(self) -> Iterator[str]:
        """By the loop's clock, which the sentinel's own waits go by."""
        awake = self._monotonic()
        if awake - self._sentinel.awake_at > STALLED:
            unwatched = awake - self._sentinel.awake_at
            yield f"the clocks and the schedule have not been looked after for {unwatched:.0f} s"
            return
        if awake - self._sentinel.advanced_at > STALLED:
            yield f"the elapsed clock has stood still for {awake - self._sentinel.advanced_at:.0f} s"
        if awake - self._sentinel.turned_at > STALLED:
            yield f"the wall clock has stood still for {awake - self._sentinel.turned_at:.0f} s"

    def _passes(self, now: float) -> Iterator[str]:
        slower = max(1.0, self._vault_timeout() / USUAL_TIMEOUT)
        still = now - self._dispatcher.moved_at
        if still > LOOKS_STALLED * slower and self._dispatcher.is_looking():
            yield f"credentials wait, and no pass has begun or ended for {still:.0f} s"
        for provider, due in self._dispatcher.gates_due():
            if now - due > STALLED:
                yield f"the gate of provider {provider} should have been looked at {now - due:.0f} s ago"
        for provider, sent in self._dispatcher.oldest_requests():
            if now - sent > LONGEST_REQUEST:
                yield f"a token request to provider {provider} has not ended for {now - sent:.0f} s"
        name, began = self._dispatcher.longest_pass()
        if now - began > LONGEST_PASS * slower:
            yield f"the pass of credential {name} has not ended for {now - began:.0f} s"
