"""The arithmetic behind one credential's schedule, step by step, with the policy's own figures."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rotator.core import policy
from rotator.core.model import EARLIEST_RENEWAL, rfc3339
from rotator.operate import durations

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rotator.core.model import BearerToken, CredentialSpec, Moment
    from rotator.core.observation import Failure, Observation, Surroundings


@dataclass(frozen=True, slots=True)
class Step:
    """One line of the calculation.

    Attributes:
        what: What is found.
        how: From which figures.
        value: What comes out.
    """

    what: str
    how: str
    value: str


def steps(spec: CredentialSpec, seen: Observation, around: Surroundings, now: Moment) -> list[Step]:
    """How the next mint of a credential is found, and what an outage would do until then."""
    best = policy.best_token(seen, now.elapsed)
    found = list(_renewal(spec, seen, best, now)) if best is not None else [_without_token(seen)]
    found += _holds(spec, seen, around, now)
    plan = policy.next_mint(spec, seen, around, now.elapsed)
    found.append(Step("next mint", f"because {plan.reason}", _when(plan.at, now)))
    if best is not None:
        left = best.remaining(now.elapsed)
        found.append(Step("outage budget", "the token's end - now: a provider may be away so long", _span(left)))
    interval = policy.look_interval(spec)
    own = _share(1 - interval / spec.recheck_interval)
    how = f"every {_span(interval)}: {_span(spec.recheck_interval)} less {own}, this credential's own spread"
    found.append(Step("source and sinks", how, _when(seen.looked_at + interval, now)))
    return found


def _without_token(seen: Observation) -> Step:
    known = policy.tokens(seen)
    if not known:
        return Step("token", "no sink holds one, and none has been minted", "none")
    stale = all(seen.inputs not in (None, token.inputs) for token in known)
    why = "it was minted from another client id, secret or scope" if stale else "its life is over"
    return Step("token", why, "none that is good")


def _renewal(spec: CredentialSpec, seen: Observation, best: BearerToken, now: Moment) -> Iterator[Step]:
    issued, life = best.issued.elapsed, best.lifetime
    yield Step("issued", f"token {best.fingerprint}, before its request was sent", _when(issued, now))
    yield Step("lifetime", "the smallest of expires_in, the JWT's exp - iat, and max_lifetime", _span(life))
    yield Step("expires", "issued + lifetime", _when(best.expires, now))
    how = f"renew_at = {spec.renew_at:g}"
    how += f", but never less than {spec.renewal_share:g} of a life" if spec.lead_is_clamped else ""
    yield Step("share of the lifetime", how, f"{spec.renewal_share:g}")
    share = policy.renewal_share(spec, best)
    if best.refresh_in is not None:
        hint = f"the provider hints at {best.refresh_in:g} s of {life:g} s"
        how = f"{hint}: taken from {EARLIEST_RENEWAL:g} on, and never above the share"
        yield Step("refresh_in", how, f"{share:g}")
    early = policy.SPREAD * policy.spread(spec.name, best.fingerprint)
    yield Step("spread", f"up to {policy.SPREAD:g}, by a hash of name and fingerprint", f"{early:.4f}")
    due = policy.renewal_due(spec, best)
    yield Step("renewal due", f"issued + {life:g} s * ({share:g} - {early:.4f})", _when(due, now))
    yield Step(
        "left at renewal",
        "expires - renewal due: an outage that begins then may last so long",
        _span(best.expires - due),
    )
    if seen.stalled_at >= due:
        left = best.expires - seen.stalled_at
        how = f"the provider handed out no better one when {_span(left)} were left: asked again when half of it is gone"
        yield Step("nothing better", how, _when(policy.renewal(spec, seen, best), now))


def _holds(spec: CredentialSpec, seen: Observation, around: Surroundings, now: Moment) -> Iterator[Step]:
    """What puts the mint off, of what is not over yet."""
    if around.provider_opens_at > now.elapsed:
        yield Step("Retry-After", "the provider wants no requests before", _when(around.provider_opens_at, now))
    again = seen.requested_at + policy.MINT_INTERVAL
    if again > now.elapsed:
        yield Step("interval", f"{_span(policy.MINT_INTERVAL)} between two tokens", _when(again, now))
    yield from _unseen(spec, seen, now)
    failure = seen.failure
    if failure is None:
        return
    ends = max(plan.at for plan in policy.holds(spec, seen, around, policy.best_token(seen, now.elapsed)))
    yield Step(
        "failures", f"{failure.row} in a row, the last {failure.count} {failure.code.text}", _when(failure.at, now)
    )
    if policy.is_parked(seen):
        how = f"parked: {_span(policy.PARKED_FIRST)} doubling to {_span(policy.PARKED_CAP)}; a changed secret ends it"
        yield Step("slow lane", how, _when(ends, now))
    elif failure.code.retryable:
        yield _backoff(failure, policy.remaining(seen, failure.at), ends, now)


def _unseen(spec: CredentialSpec, seen: Observation, now: Moment) -> Iterator[Step]:
    """Sinks that may well hold a good token are waited for, but not for ever."""
    failures = [one for one in policy.unseen(seen) if one.count < policy.FIRST_LOOKS]
    if failures and policy.best_token(seen, now.elapsed) is None and not seen.forced:
        how = f"{len(failures)} could not be read, and may hold a good token: waited for {policy.FIRST_LOOKS} looks"
        yield Step("unseen sinks", how, _when(max(policy.retry_due(spec, one, 0.0) for one in failures), now))


def _backoff(failure: Failure, left: float, ends: float, now: Moment) -> Step:
    figures = (
        f"{policy.RETRY_CAP:g} s",
        f"{policy.RETRY_SHARE:g} * {left:.0f} s left",
        f"{policy.RETRY_BASE:g} s * 2^{failure.count}",
    )
    ceiling = policy.retry_ceiling(failure, left)
    how = f"up to min({', '.join(figures)}) = {ceiling:.1f} s, by a hash; at least {policy.RETRY_FLOOR:g} s"
    return Step("backoff", how, _when(ends, now))


def _when(at: float, now: Moment) -> str:
    """A date, and how far off it is."""
    if not math.isfinite(at):
        return "at once"
    apart = at - now.elapsed
    relative = f"in {_span(apart)}" if apart >= 0 else f"{_span(-apart)} ago"
    return f"{rfc3339(now.at(at))}, {relative}"


def _share(share: float) -> str:
    return f"{100 * share:.1f} %"


def _span(seconds: float) -> str:
    """A duration for people: `4 min 12 s`."""
    if seconds < 10:  # noqa: PLR2004  tenths matter below
        return f"{seconds:.1f} s"
    return durations.span(seconds)
