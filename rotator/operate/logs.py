"""Structured logs: what is told at which level, and one pipe for all that the process says; see `lines`."""

from __future__ import annotations

import logging
import os
import sys
import threading
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from rotator.core import expiry
from rotator.core.errors import whence
from rotator.operate import lines
from rotator.operate.outlet import Outlet

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Mapping
    from typing import TextIO

    from structlog.typing import FilteringBoundLogger

    from rotator.core.ports import Journal

LEVELS = {
    "credential.broken": logging.ERROR,
    "credential.expiring": logging.WARNING,
    "credential.lead_clamped": logging.WARNING,
    "credential.previous_secret": logging.WARNING,
    "credential.rejected": logging.ERROR,
    "clock.resumed": logging.WARNING,
    "clock.stepped": logging.WARNING,
    "config.rejected": logging.ERROR,
    "config.warning": logging.WARNING,
    "discover.failed": logging.WARNING,
    "discover.refused": logging.WARNING,
    "hook.failed": logging.WARNING,
    "http.unavailable": logging.WARNING,
    "log.dropped": logging.WARNING,
    "process.error": logging.ERROR,
    "process.vitals": logging.DEBUG,
    "provider.quota": logging.WARNING,
    "schedule.mended": logging.WARNING,
    "token.delivery_failed": logging.WARNING,
    "token.delivery_retried": logging.DEBUG,
    "token.expired": logging.ERROR,
    "token.mint_failed": logging.WARNING,
    "token.mint_retried": logging.DEBUG,
    "token.rejected": logging.WARNING,
    "token.revocation_failed": logging.WARNING,
    "vault.denied": logging.ERROR,
    "vault.token_left": logging.WARNING,
    "vault.unavailable": logging.WARNING,
}
"""The level of each event that is not an information; of one, the lower of two: see `_level`."""

QUIET_LIBRARIES = ("aiohttp", "apscheduler", "asyncio", "hvac", "urllib3", "requests")
"""Heard from warning on; their chatter at lower levels is for their developers."""


@dataclass(frozen=True, slots=True)
class LogSettings:
    """How logs look.

    Attributes:
        level: The least serious level that is written.
        format: `json`, `console` for people, or `auto`: people on a terminal, JSON elsewhere.
    """

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["auto", "json", "console"] = "auto"


class Log:
    """The journal of the process (see `rotator.core.ports.Journal`)."""

    def __init__(self, outlet: Outlet, logger: FilteringBoundLogger) -> None:
        self._logger = logger
        self._outlet = outlet
        self._dropped = 0

    def event(self, name: str, /, **fields: object) -> None:
        """Write one event at its level."""
        try:
            self._logger.log(_level(name, fields), name, **fields)
        except Exception as error:  # noqa: BLE001  whoever tells of something must not fail because of it
            self._outlet.write(lines.unformattable(error))
        if self._outlet.dropped > self._dropped:
            lost, self._dropped = self._outlet.dropped - self._dropped, self._outlet.dropped
            # The report may be lost as well; so the next one tells them all.
            self._logger.warning("log.dropped", lines=lost, total=self._dropped)

    def close(self) -> None:
        """Write what is still on its way."""
        self._outlet.close()


def _level(name: str, fields: Mapping[str, object]) -> int:
    """What `LEVELS` says; an error where a client secret has ended, or does so within a day."""
    if name == "credential.expiring" and fields.get("within_days") in range(expiry.URGENT + 1):
        return logging.ERROR
    return LEVELS.get(name, logging.INFO)


def configure(settings: LogSettings, stream: TextIO | None = None) -> Log:
    """Send everything that is logged in this process to one stream, through one pipe.

    Args:
        settings: How logs look.
        stream: Where to; None is standard error.
    """
    stream = stream or sys.stderr
    people = settings.format == "console" or (settings.format == "auto" and stream.isatty())
    colors = stream.isatty() and not os.environ.get("NO_COLOR")
    renderer = lines.for_people(colors=colors) if people else lines.for_machines
    outlet = Outlet(stream)
    lines.through_logging(outlet, settings.level, renderer)
    for name in QUIET_LIBRARIES:
        logging.getLogger(name).setLevel(logging.WARNING)
    log = Log(outlet, lines.straight(outlet, settings.level, renderer))
    _catch_strays(log)
    return log


def catch_loop_errors(loop: asyncio.AbstractEventLoop, log: Journal) -> None:
    """Log what the event loop catches, by kind and place: the text of a foreign exception may hold anything."""

    def handle(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        detail = whence(error) if isinstance(error, BaseException) else "no exception"
        log.event("process.error", where="event loop", detail=detail)

    loop.set_exception_handler(handle)


def _catch_strays(log: Log) -> None:
    def tell(where: str, error: BaseException | None) -> None:
        if error is not None and not isinstance(error, KeyboardInterrupt):
            # A hook that raises, for want of memory, makes Python print what it was called with as it is.
            with suppress(Exception):
                log.event("process.error", where=where, detail=whence(error))

    sys.excepthook = lambda _, error, __: tell("main thread", error)
    threading.excepthook = lambda args: tell("thread", args.exc_value)
    sys.unraisablehook = lambda args: tell("finalizer", args.exc_value)
