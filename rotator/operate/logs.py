"""Structured logs: one pipe for our own events and for the records of every library, redaction last in it."""

from __future__ import annotations

import json
import logging
import os
import sys
import threading
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import TYPE_CHECKING, Any, Literal

import structlog

from rotator.core import expiry
from rotator.core.errors import whence
from rotator.core.model import rfc3339
from rotator.operate.outlet import Outlet
from rotator.operate.redaction import redact_fields

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Mapping, MutableMapping
    from typing import TextIO

    from structlog.typing import EventDict, Processor

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

    def __init__(self, outlet: Outlet) -> None:
        self._logger = structlog.get_logger("rotator")
        self._outlet = outlet
        self._dropped = 0

    def event(self, name: str, /, **fields: object) -> None:
        """Write one event at its level."""
        self._logger.log(_level(name, fields), name, **fields)
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
    outlet = Outlet(stream)
    shared: list[Processor] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="timestamp"),
    ]
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            _drop_traceback,
            _plain,
            _redact,
            _console(stream.isatty() and not os.environ.get("NO_COLOR")) if people else _json_line,
        ],
    )
    handler = _OutletHandler(outlet)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.level.upper())
    for name in QUIET_LIBRARIES:
        logging.getLogger(name).setLevel(logging.WARNING)
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(settings.level),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    log = Log(outlet)
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


class _OutletHandler(logging.Handler):
    def __init__(self, outlet: Outlet) -> None:
        super().__init__()
        self._outlet = outlet

    def emit(self, record: logging.LogRecord) -> None:
        try:
            line = self.format(record)
        except Exception as error:  # noqa: BLE001  a record that cannot be formatted must not raise where it was made
            line = json.dumps({"level": "error", "event": "log.unformattable", "detail": whence(error)})
        self._outlet.write(line)


def _drop_traceback(_: object, __: str, event: MutableMapping[str, Any]) -> EventDict:
    """Replace a traceback by the kind and place of its exception: its text and its locals may hold secrets."""
    info = event.pop("exc_info", None)
    event.pop("stack_info", None)
    error = info[1] if isinstance(info, tuple) else info
    if isinstance(error, BaseException):
        event["exception"] = whence(error)
    return event


def _plain(_: object, __: str, event: MutableMapping[str, Any]) -> EventDict:
    """Times as RFC 3339 in UTC, enumerations as their value."""
    return {key: _plain_value(value) for key, value in event.items() if not (key == "logger" and value == "rotator")}


def _plain_value(value: object) -> object:
    if isinstance(value, datetime):
        return rfc3339(value)
    if isinstance(value, Enum):
        return str(value)
    return value


def _redact(_: object, __: str, event: MutableMapping[str, Any]) -> EventDict:
    return redact_fields(event)


def _json_line(_: object, __: str, event: MutableMapping[str, Any]) -> str:
    head = {key: event.pop(key) for key in ("timestamp", "level", "event") if key in event}
    return json.dumps({**head, **event}, default=str, ensure_ascii=False)


def _console(colors: bool) -> Processor:  # noqa: FBT001  one yes or no about the terminal
    return structlog.dev.ConsoleRenderer(colors=colors, exception_formatter=structlog.dev.plain_traceback)
