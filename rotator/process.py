"""The daemon as a process: its configuration, its log, its watchdog, and its exit code."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from typing import TYPE_CHECKING

from rotator.core.errors import whence
from rotator.daemon import FAILED, OK, Daemon
from rotator.engine import collector
from rotator.operate import logs
from rotator.operate.watchdog import PATIENCE, Watchdog
from rotator.settings import translate
from rotator.settings.problems import ConfigError
from rotator.settings.startup import take

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from rotator.core.ports import Clock


def run(file: Path, environ: Mapping[str, str], clock: Clock, patience: float = PATIENCE) -> None:
    """Run the daemon until a signal ends it.

    Args:
        file: The configuration.
        environ: The process's environment.
        clock: Time.
        patience: Seconds without progress of the event loop after which the process is ended.

    Raises:
        ConfigError: The configuration cannot be used.
        SystemExit: A part of the daemon died; the code is `FAILED`.
    """
    collector.begin()
    loaded = take(file, environ)
    log = logs.configure(translate.logs(loaded.settings))
    try:
        daemon = Daemon(loaded, environ, clock, log)
        with Watchdog(daemon.progress, lambda: _end_at_once(log, patience), patience):
            code = asyncio.run(daemon.run())
    except (ConfigError, KeyboardInterrupt):
        raise
    except BaseException as error:  # noqa: BLE001  also what ends a loop from inside: told, and then an exit code
        log.event("process.error", where="daemon", detail=whence(error))
        code = FAILED
    finally:
        log.close()
    if code != OK:
        raise SystemExit(code)


def _end_at_once(log: logs.Log, patience: float) -> None:
    """The loop has stopped, so nothing can be ended in order: say where it stands, and go."""
    frame = sys._current_frames().get(threading.main_thread().ident or 0)  # noqa: SLF001  the only way to another thread's
    place = "" if frame is None else f", at {frame.f_code.co_filename}:{frame.f_lineno}"
    log.event("process.error", where="event loop", detail=f"no progress for {patience:g} s{place}")
    log.close()
    os._exit(FAILED)
