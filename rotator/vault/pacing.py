"""When the keeper of the Vault token acts: figures, and pure functions of them. Jitter is derived, not drawn."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from rotator.core.errors import Code

if TYPE_CHECKING:
    from rotator.core.errors import RotationError

TICK = 1.0
"""Seconds between two looks at what is due; bounds how late a replaced token file is seen."""

FLOOR, CAP = 1.0, 4.0
"""Seconds from the start of one attempt to the start of the next: a Vault that is back is seen within 5 s, because an
attempt that finds nobody ends after 3 s (`transport.CONNECT_TIMEOUT`) and a success follows at once."""

REFUSALS = frozenset({Code.VAULT_LOGIN_REFUSED, Code.VAULT_WRAP_SPENT})
"""What a login fails with that only a person, or another secret, can mend."""

SLOW_LANE = 60.0
"""Seconds between two logins that Vault refuses. Not less: servers lock a role out after some failures in a row. A
replaced secret file ends the wait at once."""

RENEW_AT, SPREAD = 2 / 3, 0.1
"""Share of its life after which a token is renewed, and the share by which it may be earlier."""

SHORTENED = 0.9
"""A renewal that gives less than this share of the first lifetime has met the token's max TTL: log in next (V11)."""


def wait_after(error: RotationError, failures: int, salt: str) -> float:
    """Seconds from the start of a failed attempt to the start of the next.

    Args:
        error: Why it failed.
        failures: How many have failed in a row, from 1.
        salt: What tells this daemon's waits from another's.
    """
    if error.code in REFUSALS:
        return SLOW_LANE
    backoff = min(CAP, FLOOR * 2.0 ** min(failures - 1, 10))
    return max(FLOOR, backoff * (1 - SPREAD * share(f"{salt} {failures}")), error.retry_after or 0.0)


def renewal_share(salt: str) -> float:
    """The share of a token's life after which it is renewed: two thirds, up to a tenth earlier."""
    return RENEW_AT - SPREAD * share(salt)


def share(text: str) -> float:
    """From 0 to 1, the same for the same text."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4]) / 0xFFFFFFFF
