"""The real core and engine, on a clock that skips every wait, among simulated servers. Seeded, so it can be replayed.

What is not the real thing: APScheduler, which reads the machine's clock, is stood in for by `MemorySchedule`; and the
sentinel is asked only when the clocks have been meddled with, so that it mends no wake-up that the engine has lost.
"""

from __future__ import annotations

import asyncio
from random import Random
from typing import TYPE_CHECKING

from rotator.core.rotation import Rotation
from rotator.engine.dispatcher import Dispatcher
from rotator.engine.gate import Gate
from rotator.engine.gated import GatedEndpoint
from rotator.engine.sentinel import TICK, Sentinel
from rotator.simulation.history import History
from rotator.simulation.plant import Blow
from rotator.simulation.servers import SimulatedProvider, SimulatedSink, SimulatedSource, SimulatedVault
from rotator.testing import LoopClock, MemorySchedule, run_in_virtual_time

if TYPE_CHECKING:
    from collections.abc import Callable

    from rotator.simulation.plant import Plant, Shock, Weather

NOTICED_WITHIN = 5.0
"""Seconds until the keeper of the Vault token has seen that Vault is back (`rotator.vault.pacing`), at most."""

NAP = 10.0
"""Seconds."""


def _nobody(_: float) -> None:
    """Nobody watches."""


def simulate(plant: Plant, weather: Weather, seed: int, watch: Callable[[float], None] = _nobody) -> History:
    """Live through it.

    Args:
        plant: What is kept fresh.
        weather: What goes wrong.
        seed: Decides what chance decides: which requests fail, how long answers take. The same seed, the same history.
        watch: Told now and then how far it has come, in seconds of the simulation.
    """
    return run_in_virtual_time(_World(plant, weather, seed, watch).live())


class _World:
    """Servers that stay, and an engine that may be killed and started again."""

    def __init__(self, plant: Plant, weather: Weather, seed: int, watch: Callable[[float], None]) -> None:
        self.history = History()
        self._watch = watch
        self._plant = plant
        self._weather = weather
        self._rng = rng = Random(seed)  # noqa: S311  a simulation, not a secret
        self._clock = clock = LoopClock()
        self._vault = vault = SimulatedVault(weather.vault, clock, rng)
        self._providers = {
            name: SimulatedProvider(name, model, weather.providers.get(name, ()), clock, self.history, rng)
            for name, model in plant.providers.items()
        }
        self._sources = [SimulatedSource(number, vault) for number in range(len(plant.credentials))]
        self._sinks = [
            [
                SimulatedSink(sink, vault, self._providers[model.spec.provider], clock, self.history)
                for sink in model.sinks
            ]
            for model in plant.credentials
        ]

    async def live(self) -> History:
        """From an empty start to the end."""
        self._start()
        watching = asyncio.create_task(self._watch_vault())
        for shock in self._weather.shocks:
            await self._until(shock.at)
            await self._strike(shock)
        await self._until(self._weather.duration)
        watching.cancel()
        await self._kill()
        return self.history

    def _start(self) -> None:
        self._schedule = MemorySchedule(self._clock)
        self._dispatcher = Dispatcher(self._clock, self._schedule.plan, self.history)
        self._schedule.dispatch = self._dispatcher.submit
        gates = {name: Gate(name, model.limits) for name, model in self._plant.providers.items()}
        for model, source, sinks in zip(self._plant.credentials, self._sources, self._sinks, strict=True):
            gate = gates[model.spec.provider]
            provider = self._providers[model.spec.provider]
            endpoint = GatedEndpoint(provider, gate, self._clock, self._dispatcher.provider_recovered)
            rotation = Rotation(model.spec, source, endpoint, sinks, self._clock, self.history)
            self._dispatcher.add(rotation, gate)

    async def _kill(self) -> None:
        self._schedule.stop()
        await self._dispatcher.drain(0.0)

    async def _strike(self, shock: Shock) -> None:
        match shock.blow:
            case Blow.RESTART:
                await self._kill()
                await self._clock.sleep(shock.amount)
                self._start()
            case Blow.STEP | Blow.SUSPEND:
                await self._upset(shock)
            case Blow.NEW_SECRET:
                self._sources[shock.target].version += 1
            case Blow.DRIFT:
                for sink in self._sinks[shock.target]:
                    sink.empty()

    async def _upset(self, shock: Shock) -> None:
        """Meddle with the clocks, and let the sentinel find out at its next tick."""
        loop = asyncio.get_running_loop()
        before, awake_before = self._clock.now(), loop.time()
        if shock.blow is Blow.STEP:
            self._clock.step(shock.amount)
        else:
            self._clock.suspend(shock.amount)
        await asyncio.sleep(TICK)
        sentinel = Sentinel(self._clock, loop.time, self._schedule, self._dispatcher, self.history)
        sentinel.compare(before, self._clock.now(), loop.time() - awake_before)

    async def _watch_vault(self) -> None:
        """As the keeper of the Vault token does: while Vault is away, nobody else asks; its return is told."""
        for spell in self._weather.vault:
            if spell.is_total:
                await self._until(spell.start)
                self._vault.away = True
                await self._until(spell.end + self._rng.uniform(0.0, NOTICED_WITHIN))
                self._vault.away = False
                self.history.vault_away.append((spell.start, self._clock.elapsed()))
                self._dispatcher.store_recovered()

    async def _until(self, at: float) -> None:
        """Sleep, in short naps: timers do not count the time for which the machine sleeps."""
        while (left := at - self._clock.elapsed()) > 0:
            await asyncio.sleep(min(left, NAP))
            self._watch(self._clock.elapsed())
