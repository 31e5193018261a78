"""How long a server asks to be left alone (RFC 9110 section 10.2.3)."""

from __future__ import annotations

from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

LONGEST = 300.0
"""Seconds. A server that asks for more is asked again after this: tokens have to live on."""


def retry_after(header: str | None, now: datetime) -> float | None:
    """Seconds from `now`, between 0 and `LONGEST`; None when the header is missing or is no seconds and no date."""
    text = (header or "").strip()
    if text.isascii() and text.isdigit():
        return min(float(text), LONGEST)
    try:
        then = parsedate_to_datetime(text)
        # The old asctime form names no zone and means UTC (RFC 9110 section 5.6.7).
        ahead = ((then if then.tzinfo else then.replace(tzinfo=UTC)) - now).total_seconds()
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
    return min(max(ahead, 0.0), LONGEST)
