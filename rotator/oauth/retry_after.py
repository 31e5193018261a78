"""How long a server asks to be left alone (RFC 9110 section 10.2.3), and what time it has."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache

LONGEST = 300.0
"""Seconds. A server that asks for more is asked again after this: tokens have to live on."""


def retry_after(header: str | None, now: datetime) -> float | None:
    """Seconds from `now`, between 0 and `LONGEST`; None when the header is missing or is no seconds and no date."""
    text = (header or "").strip()
    if text.isascii() and text.isdigit():
        return min(float(text), LONGEST)
    then = http_date(text)
    return None if then is None else min(max((then - now).total_seconds(), 0.0), LONGEST)


@lru_cache(maxsize=16)  # whatever a server answers within one second bears the same date
def http_date(header: str | None) -> datetime | None:
    """A date as HTTP writes it (RFC 9110 section 5.6.7), in UTC; None when it is missing or is none."""
    try:
        then = parsedate_to_datetime((header or "").strip())
        # The old asctime form names no zone and means UTC.
        return (then if then.tzinfo else then.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
