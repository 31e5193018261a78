"""Which tokens nobody needs any more, because every sink holds a newer one: what may be revoked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rotator.core import policy

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rotator.core.model import BearerToken
    from rotator.core.observation import Observation


def superseded(known: Iterable[BearerToken], seen: Observation, now: float) -> list[BearerToken]:
    """Those of the tokens known before that still live, and that no sink holds: each of them holds the best one.

    While one sink is behind, or has never been looked at, there is none: its consumers may well have what it holds. A
    token that is handed out, or found, again is the best one, or it is held somewhere.

    Args:
        known: Tokens that were in hand, or in a sink, at any time before.
        seen: What is known now.
        now: Seconds on the elapsed clock.
    """
    best = policy.best_token(seen, now)
    held = [None if view.holds is None else view.holds.fingerprint for view in seen.sinks.values()]
    if best is None or any(fingerprint != best.fingerprint for fingerprint in held):
        return []
    needed = {token.fingerprint for token in policy.tokens(seen)}
    return [token for token in known if token.expires > now and token.fingerprint not in needed]
