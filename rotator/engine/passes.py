"""The passes that are under way, one for a credential at most."""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rotator.core.errors import whence
from rotator.core.observation import NEVER
from rotator.core.policy import Reason, Wait

if TYPE_CHECKING:
    from collections.abc import Callable

    from rotator.core.observation import Surroundings
    from rotator.core.ports import Clock, Journal
    from rotator.core.rotation import Rotation
    from rotator.engine.gate import Gate
    from rotator.engine.pump import Pump

BROKEN_PAUSE = 30.0
"""Seconds until a credential whose pass broke in an unforeseen way is tried again."""


@dataclass(slots=True)
class Entry:
    """One credential in the dispatcher's book.

    Attributes:
        rotation: Runs its passes.
        pump: Lets it through its provider's gate.
        task: The pass that is under way.
        again: Whether it was asked for another pass during that.
        admitted: Whether its gate has let it through during that.
        planned: For when the next pass was planned, on the elapsed clock; None when it was not.
        began: When the last pass began, on the elapsed clock.
        passes: How many have ended.
        rounds: How many of those have ended in waiting for nothing but time.
    """

    rotation: Rotation
    pump: Pump
    task: asyncio.Task[Wait] | None = None
    again: bool = False
    admitted: bool = False
    planned: float | None = None
    began: float = NEVER
    passes: int = 0
    rounds: int = 0

    @property
    def name(self) -> str:
        """Of the credential."""
        return self.rotation.spec.name

    @property
    def gate(self) -> Gate:
        """Of its provider."""
        return self.pump.gate


class Passes:
    """Starts passes and knows of them until they end.

    Args:
        clock: Time.
        journal: Told when a pass itself breaks.
        late: Told by how many seconds a pass begins later than it was planned.
        ended: Told that a pass has ended, whether it had leave to mint, and what it waits for; None if it was cut off.

    Attributes:
        looking: How many without leave to mint are under way.
        moved_at: When one of those last began or ended, on the elapsed clock.
        broken: The credentials whose passes break in a way that nobody foresaw, and since when, on the elapsed clock.
    """

    def __init__(
        self,
        clock: Clock,
        journal: Journal,
        late: Callable[[float], None],
        ended: Callable[[Entry, bool, Wait | None], None],
    ) -> None:
        self.looking = 0
        self.moved_at = clock.elapsed()
        self.broken: dict[str, float] = {}
        self._clock = clock
        self._journal = journal
        self._late = late
        self._ended = ended
        self._under_way: dict[str, Entry] = {}

    def __len__(self) -> int:
        return len(self._under_way)

    def __contains__(self, name: object) -> bool:
        return name in self._under_way

    def start(self, entry: Entry, around: Surroundings) -> None:
        """Run a pass of a credential that is in none."""
        entry.began = self._clock.elapsed()
        if not around.may_mint:
            self.looking += 1
            self.moved_at = entry.began
        if entry.planned is not None:
            self._late(max(0.0, entry.began - entry.planned))
            entry.planned = None
        self._under_way[entry.name] = entry
        entry.task = asyncio.create_task(self._run(entry, around), name=f"pass {entry.name}")
        entry.task.add_done_callback(lambda task: self._end(entry, around, task))

    def longest(self) -> tuple[str, float]:
        """The credential whose pass is the oldest, and when it began; infinity when there is none."""
        passes = ((entry.began, name) for name, entry in self._under_way.items())
        began, name = min(passes, default=(math.inf, ""))
        return name, began

    def slept(self, seconds: float) -> None:
        """The machine has slept for so long, which no pass has taken."""
        self.moved_at += seconds
        for entry in self._under_way.values():
            entry.began += seconds

    async def drain(self, grace: float) -> bool:
        """Let them end.

        Returns:
            Whether all did within `grace` seconds; what did not has been cancelled.
        """
        tasks = [entry.task for entry in self._under_way.values() if entry.task is not None]
        if not tasks:
            return True
        _, late = await asyncio.wait(tasks, timeout=grace)
        for task in late:
            task.cancel()
        if late:
            await asyncio.wait(late, timeout=1.0)
        return not late

    async def _run(self, entry: Entry, around: Surroundings) -> Wait:
        try:
            wait = await entry.rotation.run(around)
        except Exception as error:  # noqa: BLE001  one broken credential must not end the others
            self._journal.event("credential.broken", credential=entry.name, error="internal", detail=whence(error))
            now = self._clock.elapsed()
            self.broken.setdefault(entry.name, now)
            return Wait(now + BROKEN_PAUSE, Reason.BACKING_OFF)
        self.broken.pop(entry.name, None)
        return wait

    def _end(self, entry: Entry, around: Surroundings, task: asyncio.Task[Wait]) -> None:
        # Not in the pass itself: whoever looks must see it run, or see it followed.
        entry.task = None
        entry.passes += 1
        del self._under_way[entry.name]
        if not around.may_mint:
            self.looking -= 1
            self.moved_at = self._clock.elapsed()
        self._ended(entry, around.may_mint, None if task.cancelled() else task.result())
