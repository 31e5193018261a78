"""What lets credentials through the gate of one provider as it opens."""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING

from rotator.core.observation import NEVER

if TYPE_CHECKING:
    from collections.abc import Callable

    from rotator.core.ports import Clock
    from rotator.engine.gate import Gate

FIRST_LOOKS_WAIT = 1.0
"""Seconds for which a gate stays shut while credentials behind it have not been looked at (R03).

Until then it is not known who needs a token most.
"""


class Pump:
    """Watches one gate.

    Args:
        gate: The gate.
        clock: Time.
        admit: Told who is let through.
        ended: Told when its task has ended, unless it was dismissed: cancelled, or with an error (R06).

    Attributes:
        gate: The gate.
        due: When it is to look at its gate next, on the elapsed clock; infinity while nothing asks for it.
        behind: How many credentials stand behind the gate.
    """

    def __init__(
        self,
        gate: Gate,
        clock: Clock,
        admit: Callable[[str], None],
        ended: Callable[[asyncio.Task[None]], object],
    ) -> None:
        self.gate = gate
        self.due = clock.now().elapsed
        self.behind = 0
        self._clock = clock
        self._admit = admit
        self._ended = ended
        self._wake = asyncio.Event()
        self._unknown = 0
        self._shut_until = NEVER
        self._task = asyncio.create_task(self._run(), name=f"gate {gate.provider}")
        self._task.add_done_callback(ended)

    def add(self, now: float) -> None:
        """One more credential stands behind the gate; nothing is known of it yet."""
        self.behind += 1
        self._unknown += 1
        self._shut_until = now + FIRST_LOOKS_WAIT

    def looked(self) -> None:
        """One that stands behind the gate has been through its first pass, or will never be."""
        self._unknown -= 1

    def stir(self, now: float) -> None:
        """Have it look at its gate: there is more to let through, or more room."""
        self.due = min(self.due, now)
        self._wake.set()

    def slept(self, seconds: float) -> None:
        """The machine has slept for so long, in which nobody could look at the gate."""
        self.due += seconds
        self.gate.slept(seconds)

    def dismiss(self) -> asyncio.Task[None]:
        """End on purpose: nobody is to be told of that. The task, which has yet to end."""
        self._task.remove_done_callback(self._ended)
        self._task.cancel()
        return self._task

    async def _run(self) -> None:
        while True:
            at = self.gate.next_at()
            now = self._clock.now().elapsed
            if at is not None and self._unknown > 0:
                at = max(at, self._shut_until)
            if at is not None and at <= now:
                self._admit(self.gate.admit(now))
                continue
            self._wake.clear()
            self.due = math.inf if at is None else at
            try:
                await asyncio.wait_for(self._wake.wait(), None if at is None else at - now)
            except TimeoutError:
                continue
