"""Who runs now: passes in turn, mints through the gate of their provider.

A credential is in at most one pass at a time. A pass that wants to mint ends, waits at its provider's gate without
holding anything, and is run again with leave to mint; so a hung provider keeps nobody else waiting, and a sink can be
served while a mint waits. Nothing here goes through all credentials at once: there may be a hundred thousand.
"""

from __future__ import annotations

import asyncio
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING

from rotator.core.observation import NEVER
from rotator.engine.line import need_of
from rotator.engine.passes import Entry, Passes
from rotator.engine.pump import Pump
from rotator.engine.turns import Turns

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from rotator.core.observation import Surroundings
    from rotator.core.policy import Wait
    from rotator.core.ports import Clock, Journal
    from rotator.core.rotation import Rotation
    from rotator.engine.gate import Gate

PASSES = 64
"""Passes without leave to mint that run at once; those with it are bounded by the gates."""

SLICE = 200
"""Credentials that are submitted before the loop has its turn, when all are."""


def _nobody(_: asyncio.Task[None]) -> None:
    """Nobody asks."""


class Dispatcher:
    """Runs the passes of all credentials.

    Args:
        clock: Time.
        plan: Told when a credential is to be submitted again: name, and a reading of the elapsed clock.
        journal: Told when a pass itself breaks.
        ended: Told when a task has ended that should last as long as its gate: cancelled, or with an error (R06).
        late: Told by how many seconds a pass begins later than it was planned.
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
        self._ended_for_good = ended
        self._plan = plan
        self._entries: dict[str, Entry] = {}
        self._turns = Turns(self._only_looks)
        self._passes = Passes(clock, journal, late, self._ended)
        self._new = 0
        self._pumps: dict[Gate, Pump] = {}
        self._draining = False
        self._changed = asyncio.Event()
        self._store_recovered_at = NEVER

    @property
    def broken(self) -> dict[str, float]:
        """The credentials whose passes break in a way that nobody foresaw, and since when, on the elapsed clock."""
        return self._passes.broken

    @property
    def moved_at(self) -> float:
        """When looking last went on: when a pass without leave to mint began or ended, on the elapsed clock.

        Where there was none, it is when one was next asked for.
        """
        return self._passes.moved_at

    def add(self, rotation: Rotation, gate: Gate) -> None:
        """Take up a credential and look at it at once."""
        if gate not in self._pumps:
            self._pumps[gate] = Pump(gate, self._clock, self._admit, self._ended_for_good)
        pump = self._pumps[gate]
        pump.add(self._clock.elapsed())
        self._entries[rotation.spec.name] = Entry(rotation, pump)
        self._new += 1
        self.submit(rotation.spec.name)

    async def remove(self, name: str) -> None:
        """Drop a credential, once its pass, if one is under way, has ended."""
        entry = self._entries.pop(name)
        self._new -= entry.rounds == 0
        self._turns.leave(name)
        entry.gate.leave(name)
        if entry.task is not None:
            await asyncio.wait([entry.task])
        if entry.passes == 0:
            entry.pump.looked()
        entry.pump.behind -= 1
        if not entry.pump.behind:
            del self._pumps[entry.gate]
            entry.pump.dismiss()
        self._changed.set()

    def names(self) -> list[str]:
        """Every credential."""
        return list(self._entries)

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
        else:
            if not self.is_looking():
                self._passes.moved_at = self._clock.elapsed()
            self._turns.join(name, need_of(entry.rotation.seen))
            self._start_passes()

    def submit_all(self, *, clock_was_set: bool = False) -> None:
        """Run a pass for everybody.

        Args:
            clock_was_set: Whether the wall clock was stepped, so that the tokens held are to be dated anew before.
        """
        self._submit_in_slices(iter(self.names()), clock_was_set=clock_was_set)

    def store_recovered(self) -> None:
        """Vault answers again: what failed for want of it is tried now."""
        self._store_recovered_at = self._clock.elapsed()
        self.submit_all()

    def provider_recovered(self, gate: Gate) -> None:
        """A provider answers again: its credentials need not sit out their backoff."""
        self._submit_in_slices(iter([name for name, entry in self._entries.items() if entry.gate is gate]))

    def around(self, name: str) -> Surroundings:
        """What a pass of `name` would know of its surroundings now."""
        return self.around_gate(self._entries[name].gate)

    def around_gate(self, gate: Gate) -> Surroundings:
        """The same for any credential behind a gate."""
        return gate.around(may_mint=True, store_recovered_at=self._store_recovered_at)

    def is_busy(self, name: str) -> bool:
        """Whether `name` is in a pass, in the queue or at its gate: it will be planned without help."""
        return name in self._passes or name in self._turns or self._entries[name].gate.has(name)

    def resting(self, names: Iterable[str]) -> list[str]:
        """Who of these is here and not busy."""
        return [name for name in names if name in self._entries and not self.is_busy(name)]

    def slept(self, seconds: float) -> None:
        """The machine has slept for so long: nothing could move meanwhile, and nobody is late for it."""
        self._passes.slept(seconds)
        for pump in self._pumps.values():
            pump.slept(seconds)

    def is_looking(self) -> bool:
        """Whether a pass without leave to mint is under way, or waits for its turn."""
        return self._passes.looking > 0 or len(self._turns) > 0

    def longest_pass(self) -> tuple[str, float]:
        """The credential whose pass is the oldest of those under way, and when; infinity when there is none."""
        return self._passes.longest()

    def gates_due(self) -> list[tuple[str, float]]:
        """The providers, and when the gate of each is to be looked at next: in the past when nobody has done so."""
        return [(gate.provider, pump.due) for gate, pump in self._pumps.items()]

    def oldest_requests(self) -> list[tuple[str, float]]:
        """The providers, and when the oldest token request under way was sent to each; infinity for none."""
        return [(gate.provider, gate.oldest_request) for gate in self._pumps]

    async def first_round(self) -> None:
        """Return once every credential that is known now has been through a pass and waits for nothing but time."""
        await self._until(lambda: self._new == 0)

    async def idle(self) -> None:
        """Return once no pass is queued, under way or at a gate."""
        await self._until(lambda: not self._passes and not self._turns and not any(g.waiting for g in self._pumps))

    async def drain(self, grace: float) -> bool:
        """Start nothing more and let what is under way end.

        Returns:
            Whether all ended within `grace` seconds; what did not has been cancelled.
        """
        self._draining = True
        pumps = [pump.dismiss() for pump in self._pumps.values()]
        await asyncio.gather(*pumps, return_exceptions=True)
        return await self._passes.drain(grace)

    def _submit_in_slices(self, names: Iterator[str], *, clock_was_set: bool = False) -> None:
        """A slice now, the next when the loop has had its turn: it may be called from anywhere, and holds up nobody."""
        some = list(islice(names, SLICE))
        for name in some:
            if clock_was_set and name in self._entries:
                self._entries[name].rotation.clock_was_set()
            self.submit(name)
        if len(some) == SLICE:
            again = partial(self._submit_in_slices, names, clock_was_set=clock_was_set)
            asyncio.get_running_loop().call_soon(again)

    def _start_passes(self) -> None:
        while self._turns and self._passes.looking < PASSES and not self._draining:
            name = self._turns.take(self._clock.elapsed())
            self._start(self._entries[name], may_mint=False)

    def _only_looks(self, name: str) -> bool:
        """Whether a pass would but look."""
        entry = self._entries[name]
        return entry.passes > 0 and (entry.gate.has(name) or not entry.rotation.is_due(self.around(name)))

    def _start(self, entry: Entry, *, may_mint: bool) -> None:
        self._passes.start(entry, entry.gate.around(may_mint=may_mint, store_recovered_at=self._store_recovered_at))

    def _ended(self, entry: Entry, may_mint: bool, wait: Wait | None) -> None:  # noqa: FBT001  see `Passes`
        """What follows a pass."""
        if entry.passes == 1:
            entry.pump.looked()
        if may_mint:
            entry.gate.passed()
        goes_on = wait is not None and self._entries.get(entry.name) is entry
        if entry.admitted:
            entry.admitted = False
            if goes_on and not self._draining:
                self._start(entry, may_mint=True)
            else:
                entry.gate.passed()
        elif wait is not None and goes_on:
            self._follow(entry, wait)
        self._start_passes()
        entry.pump.stir(self._clock.elapsed())
        self._changed.set()

    def _follow(self, entry: Entry, wait: Wait) -> None:
        # Also while it waits at its gate it is woken: its token may expire there, its sinks may need it.
        self._plan(entry.name, wait.until)
        if wait.wants_mint:
            entry.gate.join(entry.name, need_of(entry.rotation.seen))
        else:
            self._new -= entry.rounds == 0
            entry.rounds += 1
        if entry.again:
            entry.again = False
            self.submit(entry.name)

    def _admit(self, name: str) -> None:
        entry = self._entries[name]
        if entry.task is None:
            self._turns.leave(name)
            self._start(entry, may_mint=True)
        else:
            # It is in a pass just now, at whose end it goes on with its leave: its turn is not lost to others.
            entry.admitted = True

    async def _until(self, reached: Callable[[], bool]) -> None:
        while not reached():
            self._changed.clear()
            await self._changed.wait()
