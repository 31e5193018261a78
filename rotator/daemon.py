"""The daemon: the one place that knows everybody. It lives until a signal ends it."""

from __future__ import annotations

import asyncio
import os
import signal
from typing import TYPE_CHECKING

from rotator import __version__
from rotator.admin import Admin
from rotator.core.errors import whence
from rotator.engine import collector
from rotator.engine.clock import awake
from rotator.engine.progress import Progress
from rotator.engine.schedule import Schedule
from rotator.engine.sentinel import Sentinel
from rotator.fleet import Fleet
from rotator.fleet.discovery import Discovery
from rotator.operate import logs
from rotator.operate.history import History
from rotator.operate.metrics import Meters
from rotator.operate.vitals import vitals
from rotator.overview import Overview
from rotator.servicing import ServiceManager
from rotator.settings.problems import ConfigError
from rotator.settings.startup import take

if TYPE_CHECKING:
    from collections.abc import Collection, Coroutine, Mapping

    from rotator.core.ports import Clock, Journal
    from rotator.overview import Snapshot
    from rotator.settings.load import Loaded

OK, FAILED, INTERRUPTED = 0, 1, 130
"""Exit codes: told to stop; ended because a part of it died, so that whoever supervises it starts it again; after a
second signal."""

VITALS_INTERVAL = 30.0
"""Seconds between two `process.vitals`, which are told at debug level."""


class Daemon:
    """Keeps the credentials of one configuration fresh.

    Args:
        loaded: The configuration to start with.
        environ: The process's environment as it was at the start; see `rotator.settings.startup.take`.
        clock: Time.
        log: Where events are told.
        machine: The machine's clock, which APScheduler goes by, when `clock` is another one.

    Attributes:
        fleet: The credentials.
        discovery: Looks for more of them.
        loaded: The configuration in force.
        schedule: When the credentials are looked at; tells when a pass last ended and when it last rang.
        sentinel: Watches the clocks; tells when it last did.
        overview: How it all is.
    """

    def __init__(
        self,
        loaded: Loaded,
        environ: Mapping[str, str],
        clock: Clock,
        log: Journal,
        machine: Clock | None = None,
    ) -> None:
        self.loaded = loaded
        self._environ = environ
        self._clock = clock
        self._log = self._history = History(log, clock)
        self._meters = Meters()
        self.schedule = Schedule(self._due, machine or clock)
        self.fleet = Fleet(
            clock,
            self._log,
            environ,
            self.schedule.plan,
            self.schedule.forget,
            self._ended,
            self._meters,
            serves=True,
        )
        self.discovery = Discovery(self.fleet, clock, self._log, self._forget)
        self.sentinel = Sentinel(clock, awake, self.schedule, self.fleet.dispatcher, self._log)
        progress = Progress(clock, awake, self.sentinel, self.fleet.dispatcher, self._vault_timeout)
        self.overview = Overview(self.fleet, progress, self.sentinel, clock, loaded.file)
        self._manager = ServiceManager(self.overview, environ, awake)
        self._admin = Admin(self, self._history, self._meters, self._log, environ)
        self._exit_code = OK
        self._tasks: list[asyncio.Task[None]] = []
        self._grace = 0.0
        self._working = False
        self._stop = asyncio.Event()
        self._reload = asyncio.Event()

    async def run(self) -> int:
        """Work until SIGTERM or SIGINT, then let what is under way end.

        Returns:
            The exit code: 0, or 1 when a part of the daemon died.

        Raises:
            ConfigError: The configuration cannot work on this machine.
        """
        loop = asyncio.get_running_loop()
        logs.catch_loop_errors(loop, self._log)
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._on_signal)
        loop.add_signal_handler(signal.SIGHUP, self._reload.set)
        self._log.event("daemon.started", version=__version__, pid=os.getpid(), config=str(self.loaded.file))
        self.schedule.start()
        try:
            await self.fleet.apply(self.loaded)
            self.discovery.apply(self.loaded.settings)
            await self._admin.start(self.loaded)
            tell_loaded(self._log, self.loaded)
            await self._work()
            await self._drain()
        finally:
            self._stop.set()
            self.schedule.stop()
            await self._admin.stop()
            await self.fleet.close(self._grace)
        self._log.event("daemon.stopped")
        return self._exit_code

    def progress(self) -> float | None:
        """When the loop last showed progress, on the elapsed clock; None while it starts or ends."""
        return self.sentinel.ticked_at if self._working else None

    def _vault_timeout(self) -> float:
        """Seconds for one request to the slowest Vault of the configuration in force."""
        settings = self.loaded.settings
        return max(vault.timeout for vault in (settings.vault, *settings.vaults.values()))

    async def _work(self) -> None:
        """Until told to stop, or until a part dies."""
        self._tasks = [
            self._part("sentinel", self.sentinel.run()),
            self._part("reloads", self._reloads()),
            self._part("discovery", self.discovery.run()),
            self._part("readiness", self._tell_ready()),
            self._part("vitals", self._tell_vitals()),
            self._part("service manager", self._manager.run()),
        ]
        self._working = True
        await self._stop.wait()
        self._working = False
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _part(self, name: str, work: Coroutine[object, object, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work, name=name)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        """Nothing may die in silence: without one of its parts the daemon would look alive and be none (R06)."""
        if task.cancelled():
            detail = "" if self._stop.is_set() else "cancelled, though the daemon goes on"
        else:
            error = task.exception()
            detail = "" if error is None else whence(error)
        if detail:
            self._exit_code = FAILED
            self._stop.set()
            self._log.event("process.error", where=task.get_name(), detail=detail)

    async def _drain(self) -> None:
        loop, grace = asyncio.get_running_loop(), self.loaded.settings.shutdown_grace
        began = loop.time()  # not the clock: a broken one may be why it ends
        self._manager.stopping(grace)
        self._log.event("daemon.draining", grace_s=grace)
        self.schedule.stop()
        if not await self.fleet.dispatcher.drain(grace):
            self._log.event("process.error", where="shutdown", detail=f"not everything ended within {grace:g} s")
        self._grace = max(0.0, grace - (loop.time() - began))

    async def _tell_ready(self) -> None:
        await self.discovery.tried()
        await self.fleet.dispatcher.first_round()
        now = self._clock.now().elapsed
        rotations = self.fleet.dispatcher.rotations()
        fresh = sum(rotation.served_until > now for rotation in rotations)
        self._log.event("daemon.ready", credentials=len(rotations), fresh=fresh)
        self._tasks.append(self._part("garbage collector", collector.keep()))
        await self.discovery.listed()
        self.overview.first_round = True

    async def _tell_vitals(self) -> None:
        while True:
            await asyncio.sleep(VITALS_INTERVAL)
            now = self._clock.now().elapsed
            self._log.event(
                "process.vitals",
                **vitals(),
                looked_s=round(now - self.sentinel.ticked_at, 1),
                passed_s=round(now - self.schedule.planned_at, 1),
                rang_s=round(now - self.schedule.rang_at, 1),
            )

    async def _reloads(self) -> None:
        while True:
            await self._reload.wait()
            self._reload.clear()
            self._manager.reloading()
            try:
                loaded = await asyncio.to_thread(take, self.loaded.file, self._environ)
            except ConfigError as error:
                self._tell_rejected(error)
            except Exception as error:  # noqa: BLE001  no thread, no descriptor: the old configuration stays in force
                self._log.event("process.error", where="reload", detail=whence(error))
                self.overview.reloaded = False
            else:
                await self._take_over(loaded)
            await self._manager.reloaded()

    async def _take_over(self, loaded: Loaded) -> None:
        # What is raised beyond ConfigError ends the daemon: it may have broken off halfway.
        try:
            async with self.discovery.turn:
                changes = await self.fleet.apply(loaded)
                self.discovery.apply(loaded.settings)
        except ConfigError as error:
            self._tell_rejected(error)
            return
        await self._admin.reload(loaded)
        self.loaded = loaded
        self.overview.reloaded = True
        self._forget(changes["removed"])
        self._log.event("config.reloaded", config=str(loaded.file), **changes)
        tell_warnings(self._log, loaded)

    def _forget(self, names: Collection[str]) -> None:
        for name in names:
            self._history.forget(name)

    def _tell_rejected(self, error: ConfigError) -> None:
        self.overview.reloaded = False
        for problem in error.problems:
            self._log.event("config.rejected", config=error.file, **problem.as_dict())

    def _due(self, name: str, planned: float) -> None:
        self.fleet.dispatcher.submit(name, planned)

    def faults(self) -> list[str]:
        """See `rotator.operate.http.Subject`."""
        return self.overview.faults()

    def snapshot(self) -> Snapshot:
        """See `rotator.operate.http.Subject`."""
        return self.overview.snapshot()

    def reload(self) -> None:
        """See `rotator.operate.http.Subject`."""
        self._reload.set()

    def rotate(self, name: str) -> None:
        """See `rotator.operate.http.Subject`."""
        self.fleet.members[name].rotation.force()
        self.fleet.dispatcher.submit(name)

    def stop(self) -> None:
        """End in order: start nothing more, and let what is under way end."""
        self._stop.set()

    def _on_signal(self) -> None:
        if self._stop.is_set():
            os._exit(INTERRUPTED)
        self.stop()


def tell_loaded(log: Journal, loaded: Loaded) -> None:
    """Tell which configuration is in force."""
    settings = loaded.settings
    counts = {"credentials": len(settings.credentials), "providers": len(settings.providers)}
    counts |= {"discover": len(settings.discover)} if settings.discover else {}
    log.event("config.loaded", config=str(loaded.file), **counts)
    tell_warnings(log, loaded)


def tell_warnings(log: Journal, loaded: Loaded) -> None:
    """Tell what should be mended in the configuration although it works."""
    for warning in loaded.warnings:
        log.event("config.warning", **warning.as_dict())
