"""Who runs now: passes in the order of least remaining life, mints through the gate of their provider.

A credential is in at most one pass at a time. A pass that wants to mint ends, waits at its provider's gate without
holding anything, and is run again with leave to mint; so a hung provider keeps nobody else waiting, and a sink can be
served while a mint waits.
"""

from __future__ import annotations

import asyncio
import heapq
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

PASSES = 64
"""Passes without leave to mint that run at once; those with it are bounded by the gates."""

FIRST_LOOKS_WAIT = 1.0
"""Seconds for which a gate stays shut while credentials behind it have not been looked at (R03).

Until then it is not known who needs a token most.
"""

BROKEN_PAUSE = 30.0
"""Seconds until a credential whose pass broke in an unforeseen way is tried again."""


def _nobody(_: asyncio.Task[None]) -> None:
    """Nobody asks."""


@dataclass(slots=True)
class _Entry:
    """One credential in the dispatcher's book."""

    rotation: Rotation
    gate: Gate
    queued: bool = False
    task: asyncio.Task[Wait] | None = None
    again: bool = False
    admitted: bool = False
    planned: float | None = None
    began: float = NEVER
    passes: int = 0
    rounds: int = 0


@dataclass(slots=True)
class _Pump:
    """What lets credentials through one gate.

    Attributes:
        wake: Set when the gate may have to open.
        task: Does the work.
        due: When it is to look at its gate next, on the elapsed clock; infinity while nothing asks for it.
        unknown: Credentials behind the gate that have not been through a pass.
        shut_until: Until then it waits for those.
    """

    wake: asyncio.Event
    task: asyncio.Task[None]
    due: float
    unknown: int = 0
    shut_until: float = NEVER

    def stir(self, now: float) -> None:
        """Have it look at its gate: there is more to let through, or more room."""
        self.due = min(self.due, now)
        self.wake.set()


class Dispatcher:
    """Runs the passes of all credentials.

    Args:
        clock: Time.
        plan: Told when a credential is to be submitted again: name, and a reading of the elapsed clock.
        journal: Told when a pass itself breaks.
        ended: Told when a task has ended that should last as long as its gate: cancelled, or with an error (R06).
        late: Told by how many seconds a pass begins later than it was planned.

    Attributes:
        broken: The credentials whose passes break in a way that nobody foresaw, and since when, on the elapsed clock.
        moved_at: When a pass without leave to mint last began or ended, or such passes were last asked for while there
            were none, on the elapsed clock.
    """

    def __init__(
        self,
        clock: Clock,
        plan: Callable[[str, float], None],
        journal: Journal,
        ended: Callable[[asyncio.Task[None]], object] = _nobody,
        late: Callable[[float], None] = lambda _: None,
    ) -> None:
        self._clock = clock
        self._late = late
        self._ended_for_good = ended
        self._plan = plan
        self._journal = journal
        self._entries: dict[str, _Entry] = {}
        self._queue: list[tuple[bool, float, int, str]] = []
        self._order = 0
        self._running = 0
        self._pumps: dict[Gate, _Pump] = {}
        self._draining = False
        self._changed = asyncio.Event()
        self._store_recovered_at = NEVER
        self.broken: dict[str, float] = {}
        self.moved_at = clock.now().elapsed

    def add(self, rotation: Rotation, gate: Gate) -> None:
        """Take up a credential and look at it at once."""
        self._entries[rotation.spec.name] = _Entry(rotation, gate)
        if gate not in self._pumps:
            task = asyncio.create_task(self._pump(gate), name=f"gate {gate.provider}")
            task.add_done_callback(self._ended_for_good)
            self._pumps[gate] = _Pump(asyncio.Event(), task, self._clock.now().elapsed)
        pump = self._pumps[gate]
        pump.unknown += 1
        pump.shut_until = self._clock.now().elapsed + FIRST_LOOKS_WAIT
        self.submit(rotation.spec.name)

    async def remove(self, name: str) -> None:
        """Drop a credential, once its pass, if one is under way, has ended."""
        entry = self._entries.pop(name)
        entry.gate.leave(name)
        if entry.task is not None:
            await asyncio.wait([entry.task])
        pump = self._pumps[entry.gate]
        pump.unknown -= entry.passes == 0
        if all(other.gate is not entry.gate for other in self._entries.values()):
            del self._pumps[entry.gate]
            self._dismiss(pump)

    def rotations(self) -> list[Rotation]:
        """Every credential's rotation."""
        return [entry.rotation for entry in self._entries.values()]

    def submit(self, name: str, planned: float | None = None) -> None:
        """Run a pass for `name` as soon as its turn comes; safe at any time, also for a name that has gone.

        Args:
            name: The credential.
            planned: For when it was planned, on the elapsed clock; None for what was not.
        """
        entry = self._entries.get(name)
        if entry is None or self._draining:
            return
        entry.planned = planned if entry.planned is None else entry.planned
        if entry.task is not None:
            entry.again = True
        elif not entry.queued:
            entry.queued = True
            if not self._queue and not self._running:
                self.moved_at = self._clock.now().elapsed
            self._order += 1
            heapq.heappush(self._queue, (self._only_looks(name, entry), entry.rotation.served_until, self._order, name))
            self._start_passes()

    def submit_all(self) -> None:
        """Run a pass for everybody."""
        for name in list(self._entries):
            self.submit(name)

    def store_recovered(self) -> None:
        """Vault answers again: what failed for want of it is tried now."""
        self._store_recovered_at = self._clock.now().elapsed
        self.submit_all()

    def provider_recovered(self, gate: Gate) -> None:
        """A provider answers again: its credentials need not sit out their backoff."""
        for name, entry in self._entries.items():
            if entry.gate is gate:
                self.submit(name)

    def around(self, name: str) -> Surroundings:
        """What a pass of `name` would know of its surroundings now."""
        return self.around_gate(self._entries[name].gate)

    def around_gate(self, gate: Gate) -> Surroundings:
        """The same for any credential behind a gate."""
        return gate.around(may_mint=True, store_recovered_at=self._store_recovered_at)

    def is_busy(self, name: str) -> bool:
        """Whether `name` is in a pass, in the queue or at its gate: it will be planned without help."""
        entry = self._entries[name]
        return entry.queued or entry.task is not None or entry.gate.has(name)

    def slept(self, seconds: float) -> None:
        """The machine has slept for so long: nothing could move meanwhile, and nobody is late for it."""
        self.moved_at += seconds
        for entry in self._entries.values():
            entry.began += seconds
        for gate, pump in self._pumps.items():
            pump.due += seconds
            gate.slept(seconds)

    def is_looking(self) -> bool:
        """Whether a pass without leave to mint is under way, or waits for its turn."""
        return self._running > 0 or any(entry.queued for entry in self._entries.values())

    def longest_pass(self) -> tuple[str, float]:
        """The credential whose pass is the oldest of those under way, and when; infinity when there is none."""
        passes = ((entry.began, name) for name, entry in self._entries.items() if entry.task is not None)
        began, name = min(passes, default=(math.inf, ""))
        return name, began

    def gates_due(self) -> list[tuple[str, float]]:
        """The providers, and when the gate of each is to be looked at next: in the past when nobody has done so."""
        return [(gate.provider, pump.due) for gate, pump in self._pumps.items()]

    def oldest_requests(self) -> list[tuple[str, float]]:
        """The providers, and when the oldest token request under way was sent to each; infinity for none."""
        return [(gate.provider, gate.oldest_request) for gate in self._pumps]

    async def first_round(self) -> None:
        """Return once every credential that is known now has been through a pass and waits for nothing but time."""
        await self._until(lambda: all(e.rounds > 0 for e in self._entries.values()))

    async def idle(self) -> None:
        """Return once no pass is queued, under way or at a gate."""
        await self._until(lambda: not any(self.is_busy(name) for name in self._entries))

    async def drain(self, grace: float) -> bool:
        """Start nothing more and let what is under way end.

        Returns:
            Whether all ended within `grace` seconds; what did not has been cancelled.
        """
        self._draining = True
        for pump in self._pumps.values():
            self._dismiss(pump)
        await asyncio.gather(*(pump.task for pump in self._pumps.values()), return_exceptions=True)
        tasks = [entry.task for entry in self._entries.values() if entry.task is not None]
        if not tasks:
            return True
        _, late = await asyncio.wait(tasks, timeout=grace)
        for task in late:
            task.cancel()
        if late:
            await asyncio.wait(late, timeout=1.0)
        return not late

    def _start_passes(self) -> None:
        while self._queue and self._running < PASSES and not self._draining:
            *_, name = heapq.heappop(self._queue)
            entry = self._entries.get(name)
            if entry is not None and entry.queued:
                entry.queued = False
                self._start(name, entry, may_mint=False)

    def _only_looks(self, name: str, entry: _Entry) -> bool:
        """Whether a pass would but look: it then gives way to those that mint or deliver, however long they are served.

        Otherwise the many credentials of a provider that is away, none of them served, would hold up all others.
        """
        if len(self._queue) + self._running < PASSES:
            return False  # nobody has to give way
        return entry.gate.has(name) or not entry.rotation.is_due(self.around(name))

    def _start(self, name: str, entry: _Entry, *, may_mint: bool) -> None:
        entry.began = self._clock.now().elapsed
        if not may_mint:
            self._running += 1
            self.moved_at = entry.began
        if entry.planned is not None:
            self._late(max(0.0, entry.began - entry.planned))
            entry.planned = None
        entry.task = asyncio.create_task(self._pass(name, entry, may_mint=may_mint), name=f"pass {name}")
        entry.task.add_done_callback(lambda task: self._ended(name, entry, task, may_mint=may_mint))

    async def _pass(self, name: str, entry: _Entry, *, may_mint: bool) -> Wait:
        around = entry.gate.around(may_mint=may_mint, store_recovered_at=self._store_recovered_at)
        try:
            wait = await entry.rotation.run(around)
        except Exception as error:  # noqa: BLE001  one broken credential must not end the others
            self._journal.event("credential.broken", credential=name, error="internal", detail=whence(error))
            now = self._clock.now().elapsed
            self.broken.setdefault(name, now)
            return Wait(now + BROKEN_PAUSE, Reason.BACKING_OFF)
        self.broken.pop(name, None)
        return wait

    def _ended(self, name: str, entry: _Entry, task: asyncio.Task[Wait], *, may_mint: bool) -> None:
        """What follows a pass. Not in the pass itself: whoever looks must see it run, or see it followed."""
        entry.task = None
        now = self._clock.now().elapsed
        if entry.gate in self._pumps:
            self._pumps[entry.gate].unknown -= entry.passes == 0
        entry.passes += 1
        if may_mint:
            entry.gate.passed()
        else:
            self._running -= 1
            self.moved_at = now
        goes_on = not task.cancelled() and self._entries.get(name) is entry
        if entry.admitted:
            entry.admitted = False
            if goes_on and not self._draining:
                self._start(name, entry, may_mint=True)
            else:
                entry.gate.passed()
        elif goes_on:
            self._follow(name, entry, task.result())
        self._start_passes()
        if entry.gate in self._pumps:
            self._pumps[entry.gate].stir(now)
        self._changed.set()

    def _follow(self, name: str, entry: _Entry, wait: Wait) -> None:
        # Also while it waits at its gate it is woken: its token may expire there, its sinks may need it.
        self._plan(name, wait.until)
        if wait.wants_mint:
            entry.gate.join(name, entry.rotation.served_until)
        else:
            entry.rounds += 1
        if entry.again:
            entry.again = False
            self.submit(name)

    async def _pump(self, gate: Gate) -> None:
        """Let credentials through a gate as it opens."""
        pump = self._pumps[gate]
        while True:
            at = gate.next_at()
            now = self._clock.now().elapsed
            if at is not None and pump.unknown > 0:
                at = max(at, pump.shut_until)
            if at is not None and at <= now:
                self._admit(gate, now)
                continue
            pump.wake.clear()
            pump.due = math.inf if at is None else at
            try:
                await asyncio.wait_for(pump.wake.wait(), None if at is None else at - now)
            except TimeoutError:
                continue

    def _dismiss(self, pump: _Pump) -> None:
        """End a pump's task on purpose: nobody is to be told of that."""
        pump.task.remove_done_callback(self._ended_for_good)
        pump.task.cancel()

    def _admit(self, gate: Gate, now: float) -> None:
        name = gate.admit(now)
        entry = self._entries[name]
        if entry.task is None:
            entry.queued = False
            self._start(name, entry, may_mint=True)
        else:
            # It is in a pass just now, at whose end it goes on with its leave: its turn is not lost to others.
            entry.admitted = True

    async def _until(self, reached: Callable[[], bool]) -> None:
        while not reached():
            self._changed.clear()
            await self._changed.wait()
