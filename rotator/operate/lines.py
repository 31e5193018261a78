"""How what is logged becomes a line: our own events go straight to the outlet, records of libraries through logging.

Both are rendered by structlog, and redacted last but for the time and the level, which are made here.
"""

from __future__ import annotations

import json
import logging
from datetime import datetime
from enum import Enum
from typing import TYPE_CHECKING, Any

import structlog

from rotator.core.errors import whence
from rotator.core.model import rfc3339
from rotator.operate.redaction import redact_fields

if TYPE_CHECKING:
    from collections.abc import MutableMapping

    from structlog.typing import EventDict, FilteringBoundLogger, Processor

    from rotator.operate.outlet import Outlet

HEAD = ("timestamp", "level", "event")
"""What a line for machines begins with."""

_STAMP = structlog.processors.TimeStamper(fmt="iso", utc=True, key="timestamp")
_ENCODER = json.JSONEncoder(default=str, ensure_ascii=False)


class _Straight:
    """Takes finished lines of any level, as structlog wants a logger to do."""

    def __init__(self, outlet: Outlet) -> None:
        self.debug = self.info = self.warning = self.error = outlet.write


class OutletHandler(logging.Handler):
    """Writes the records of libraries to an outlet."""

    def __init__(self, outlet: Outlet) -> None:
        super().__init__()
        self._outlet = outlet

    def emit(self, record: logging.LogRecord) -> None:
        """See `logging.Handler`."""
        try:
            line = self.format(record)
        except Exception as error:  # noqa: BLE001  a record that cannot be formatted must not raise where it was made
            line = unformattable(error)
        self._outlet.write(line)


def unformattable(error: Exception) -> str:
    """The line instead of one that could not be made."""
    return json.dumps({"level": "error", "event": "log.unformattable", "detail": whence(error)})


def straight(outlet: Outlet, level: str, renderer: Processor) -> FilteringBoundLogger:
    """A logger for our own events, which leaves the stations of `logging` out: they are half of what a line costs.

    Args:
        outlet: Where lines go.
        level: The least serious one that is written.
        renderer: Makes a line of what is told.
    """
    logger: FilteringBoundLogger = structlog.wrap_logger(
        _Straight(outlet),
        processors=[_drop_traceback, _plain, _redact, structlog.processors.add_log_level, _STAMP, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(level),
    )
    return logger.bind()  # once, and not anew for each event


def through_logging(outlet: Outlet, level: str, renderer: Processor) -> None:
    """Send to the outlet what libraries log, by `logging` or by structlog.

    Args:
        outlet: Where lines go.
        level: The least serious one that is written.
        renderer: Makes a line of what is told.
    """
    shared: list[Processor] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        _STAMP,
    ]
    handler = OutletHandler(outlet)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                _drop_traceback,
                _plain,
                _redact,
                renderer,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )


def for_machines(_: object, __: str, event: MutableMapping[str, Any]) -> str:
    """One object of JSON; time, level and name first."""
    head = {key: event.pop(key) for key in HEAD if key in event}
    return _ENCODER.encode({**head, **event})


def for_people(*, colors: bool) -> Processor:
    """Renders columns, in colours or without."""
    return structlog.dev.ConsoleRenderer(colors=colors, exception_formatter=structlog.dev.plain_traceback)


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
    if type(value) is str:  # as most are
        return value
    if isinstance(value, datetime):
        return rfc3339(value)
    if isinstance(value, Enum):
        return str(value)
    return value


def _redact(_: object, __: str, event: MutableMapping[str, Any]) -> EventDict:
    return redact_fields(event)
