"""Durations in the words that page and commands share, so that both say the same of the same."""

from __future__ import annotations

import math

UNITS = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))
"""Seconds of each unit, the largest first."""


def span(seconds: float) -> str:
    """A duration in its two largest units: `4 min 12 s`, `3 d 4 h`; whole seconds, cut and not rounded.

    Cut, since what is told here is mostly how long something still lasts.
    """
    if not math.isfinite(seconds):
        return "for ever" if seconds > 0 else "0 s"
    rest = max(0, int(seconds))
    first = next((place for place, (size, _) in enumerate(UNITS) if rest >= size), len(UNITS) - 1)
    parts = []
    for size, unit in UNITS[first : first + 2]:
        count, rest = divmod(rest, size)
        parts.append((count, unit))
    return " ".join(f"{count} {unit}" for count, unit in parts if count) or "0 s"
