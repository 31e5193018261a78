"""Everything that a decision about one credential may look at, gathered into values.

An `Observation` is never changed; each step of a pass makes the next one with `dataclasses.replace`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rotator.core.errors import Code
    from rotator.core.expiry import SecretEnd
    from rotator.core.model import BearerToken

NEVER = float("-inf")
"""A reading of the elapsed clock that lies before every other."""


class Stage(StrEnum):
    """Where in a pass a failure arose."""

    READ = "read"
    GRANT = "grant"
    VERIFY = "verify"
    DELIVER = "deliver"


@dataclass(frozen=True, slots=True)
class Failure:
    """A run of failures without a success in between.

    Attributes:
        code: Of the last one.
        stage: Of the last one.
        detail: Of the last one; a sentence for people, without secrets.
        count: How many in a row have had this code, from 1.
        at: When the last one was known, on the elapsed clock.
        since: When the first one was, whatever its code.
        row: How many in a row there have been, whatever their codes, from 1.
        inputs: What the attempt was made from, so that a repaired secret is told from the refused one.
        ambiguous: Whether the last one had sent a request whose outcome is not known.
        kept_until: Until when the endpoint keeps a token that waits for its checks; NEVER when it keeps none.
        not_before: Until when the other side asked to be left alone (Retry-After); NEVER when it did not.
    """

    code: Code
    stage: Stage
    detail: str
    count: int
    at: float
    since: float
    row: int = 1
    inputs: str | None = None
    ambiguous: bool = False
    kept_until: float = NEVER
    not_before: float = NEVER


@dataclass(frozen=True, slots=True)
class SinkView:
    """What is known of one sink.

    Attributes:
        holds: The token last seen in it or written to it.
        looked: Whether a look at it has ever succeeded.
        failure: Why the last write, or the first look, did not succeed.
    """

    holds: BearerToken | None = None
    looked: bool = False
    failure: Failure | None = None


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What is known beyond the one credential. All times are on the elapsed clock.

    Attributes:
        provider_opens_at: Before this the provider asked for no requests (Retry-After).
        provider_recovered_at: When the provider last answered again after an outage.
        store_recovered_at: When Vault last answered again after an outage.
        may_mint: Whether the provider's gate has let this pass through for one token request.
    """

    provider_opens_at: float = NEVER
    provider_recovered_at: float = NEVER
    store_recovered_at: float = NEVER
    may_mint: bool = True


@dataclass(frozen=True, slots=True)
class Observation:
    """What is known of one credential. All times are on the elapsed clock.

    Attributes:
        inputs: Digest of what a token would be minted from now; None until the source has been read.
        inputs_changed_at: When a change of the inputs was seen while running.
        in_hand: The token last minted, or re-dated after a step of the wall clock.
        sinks: Per sink, by name.
        failure: Why the last mint did not succeed; None after a success.
        requested_at: When the last successful token request was sent.
        stalled_at: When the provider last answered with a token no better than the one held.
        looked_at: When source and sinks were last looked at.
        forced: Whether a mint was asked for although none may be due.
        secret: When the client secret ends, by the calendar; None where its source does not say.
    """

    inputs: str | None = None
    inputs_changed_at: float = NEVER
    in_hand: BearerToken | None = None
    sinks: Mapping[str, SinkView] = field(default_factory=dict)
    failure: Failure | None = None
    requested_at: float = NEVER
    stalled_at: float = NEVER
    looked_at: float = NEVER
    forced: bool = False
    secret: SecretEnd | None = None
