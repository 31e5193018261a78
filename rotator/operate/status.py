"""How each credential is, as one value that page, API, metrics and commands are made from.

Nothing here does I/O. All instants are on the elapsed clock, until `rotator.operate.report` makes wall times of them.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from rotator.core import policy
from rotator.core.errors import Code
from rotator.core.observation import NEVER, Failure, Stage

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rotator.core.expiry import SecretEnd
    from rotator.core.model import BearerToken, CredentialSpec, Moment
    from rotator.core.observation import Observation, SinkView, Surroundings


class State(StrEnum):
    """How a credential is; the worst that applies, in the order in which a person should look at them."""

    EXPIRED = "expired"
    PARKED = "parked"
    FAILING = "failing"
    PENDING = "pending"
    FRESH = "fresh"


MEANING: Mapping[State, str] = {
    State.EXPIRED: "some consumer holds an expired token, or none",
    State.PARKED: "refused; a person, or a new secret, must mend it",
    State.FAILING: "the last attempt failed; it is tried again, and consumers are still served",
    State.PENDING: "not yet minted or delivered",
    State.FRESH: "every consumer holds a good token",
}


@dataclass(frozen=True, slots=True)
class Trouble:
    """A run of failures.

    Attributes:
        code: Of the last one.
        stage: Of the last one.
        detail: Of the last one, a sentence.
        since: When the first one was.
        at: When the last one was.
        attempts: How many there have been in a row.
        next_attempt: When the next one comes.
        parked: Whether only a person, or a new secret, can change it.
    """

    code: Code
    stage: Stage
    detail: str
    since: float
    at: float
    attempts: int
    next_attempt: float
    parked: bool


@dataclass(frozen=True, slots=True)
class SinkStatus:
    """One sink.

    Attributes:
        name: Kind and place.
        kind: `vault`, `file`, …
        token: What it holds, as far as is known.
        behind: Whether it holds something worse than the best token there is.
        trouble: Why it could not be written.
    """

    name: str
    kind: str
    token: BearerToken | None
    behind: bool
    trouble: Trouble | None


@dataclass(frozen=True, slots=True)
class CredentialStatus:
    """One credential.

    Attributes:
        spec: What the operator wants.
        required: Whether it counts for readiness.
        state: The worst that applies.
        token: The best token that is known, expired or not; None when none is.
        served_until: Until when every consumer is served: the end of the shortest-lived token in a sink; NEVER when
            one holds none.
        outage_budget: Seconds for which the provider could be away from now on without a consumer noticing, once
            every sink has what is in hand.
        next_mint: When the next token request may be sent, and why then.
        last_success: When the provider last gave a token, as far as is known; NEVER when it did not.
        trouble: Why the last mint failed.
        sinks: In the order of the configuration.
        secret: When the client secret ends, by the calendar; None where its source does not say.
    """

    spec: CredentialSpec
    required: bool
    state: State
    token: BearerToken | None
    served_until: float
    outage_budget: float
    next_mint: policy.Plan
    last_success: float
    trouble: Trouble | None
    sinks: tuple[SinkStatus, ...]
    secret: SecretEnd | None = None

    @property
    def name(self) -> str:
        """Its name."""
        return self.spec.name

    @property
    def provider(self) -> str:
        """The authorization server's name."""
        return self.spec.provider

    @property
    def worst(self) -> Trouble | None:
        """What a person should know of first: why it is not minted, else why some sink is not written."""
        return self.trouble or next((sink.trouble for sink in self.sinks if sink.trouble is not None), None)

    @property
    def attempts(self) -> int:
        """Failures in a row, of the mint or of the sink that fails most."""
        most = 0 if self.trouble is None else self.trouble.attempts
        for sink in self.sinks:
            if sink.trouble is not None:
                most = max(most, sink.trouble.attempts)
        return most


def of(
    spec: CredentialSpec,
    seen: Observation,
    around: Surroundings,
    now: float,
    *,
    kinds: Mapping[str, str],
    required: bool = True,
    broken: float | None = None,
) -> CredentialStatus:
    """How a credential is.

    Args:
        spec: What the operator wants.
        seen: What is known of it.
        around: What is known of its surroundings.
        now: A reading of the elapsed clock.
        kinds: The kind of each sink, by name, in the order of the configuration.
        required: Whether it counts for readiness.
        broken: Since when its passes break in a way that nobody foresaw; None when they do not.
    """
    best = policy.best_token(seen, now)
    known = policy.tokens(seen)
    next_mint = policy.planned(spec, seen, around, best, now)
    trouble = _mint_trouble(seen, next_mint, now, broken=broken)
    sinks = tuple([_sink(spec, name, kind, seen.sinks[name], best, now) for name, kind in kinds.items()])
    until = served_until(seen)
    return CredentialStatus(
        spec=spec,
        required=required,
        state=_state(seen, trouble, sinks, until, now),
        token=best or max(known, key=lambda one: one.expires, default=None),
        served_until=until,
        outage_budget=max(0.0, best.remaining(now)) if best is not None else 0.0,
        next_mint=next_mint,
        last_success=max([seen.requested_at, *[one.issued.elapsed for one in known]]),
        trouble=trouble,
        sinks=sinks,
        secret=seen.secret,
    )


def served_until(seen: Observation) -> float:
    """Until when every consumer is served: what the worst sink holds ends then. NEVER when one holds nothing."""
    ends = [NEVER if view.holds is None else view.holds.expires for view in seen.sinks.values()]
    return min(ends, default=NEVER)


def is_failing(seen: Observation) -> bool:
    """Whether the last mint, or the last look at or write to some sink, has failed."""
    return seen.failure is not None or any(view.failure is not None for view in seen.sinks.values())


def _state(seen: Observation, trouble: Trouble | None, sinks: Sequence[SinkStatus], until: float, now: float) -> State:
    troubles = [one for one in (trouble, *[sink.trouble for sink in sinks]) if one is not None]
    # What has not been looked at, and has not failed either, is at its very beginning.
    if seen.looked_at == NEVER or (until == NEVER and not troubles):
        return State.PENDING
    if until <= now:
        return State.EXPIRED
    if not troubles:
        return State.FRESH
    return State.PARKED if any(one.parked for one in troubles) else State.FAILING


def _mint_trouble(seen: Observation, next_mint: policy.Plan, now: float, *, broken: float | None) -> Trouble | None:
    failure = seen.failure
    if failure is None:
        if broken is None:
            return None
        failure = Failure(Code.INTERNAL, Stage.READ, Code.INTERNAL.meaning, 1, now, broken)
    return _trouble(failure, max(next_mint.at, now), parked=policy.is_parked(seen))


def _sink(
    spec: CredentialSpec, name: str, kind: str, view: SinkView, best: BearerToken | None, now: float
) -> SinkStatus:
    trouble = None
    if view.failure is not None:
        left = best.remaining(view.failure.at) if best is not None else 0.0
        again = policy.retry_sink(spec, view.failure, left)
        trouble = _trouble(view.failure, max(again, now), parked=not view.failure.code.retryable)
    return SinkStatus(name, kind, view.holds, best is not None and policy.is_behind(view, best), trouble)


def _trouble(failure: Failure, next_attempt: float, *, parked: bool) -> Trouble:
    return Trouble(
        code=failure.code,
        stage=failure.stage,
        detail=failure.detail,
        since=failure.since,
        at=failure.at,
        attempts=failure.row,
        next_attempt=next_attempt,
        parked=parked,
    )


@dataclass(frozen=True, slots=True)
class QuotaStatus:
    """What a provider grants, and what of it has been used since this rotator runs.

    Attributes:
        limit: Tokens within a span.
        span: Seconds.
        used: Tokens that the span which ends now has seen.
    """

    limit: int
    span: float
    used: int


@dataclass(frozen=True, slots=True)
class ProviderStatus:
    """An authorization server and the gate before it.

    Attributes:
        name: Of its table in the configuration.
        in_outage: Whether it has failed so often in a row that it is asked less.
        waiting: Credentials at its gate.
        in_flight: Credentials that have been let through.
        opens_at: Before this it asked for no requests (Retry-After); NEVER when it did not ask.
        quota: None when none is configured.
    """

    name: str
    in_outage: bool
    waiting: int
    in_flight: int
    opens_at: float
    quota: QuotaStatus | None = None


@dataclass(frozen=True, slots=True)
class VaultStatus:
    """The session with Vault.

    Attributes:
        address: Where it is.
        entered: Whether there has been a login, whatever came of it since.
        authenticated: Whether there is a token and Vault takes it, as far as is known.
        token_expires: When the token dies unless it is renewed; None without one; it may be infinite.
        trouble: Why Vault cannot be used; None when nothing is known to speak against it.
        detail: The same as a sentence.
        name: Of its table in [vaults]; empty for [vault].
    """

    address: str
    entered: bool
    authenticated: bool
    token_expires: float | None
    trouble: Code | None
    detail: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class Status:
    """How one rotator is.

    Attributes:
        version: Of the program.
        config: The configuration's file.
        now: When this was so.
        started: When the process started.
        faults: Why it is not healthy, a sentence each.
        unready: Why it is not ready, a sentence each.
        reloaded: Whether the configuration that was last offered is the one in force.
        clock_steps: How often the wall clock has been set.
        vault: The session with [vault].
        providers: In the order of the configuration.
        credentials: In the order of the configuration.
        vaults: The sessions with further ones, in the order of the configuration.
    """

    version: str
    config: str
    now: Moment
    started: Moment
    faults: tuple[str, ...]
    unready: tuple[str, ...]
    reloaded: bool
    clock_steps: int
    vault: VaultStatus
    providers: tuple[ProviderStatus, ...]
    credentials: tuple[CredentialStatus, ...]
    vaults: tuple[VaultStatus, ...] = ()

    def counts(self) -> dict[State, int]:
        """How many credentials are in each state."""
        found = Counter(credential.state for credential in self.credentials)
        return {state: found[state] for state in State}
