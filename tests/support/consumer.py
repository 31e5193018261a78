"""A token as whoever uses it sees it."""

from __future__ import annotations

import base64
import json

SIGNATURE = 342
"""Characters of an RS256 signature by a key of 2048 bits."""


def expiry(token: str) -> float:
    """When a JWT ends, POSIX seconds. Its signature is not checked but for its length, which tells a torn one.

    Raises:
        ValueError: It is not whole.
    """
    parts = token.split(".")
    if len(parts) != 3 or len(parts[2]) != SIGNATURE:
        raise ValueError("a torn token")
    return float(json.loads(base64.urlsafe_b64decode(parts[1] + "=="))["exp"])
