"""Whether the engine makes progress: what liveness is told from, whoever asks (systemd, a probe, a person).

Nothing here depends on a provider, on Vault or on a disk: they may be away for as long as they like.
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
"""Seconds without progress that make a fault; every part of the engine shows some each second, or has nothing to do."""

LONGEST_PASS = 120.0
"""Seconds for which one pass may last: some times what the deadlines of a source, a mint and a sink add up to."""


class Progress:
    """Looks at the engine.

    Args:
        clock: Time.
        monotonic: The event loop's clock, which goes on when the other one stops, and stands still during suspend.
        sentinel: Ticks each second.
        dispatcher: Runs the passes.
        patience: Seconds without progress that make a fault.
    """

    def __init__(
        self,
        clock: Clock,
        monotonic: Callable[[], float],
        sentinel: Sentinel,
        dispatcher: Dispatcher,
        patience: float = STALLED,
    ) -> None:
        self._clock = clock
        self._monotonic = monotonic
        self._sentinel = sentinel
        self._dispatcher = dispatcher
        self._patience = patience

    def faults(self) -> list[str]:
        """What has stopped, a sentence each; empty while everything goes on."""
        return list(self._found())

    def _found(self) -> Iterator[str]:
        awake, now = self._monotonic(), self._clock.now().elapsed
        unwatched, stood = awake - self._sentinel.awake_at, awake - self._sentinel.advanced_at
        if unwatched > self._patience:
            yield f"the clocks and the schedule have not been looked after for {unwatched:.0f} s"
        elif stood > self._patience:
            yield f"the elapsed clock has stood still for {stood:.0f} s"
        if now - self._sentinel.ticked_at > TICK + HELD_UP:
            return  # the machine has just slept: what is overdue by then has had no time to be done
        still = now - self._dispatcher.moved_at
        if still > self._patience and self._dispatcher.is_queued():
            yield f"credentials wait, and no pass has begun or ended for {still:.0f} s"
        for provider, at in self._dispatcher.overdue_gates().items():
            if now - at > self._patience:
                yield f"the gate of provider {provider} should have opened {now - at:.0f} s ago"
        name, began = self._dispatcher.longest_pass()
        if now - began > LONGEST_PASS:
            yield f"the pass of credential {name} has not ended for {now - began:.0f} s"
