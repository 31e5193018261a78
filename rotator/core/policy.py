"""When to mint, when to deliver, when to come back, and why: pure functions of what was observed.

`decide` is the only place that answers "is it due?" and "when do I come back?". Nothing here reads a clock, draws a
random number, logs or does I/O: the same question always gets the same answer. `now` and all instants are seconds on
the elapsed clock.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from operator import attrgetter
from typing import TYPE_CHECKING, NamedTuple

from rotator.core.errors import Code
from rotator.core.model import EARLIEST_RENEWAL
from rotator.core.observation import NEVER, Failure, Observation, SinkView, Stage, Surroundings

if TYPE_CHECKING:
    from rotator.core.model import BearerToken, CredentialSpec

SPREAD = 0.1
"""Share of the lifetime over which renewals are spread, one-sided and early, so that equal tokens part company."""

LOOK_SPREAD = 0.25
"""Share of `recheck_interval` by which looks come earlier, for each credential by its own part of it.

Five hundred that looked in the same second, every minute, held up mints that fell due just then by more than two.
"""

MINT_INTERVAL = 5.0
"""Seconds between two tokens of one credential, however short they live."""

RETRY_BASE, RETRY_FLOOR, RETRY_CAP, RETRY_SHARE = 1.0, 2.0, 30.0, 0.1
"""Backoff after a failure that may pass: doubles from the base; never above the cap or a tenth of the life left."""

PARKED_FIRST, PARKED_CAP, PARKED_LOOK = 60.0, 300.0, 5.0
"""The slow lane after a refusal: 60 s doubling to 5 min, looking for a changed secret every 5 s."""

FRESH_SECRET_GRACE, FRESH_SECRET_RETRY = 120.0, 10.0
"""Seconds for which a refusal of a secret that has just changed counts as passing, and between tries meanwhile.

Some providers need up to two minutes until every node of theirs knows a new secret.
"""

FIRST_LOOKS = 3
"""So many failed looks at a sink are waited for before a token is minted that the sink may well hold."""

SAME_EXPIRY = 2.0
"""Two wall times of one token that differ by more than this many seconds mean that the wall clock was set."""

SAME_SECOND = 1.0
"""Two tokens that were issued and that end less than this many seconds apart are equally good.

Records carry whole seconds. A sink that holds either is left alone, or two rotators that minted in the same second
would replace each other's token for ever.
"""

UNDER_WAY = 1024
"""So many answers of `spread` are kept: a pass asks for the same two a dozen times, and few passes run at once."""


class Reason(StrEnum):
    """Why a decision was taken; what logs, metrics and tests see."""

    ABSENT = "absent"
    INPUTS_CHANGED = "inputs_changed"
    NEARING_EXPIRY = "nearing_expiry"
    SINK_BEHIND = "sink_behind"
    FORCED = "forced"
    NOT_DUE = "not_due"
    BACKING_OFF = "backing_off"
    PARKED = "parked"
    THROTTLED = "throttled"


@dataclass(frozen=True, slots=True)
class Mint:
    """Ask the provider for a token now."""

    reason: Reason


@dataclass(frozen=True, slots=True)
class Deliver:
    """Write this token to these sinks now."""

    token: BearerToken
    sinks: tuple[str, ...]
    reason: Reason = Reason.SINK_BEHIND


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing to do before `until`, unless a token is due and only leave to mint is missing: `wants_mint`."""

    until: float
    reason: Reason
    wants_mint: bool = False


Decision = Mint | Deliver | Wait

_at, _expires = attrgetter("at"), attrgetter("expires")


class Plan(NamedTuple):
    """The next mint: when it may happen, and why then."""

    at: float
    reason: Reason


def decide(spec: CredentialSpec, seen: Observation, around: Surroundings, now: float) -> Decision:
    """The next thing to do for one credential."""
    best = best_token(seen, now)
    plan = planned(spec, seen, around, best, now)
    if plan.at <= now and (around.may_mint or is_kept(seen, now)):
        return Mint(plan.reason)
    retries = {} if best is None else _deliveries(spec, seen, best, around)
    due = tuple(name for name, at in retries.items() if at <= now)
    if best is not None and due:
        return Deliver(best, due)
    wants_mint = plan.at <= now
    wakes = [_next_look(spec, seen, plan), *retries.values()]
    if not wants_mint:
        wakes.append(plan.at)
    if best is not None and (wants_mint or plan.at > best.expires):
        wakes.append(best.expires)
    return Wait(max(now, min(wakes)), Reason.THROTTLED if wants_mint else _why_not(plan), wants_mint)


def is_kept(seen: Observation, now: float) -> bool:
    """Whether a token waits for its checks, so that the next attempt asks the provider for none and needs no leave.

    At the gate those whose checks hang would stand in the way of those that need a token.
    """
    failure = seen.failure
    return failure is not None and failure.inputs == seen.inputs and now < failure.kept_until


def _why_not(plan: Plan) -> Reason:
    """Why no token is minted now, given a plan for later."""
    held_back = plan.reason in {Reason.BACKING_OFF, Reason.PARKED, Reason.THROTTLED}
    return plan.reason if held_back else Reason.NOT_DUE


def best_token(seen: Observation, now: float) -> BearerToken | None:
    """The token to live by: of those that are still good and were minted from today's inputs, the longest-lived."""
    good = [t for t in tokens(seen) if t.expires > now and seen.inputs in (None, t.inputs)]
    return max(good, key=_expires, default=None)


def tokens(seen: Observation) -> list[BearerToken]:
    """Every token that is known, each once. What is known of the one in hand outweighs what sinks say of it."""
    known = {view.holds.fingerprint: view.holds for view in seen.sinks.values() if view.holds is not None}
    if seen.in_hand is not None:
        known[seen.in_hand.fingerprint] = seen.in_hand
    return list(known.values())


def remaining(seen: Observation, now: float) -> float:
    """Seconds for which consumers are still served, by whatever token; 0 when none is good."""
    return max((token.remaining(now) for token in tokens(seen) if token.expires > now), default=0.0)


def next_mint(spec: CredentialSpec, seen: Observation, around: Surroundings, now: float) -> Plan:
    """When the next token request may be sent, and why not before."""
    return planned(spec, seen, around, best_token(seen, now), now)


def planned(
    spec: CredentialSpec, seen: Observation, around: Surroundings, best: BearerToken | None, now: float
) -> Plan:
    """The same, for who knows the best token already."""
    wanted = _wanted(spec, seen, best)
    held = max(holds(spec, seen, around, best), key=_at)
    if wanted.at >= held.at:
        return wanted
    # Nothing holds back once its time has come: what is left to tell is why the token is wanted.
    return held if held.at > now else Plan(held.at, wanted.reason)


def _wanted(spec: CredentialSpec, seen: Observation, best: BearerToken | None) -> Plan:
    if seen.forced:
        return Plan(NEVER, Reason.FORCED)
    if best is not None:
        return Plan(renewal(spec, seen, best), Reason.NEARING_EXPIRY)
    known = tokens(seen)
    if not known:
        return Plan(NEVER, Reason.ABSENT)
    expired = any(seen.inputs in (None, token.inputs) for token in known)
    return Plan(NEVER, Reason.NEARING_EXPIRY if expired else Reason.INPUTS_CHANGED)


def renewal(spec: CredentialSpec, seen: Observation, best: BearerToken) -> float:
    """When a successor of the token is wanted: when it is due or, where nothing better was handed out then, later."""
    due = renewal_due(spec, best)
    if seen.stalled_at < due:
        return due
    # The provider handed out nothing better last time. Ask again when half of what was left then is gone, so that
    # a server which caches its tokens is asked seldom early and often towards the end.
    left = best.expires - seen.stalled_at
    return min(best.expires, seen.stalled_at + max(MINT_INTERVAL, left / 2))


def renewal_due(spec: CredentialSpec, token: BearerToken) -> float:
    """When a token's successor is due: at its share of the life or, by its share of the spread, a little earlier."""
    early = SPREAD * spread(spec.name, token.fingerprint)
    return token.issued.elapsed + token.lifetime * (renewal_share(spec, token) - early)


def shortest_interval(share: float, lifetime: float) -> float:
    """Seconds between two renewals of one credential at least, were each of them early by the whole spread.

    Args:
        share: See `CredentialSpec.renewal_share`.
        lifetime: Seconds.
    """
    return max(MINT_INTERVAL, lifetime * (share - SPREAD))


def renewal_share(spec: CredentialSpec, token: BearerToken) -> float:
    """The share of a token's life after which its successor is wanted: `renew_at`, or sooner where the provider hints.

    A hint pulls it forward to half of the life at most, as `renew_at` itself does, and never puts it off.
    """
    if token.refresh_in is None:
        return spec.renewal_share
    return min(spec.renewal_share, max(EARLIEST_RENEWAL, token.refresh_in / token.lifetime))


@lru_cache(maxsize=UNDER_WAY)
def spread(*parts: str) -> float:
    """A number from 0 up to but not including 1 that is always the same for the same parts, and even over many."""
    digest = hashlib.sha256("\0".join(parts).encode()).digest()
    return int.from_bytes(digest[:6]) / 2**48


def holds(spec: CredentialSpec, seen: Observation, around: Surroundings, best: BearerToken | None) -> list[Plan]:
    """What forbids a token request, and until when; also what is over. `best` is the token to live by, if any."""
    found = [
        Plan(around.provider_opens_at, Reason.THROTTLED),
        Plan(seen.requested_at + MINT_INTERVAL, Reason.THROTTLED),
        _retry(spec, seen, around),
    ]
    if best is None and not seen.forced:
        found += [
            Plan(retry_due(spec, failure, 0.0), Reason.BACKING_OFF)
            for failure in unseen(seen)
            if failure.count < FIRST_LOOKS
        ]
    return found


def unseen(seen: Observation) -> list[Failure]:
    """Why sinks that may well hold a good token could not be looked at yet."""
    failures = [view.failure for view in seen.sinks.values() if not view.looked]
    return [failure for failure in failures if failure is not None and failure.code.retryable]


def _retry(spec: CredentialSpec, seen: Observation, around: Surroundings) -> Plan:
    failure = seen.failure
    if failure is None or seen.forced or failure.inputs != seen.inputs:
        return Plan(NEVER, Reason.BACKING_OFF)
    if is_parked(seen):
        return Plan(_parked_until(spec, failure), Reason.PARKED)
    if not failure.code.retryable:
        return Plan(failure.at + FRESH_SECRET_RETRY, Reason.BACKING_OFF)
    if failure.at < _recovered(failure, around):
        return Plan(NEVER, Reason.BACKING_OFF)
    return Plan(max(failure.not_before, retry_due(spec, failure, remaining(seen, failure.at))), Reason.BACKING_OFF)


def is_parked(seen: Observation) -> bool:
    """Whether the last mint was refused in a way that only a person, or a new secret, can change."""
    failure = seen.failure
    if failure is None or failure.code.retryable:
        return False
    young = failure.at - seen.inputs_changed_at < FRESH_SECRET_GRACE
    return not (failure.code is Code.INVALID_CLIENT and young)


def _recovered(failure: Failure, around: Surroundings) -> float:
    from_store = failure.stage in (Stage.READ, Stage.DELIVER)
    return around.store_recovered_at if from_store else around.provider_recovered_at


def retry_due(spec: CredentialSpec, failure: Failure, left: float) -> float:
    """When to try again after a failure that may pass, `left` seconds of life being left when it happened.

    Full jitter, derived and not drawn: anywhere between the floor and the doubled base, under the cap.
    """
    drawn = retry_ceiling(failure, left) * spread(spec.name, failure.stage, str(failure.count))
    return failure.at + max(RETRY_FLOOR, drawn)


def retry_ceiling(failure: Failure, left: float) -> float:
    """The longest pause before the next try, in seconds."""
    return min(RETRY_CAP, left * RETRY_SHARE, RETRY_BASE * 2.0 ** min(failure.count, 16))


def _parked_until(spec: CredentialSpec, failure: Failure) -> float:
    ceiling = min(PARKED_CAP, PARKED_FIRST * 2.0 ** min(failure.count - 1, 16))
    drawn = ceiling * (0.5 + 0.5 * spread(spec.name, failure.stage, str(failure.count)))
    return failure.at + max(PARKED_FIRST, drawn)


def _deliveries(spec: CredentialSpec, seen: Observation, best: BearerToken, around: Surroundings) -> dict[str, float]:
    """The sinks that do not hold the best token, and when each is next written to."""
    return {name: _delivery_due(spec, view, best, around) for name, view in seen.sinks.items() if is_behind(view, best)}


def is_behind(view: SinkView, best: BearerToken) -> bool:
    """Whether a sink holds a worse token than `best`, or the same one dated by a wall clock that has since been set."""
    held = view.holds
    if held is None:
        return True
    if held.fingerprint != best.fingerprint:
        outlives = best.expires - held.expires
        newer = outlives > -SAME_SECOND and best.issued.elapsed - held.issued.elapsed >= SAME_SECOND
        return held.inputs != best.inputs or outlives >= SAME_SECOND or newer
    apart = (held.issued.wall - best.issued.wall).total_seconds() + held.lifetime - best.lifetime
    return abs(apart) > SAME_EXPIRY


def _delivery_due(spec: CredentialSpec, view: SinkView, best: BearerToken, around: Surroundings) -> float:
    failure = view.failure
    if failure is None or failure.at < _recovered(failure, around):
        return NEVER
    return retry_sink(spec, failure, best.remaining(failure.at))


def retry_sink(spec: CredentialSpec, failure: Failure, left: float) -> float:
    """When a sink that failed is written to again, `left` seconds of life being left when it did."""
    return retry_due(spec, failure, left) if failure.code.retryable else _parked_until(spec, failure)


def _next_look(spec: CredentialSpec, seen: Observation, plan: Plan | None) -> float:
    """When source and sinks are looked at again although nothing else is due.

    A parked credential looks often, so that a repaired secret is found within seconds. The plan for the next mint does
    not matter while no mint has failed.
    """
    interval = look_interval(spec)
    if plan is not None and plan.reason is Reason.PARKED:
        interval = min(PARKED_LOOK, interval)
    retries = [retry_due(spec, failure, 0.0) for failure in unseen(seen)]
    if plan is not None and is_claimed(seen) and not _looked_since(seen):
        retries.append(plan.at)
    return min([seen.looked_at + interval, *retries])


def _looked_since(seen: Observation) -> bool:
    """Whether there has been a look since the last failed attempt at a mint."""
    return seen.failure is not None and seen.looked_at > seen.failure.at


def is_claimed(seen: Observation) -> bool:
    """Whether another rotator was getting the token when this one wanted to: what it got will be in the sinks."""
    return seen.failure is not None and seen.failure.code is Code.GRANT_CLAIMED


def look_interval(spec: CredentialSpec) -> float:
    """Seconds between two looks at the source and the sinks of a credential: `recheck_interval` or somewhat less."""
    return spec.recheck_interval * (1.0 - LOOK_SPREAD * spread(spec.name, "look"))


def look_due(spec: CredentialSpec, seen: Observation, around: Surroundings, now: float) -> bool:
    """Whether source and sinks are to be looked at now."""
    if seen.looked_at < around.store_recovered_at:
        return True
    plan = None if seen.failure is None else next_mint(spec, seen, around, now)
    return _next_look(spec, seen, plan) <= now
