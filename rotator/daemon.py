"""The daemon: the one place that knows everybody. It lives until a signal ends it."""

from __future__ import annotations

import asyncio
import os
import signal
from typing import TYPE_CHECKING

from rotator import __version__
from rotator.core.errors import whence
from rotator.engine.schedule import Schedule
from rotator.engine.sentinel import Sentinel
from rotator.fleet import Fleet
from rotator.operate import logs
from rotator.settings import translate
from rotator.settings.load import load
from rotator.settings.problems import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from rotator.core.ports import Clock, Journal
    from rotator.settings.load import Loaded

INTERRUPTED = 130
"""Exit code after a second signal."""


class Daemon:
    """Keeps the credentials of one configuration fresh.

    Args:
        loaded: The configuration to start with.
        environ: The process's environment.
        clock: Time.
        log: Where events are told.

    Attributes:
        fleet: The credentials.
        loaded: The configuration in force.
    """

    def __init__(self, loaded: Loaded, environ: Mapping[str, str], clock: Clock, log: Journal) -> None:
        self.loaded = loaded
        self._environ = environ
        self._clock = clock
        self._log = log
        self._schedule = Schedule(self._due, clock)
        self.fleet = Fleet(clock, log, environ, self._schedule.plan, self._schedule.forget)
        self._stop = asyncio.Event()
        self._reload = asyncio.Event()

    async def run(self) -> None:
        """Work until SIGTERM or SIGINT, then let what is under way end.

        Raises:
            ConfigError: The configuration cannot work on this machine.
        """
        loop = asyncio.get_running_loop()
        logs.catch_loop_errors(loop, self._log)
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._on_signal)
        loop.add_signal_handler(signal.SIGHUP, self._reload.set)
        self._log.event("daemon.started", version=__version__, pid=os.getpid(), config=str(self.loaded.file))
        self._schedule.start()
        try:
            await self.fleet.apply(self.loaded)
            tell_loaded(self._log, self.loaded)
            await self._work(loop)
            await self._drain()
        finally:
            self._schedule.stop()
            await self.fleet.close()
        self._log.event("daemon.stopped")

    async def _work(self, loop: asyncio.AbstractEventLoop) -> None:
        sentinel = Sentinel(self._clock, loop.time, self._schedule, self.fleet.dispatcher, self._log)
        tasks = [
            asyncio.create_task(sentinel.run(), name="sentinel"),
            asyncio.create_task(self._reloads(), name="reloads"),
            asyncio.create_task(self._tell_ready(), name="readiness"),
        ]
        stopping = asyncio.create_task(self._stop.wait(), name="stop")
        watched = {stopping, *tasks}
        while not self._stop.is_set():
            done, watched = await asyncio.wait(watched, return_when=asyncio.FIRST_COMPLETED)
            for task in done - {stopping}:
                error = None if task.cancelled() else task.exception()
                if error is not None:
                    # Nothing may die in silence: without one of these the daemon would look alive and be none.
                    self._log.event("process.error", where=task.get_name(), detail=whence(error))
                    self._stop.set()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _drain(self) -> None:
        grace = self.loaded.settings.shutdown_grace
        self._log.event("daemon.draining", grace_s=grace)
        self._schedule.stop()
        if not await self.fleet.dispatcher.drain(grace):
            self._log.event("process.error", where="shutdown", detail=f"not everything ended within {grace:g} s")

    async def _tell_ready(self) -> None:
        await self.fleet.dispatcher.first_round()
        now = self._clock.now().elapsed
        rotations = self.fleet.dispatcher.rotations()
        fresh = sum(rotation.served_until > now for rotation in rotations)
        self._log.event("daemon.ready", credentials=len(rotations), fresh=fresh)

    async def _reloads(self) -> None:
        while True:
            await self._reload.wait()
            self._reload.clear()
            try:
                loaded = await asyncio.to_thread(load, self.loaded.file, self._environ)
                changes = await self.fleet.apply(loaded)
            except ConfigError as error:
                for problem in error.problems:
                    self._log.event("config.rejected", config=error.file, **problem.as_dict())
                continue
            self.loaded = loaded
            self._log.event("config.reloaded", config=str(loaded.file), **changes)
            tell_warnings(self._log, loaded)

    def _due(self, name: str) -> None:
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
    log.event("config.loaded", config=str(loaded.file), **counts)
    tell_warnings(log, loaded)


def tell_warnings(log: Journal, loaded: Loaded) -> None:
    """Tell what should be mended in the configuration although it works."""
    for warning in loaded.warnings:
        log.event("config.warning", **warning.as_dict())


def run(file: Path, environ: Mapping[str, str], clock: Clock) -> None:
    """Run the daemon until a signal ends it.

    Raises:
        ConfigError: The configuration cannot be used.
    """
    loaded = load(file, environ)
    log = logs.configure(translate.logs(loaded.settings))
    try:
        asyncio.run(Daemon(loaded, environ, clock, log).run())
    finally:
        log.close()
