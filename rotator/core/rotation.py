"""One pass for one credential: look, decide, act, look again, until there is nothing left to do.

The pass does and never decides; `policy.decide` decides and never does. All state is one `Observation`. A failure of a
source, an endpoint or a sink becomes a `Failure` at one border, `_attempt`, and touches nothing else.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from rotator.core import policy
from rotator.core.chronicle import Chronicle
from rotator.core.errors import Code, RotationError, whence
from rotator.core.expiry import SecretEnd
from rotator.core.model import BearerToken, ClientCredentials, Moment, TokenRecord, fingerprint
from rotator.core.observation import NEVER, Failure, Observation, SinkView, Stage, Surroundings
from rotator.core.policy import Deliver, Mint, Reason, Wait

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from rotator.core.model import CredentialSpec, Grant
    from rotator.core.policy import Decision
    from rotator.core.ports import Clock, Journal, Sink, Source, TokenEndpoint

T = TypeVar("T")

FRESH_READ = 1.0
"""Seconds for which what the source has just said need not be asked again before a mint."""

FIRST_READ = 60.0
"""The same before a credential's very first mint, since in a cold start thousands wait at the gate for longer.

A secret that changes meanwhile is read at the next look, as at any other time (P45), or as soon as the one before is
refused (P14). What could not be read, or has been asked with already, is read anew all the same.
"""


def _nobody(_: Observation) -> None:
    """Nobody asks."""


class Rotation:
    """One credential: where its secret is, where its tokens come from and where they go.

    Args:
        spec: What the operator wants.
        source: Where the client credentials are.
        endpoint: Where tokens are minted.
        sinks: Where consumers find the token; their names are unique.
        clock: Time.
        journal: Where changes are told.
        settled: Told what is known at the end of each pass; neither waits nor raises.
    """

    __slots__ = (
        *("seen", "spec"),
        *("_clock", "_endpoint", "_minted", "_said", "_said_at", "_settled", "_sinks", "_source", "_told"),
    )

    def __init__(
        self,
        spec: CredentialSpec,
        source: Source,
        endpoint: TokenEndpoint,
        sinks: Sequence[Sink],
        clock: Clock,
        journal: Journal,
        settled: Callable[[Observation], None] = _nobody,
    ) -> None:
        self.spec = spec
        self.seen = Observation(sinks={sink.name: SinkView() for sink in sinks})
        self._source = source
        self._endpoint = endpoint
        self._sinks = tuple(sinks)
        self._clock = clock
        self._settled = settled
        self._told = Chronicle(spec, journal)
        self._said: ClientCredentials | RotationError | None = None
        self._said_at = NEVER
        self._minted: tuple[str, ...] = ()

    def force(self) -> None:
        """Ask for a mint in the next pass although none may be due."""
        self.seen = replace(self.seen, forced=True)

    def inherit(self, before: Rotation) -> None:
        """Take over what another rotation of the same credential had in hand: the configuration was changed."""
        self.seen = replace(self.seen, in_hand=before.seen.in_hand, requested_at=before.seen.requested_at)
        self._minted = before._minted
        self._told.inherit(before._told)

    def clock_was_set(self) -> None:
        """The wall clock was stepped: date the held token anew, so that the sinks get the true time of its end.

        How long a token lives that was minted here is known, whatever the clock says. One that was found in a sink has
        only its dates: if they were read by a clock that was behind, it lives shorter than was thought.
        """
        now = self._clock.now()
        best = policy.best_token(self.seen, now.elapsed)
        if best is None:
            return
        began = best.issued.elapsed
        if best.fingerprint not in self._minted:
            began = min(began, now.when(best.issued.wall).elapsed)
        issued = Moment(now.at(began), began)
        self.seen = replace(self.seen, in_hand=replace(best, issued=issued))

    @property
    def served_until(self) -> float:
        """Until when consumers are served, on the elapsed clock: what the queues are ordered by."""
        return max((token.expires for token in policy.tokens(self.seen)), default=NEVER)

    def is_due(self, around: Surroundings) -> bool:
        """Whether there is a token to mint or to deliver now, and not only something to look at."""
        return not isinstance(policy.decide(self.spec, self.seen, around, self._clock.elapsed()), Wait)

    async def run(self, around: Surroundings) -> Wait:
        """One pass: at most one mint, as many deliveries as are due.

        Returns:
            When to come back and why; and whether a token is due for which `around.may_mint` was not given.
        """
        if policy.look_due(self.spec, self.seen, around, self._clock.elapsed()):
            await self._look(around)
        while True:
            match policy.decide(self.spec, self.seen, around, self._clock.elapsed()):
                case Mint(reason):
                    await self._mint(reason, around)
                    around = replace(around, may_mint=False)
                case Deliver(token, names):
                    await self._deliver_to([sink for sink in self._sinks if sink.name in names], token, around)
                case Wait() as wait:
                    self._tell_expiry()
                    self._settled(self.seen)
                    return wait

    async def foresee(self, around: Surroundings) -> tuple[Decision, RotationError | None]:
        """What a pass would do first now, and why it could not read the credentials, if so: looks, and does nothing."""
        unreadable = await self._look(around)
        return policy.decide(self.spec, self.seen, around, self._clock.elapsed()), unreadable

    async def _look(self, around: Surroundings) -> RotationError | None:
        """Read the source and every sink; return why the source could not be read."""
        looks = (self._look_at(sink) for sink in self._sinks)
        # Together, so that a cancelled pass leaves no look behind that still runs.
        said, *_ = await asyncio.gather(self._read_source(), *looks)
        now = self._clock.elapsed()
        self.seen = replace(self.seen, looked_at=now)
        best = policy.best_token(self.seen, now)
        served = best is not None and policy.renewal(self.spec, self.seen, best) > now
        if served and policy.is_claimed(self.seen):
            self.seen = replace(self.seen, failure=None)
        if best is not None and best is not self.seen.in_hand:
            self._told.adopted(best, policy.next_mint(self.spec, self.seen, around, now), self._clock.now())
        return said if isinstance(said, RotationError) else None

    async def _look_at(self, sink: Sink) -> None:
        record = await self._attempt(sink.read())
        view = self.seen.sinks[sink.name]
        if not isinstance(record, RotationError):
            failure = view.failure if view.looked else None
            self._set_view(sink, SinkView(holds=self._known(record), looked=True, failure=failure))
        elif not record.code.retryable:
            self._sink_failed(sink, self._failure(record, Stage.DELIVER, view.failure))
        elif not view.looked:
            self._set_view(sink, replace(view, failure=self._failure(record, Stage.READ, view.failure)))

    def _known(self, record: TokenRecord | None) -> BearerToken | None:
        """The token of a record; its life as we know it when we have seen it before, whatever the wall clock did.

        One that is recorded as we would record it is the one we have: a token is in memory once, however many sinks
        hold it and however often they are looked at.
        """
        if record is None:
            return None
        for token in policy.tokens(self.seen):
            if token.fingerprint == record.fingerprint:
                if record == TokenRecord.of(token):
                    return token
                read = record.token(self._clock.now())
                issued = replace(read.issued, elapsed=token.issued.elapsed)
                return replace(read, issued=issued, lifetime=token.lifetime)
        return record.token(self._clock.now())

    async def _read_source(self) -> ClientCredentials | RotationError:
        """Read the credentials, or why there are none to mint from.

        While the store cannot be asked, those read last still serve. Once it says that they are gone, they do not.
        """
        read = await self._attempt(self._source.read())
        if isinstance(read, ClientCredentials):
            if self._is_news(read):
                self._take_inputs(read)
            self._said = read
        elif not (read.code.retryable and isinstance(self._said, ClientCredentials)):
            self._said = read
        self._said_at = self._clock.elapsed()
        return self._said

    def _take_inputs(self, read: ClientCredentials) -> None:
        inputs = self.spec.inputs(read)
        changed = self.seen.inputs not in (None, inputs)
        failure = self.seen.failure
        self.seen = replace(
            self.seen,
            inputs=inputs,
            inputs_changed_at=self._clock.elapsed() if changed else self.seen.inputs_changed_at,
            failure=None if failure is not None and failure.stage is Stage.READ else failure,
            secret=None if read.expires is None else SecretEnd(read.version, read.expires),
        )

    def _is_news(self, read: ClientCredentials) -> bool:
        """Whether the source says anything else than it said last, or says it after it could not be read."""
        said, failure = self._said, self.seen.failure
        return said != read or (failure is not None and failure.stage is Stage.READ)

    async def _mint(self, reason: Reason, around: Surroundings) -> None:
        said = await self._said_of_late(reason)
        if not around.may_mint and not policy.is_kept(self.seen, self._clock.elapsed()):
            return  # other credentials have just been read: a token that waited for its checks is not wanted any more
        grant = said if isinstance(said, RotationError) else await self._grant(said)
        if isinstance(grant, RotationError):
            self._mint_failed(grant, around, Stage.READ if grant is said else _stage(grant))
            if grant.code is Code.INVALID_CLIENT:
                # The secret may have been changed since it was read (P14). A new one is then asked with at once.
                await self._read_source()
        else:
            self._take(grant, reason, around)

    async def _said_of_late(self, reason: Reason) -> ClientCredentials | RotationError:
        """What the source has said, or says now where that was too long ago."""
        age = self._clock.elapsed() - self._said_at
        is_first = reason is Reason.ABSENT and self.seen.failure is None and isinstance(self._said, ClientCredentials)
        is_fresh = age < (FIRST_READ if is_first else FRESH_READ)
        return self._said if is_fresh and self._said is not None else await self._read_source()

    async def _grant(self, credentials: ClientCredentials) -> Grant | RotationError:
        """Ask with the first secret; with the next one only when the provider refuses the client itself."""
        first, *others = credentials.attempts()
        refusal = await self._attempt(self._endpoint.mint(first))
        for other in others:
            if not isinstance(refusal, RotationError) or refusal.code is not Code.INVALID_CLIENT:
                break
            answer = await self._attempt(self._endpoint.mint(other))
            if not isinstance(answer, RotationError):
                self._told.previous_secret()
            if not isinstance(answer, RotationError) or answer.code is not Code.INVALID_CLIENT:
                return answer
        return refusal

    def _take(self, grant: Grant, reason: Reason, around: Surroundings) -> None:
        """Take a minted token in hand, unless it is worse than the one held."""
        now = self._clock.now()
        minted, repeated = self._recognise(grant)
        if minted.expires <= now.elapsed:
            self.seen = replace(self.seen, requested_at=grant.issued.elapsed)
            error = RotationError(Code.EXPIRED_ON_ARRIVAL, "the provider handed out a token whose life is over")
            self._mint_failed(error, around, _stage(error))
            return
        if not repeated:
            self._minted = (*self._minted[-1:], minted.fingerprint)
        held = policy.best_token(self.seen, now.elapsed)
        better = held is None or (not repeated and minted.expires > held.expires)
        self.seen = replace(
            self.seen,
            in_hand=minted if better or repeated else self.seen.in_hand,
            requested_at=grant.issued.elapsed,
            stalled_at=self.seen.stalled_at if better else now.elapsed,
            failure=None,
            forced=False,
        )
        if held is not None and not better and not repeated:
            self._told.not_better(minted, held, now)
        plan = policy.next_mint(self.spec, self.seen, around, now.elapsed)
        self._told.minted(minted, reason, plan, now, repeated=repeated)

    def _recognise(self, grant: Grant) -> tuple[BearerToken, bool]:
        """The token of a grant, and whether it was known before: some servers hand out one token until its end.

        A token that is handed out again does not live longer than was said the first time, nor than is said now.
        """
        minted = BearerToken(
            access_token=grant.access_token,
            issued=grant.issued,
            lifetime=grant.lifetime,
            scope=grant.scope,
            inputs=self.seen.inputs or "",
            fingerprint=fingerprint(grant.access_token),
            refresh_in=grant.refresh_in,
        )
        known = {token.fingerprint: token for token in policy.tokens(self.seen)}.get(minted.fingerprint)
        if known is None:
            return minted, False
        if known.expires - minted.expires < policy.SAME_SECOND:
            return known, True
        # It was issued when it was first handed out: sinks would be written anew for the date of every answer.
        return replace(known, lifetime=minted.expires - known.issued.elapsed), True

    def _mint_failed(self, error: RotationError, around: Surroundings, stage: Stage) -> None:
        failure = self._failure(error, stage, self.seen.failure)
        self.seen = replace(self.seen, failure=failure, forced=False)
        now = self._clock.now()
        plan = policy.next_mint(self.spec, self.seen, around, now.elapsed)
        left = policy.remaining(self.seen, now.elapsed)
        self._told.mint_failed(failure, plan, left, now, parked=policy.is_parked(self.seen))

    async def _deliver_to(self, sinks: Sequence[Sink], token: BearerToken, around: Surroundings) -> None:
        """Deliver to each on its own; the task that takes is saved where there is but one."""
        first, *others = (self._deliver(sink, token, around) for sink in sinks)
        await (asyncio.gather(first, *others) if others else first)

    async def _write(self, sink: Sink, token: BearerToken) -> TokenRecord | RotationError:
        """Write a token; where one of ours stays for the dates of a clock that was set back since, date that one first.

        The clock is found to be wrong within a second, in which a mint may fall.
        """
        record = TokenRecord.of(token)
        written = await self._attempt(sink.write(record))
        dated = None if isinstance(written, RotationError) else self._dated_anew(written)
        if dated is None:
            return written
        again = await self._attempt(sink.write(dated))
        return again if isinstance(again, RotationError) else await self._attempt(sink.write(record))

    def _dated_anew(self, written: TokenRecord) -> TokenRecord | None:
        """A record of a token minted here, by the clock as it is now; None where its dates are no later than that."""
        now = self._clock.now()
        for token in policy.tokens(self.seen):
            if token.fingerprint == written.fingerprint and token.fingerprint in self._minted:
                issued = Moment(now.at(token.issued.elapsed), token.issued.elapsed)
                dated = TokenRecord.of(replace(token, issued=issued))
                ahead = (written.expires_at - dated.expires_at).total_seconds()
                return dated if ahead > policy.SAME_EXPIRY else None
        return None

    async def _deliver(self, sink: Sink, token: BearerToken, around: Surroundings) -> None:
        written = await self._write(sink, token)
        before = self.seen.sinks[sink.name].failure
        if isinstance(written, RotationError):
            self._sink_failed(sink, self._failure(written, Stage.DELIVER, before))
            return
        mine = written.fingerprint == token.fingerprint
        view = SinkView(holds=token if mine else self._known(written), looked=True)
        if policy.is_behind(view, token):
            # It is kept for dates that a clock gave it which was ahead. Trying again at once would change nothing.
            error = RotationError(Code.SINK_CONFLICT, "it holds a token that ends sooner than its dates say")
            self._set_view(sink, replace(view, failure=before))
            self._sink_failed(sink, self._failure(error, Stage.DELIVER, before))
            return
        self._set_view(sink, view)
        if before is not None and before.stage is Stage.DELIVER:
            self._told.sink_recovered(sink, before)
        if mine:
            self._told.delivered(sink, token)
        else:
            now = self._clock.now()
            plan = policy.next_mint(self.spec, self.seen, around, now.elapsed)
            self._told.adopted(written.token(now), plan, now)

    def _sink_failed(self, sink: Sink, failure: Failure) -> None:
        view = replace(self.seen.sinks[sink.name], failure=failure)
        self._set_view(sink, view)
        now = self._clock.now()
        left = policy.remaining(self.seen, now.elapsed)
        self._told.delivery_failed(sink, failure, policy.retry_sink(self.spec, failure, left), left, now)

    def _tell_expiry(self) -> None:
        now = self._clock.elapsed()
        if policy.best_token(self.seen, now) is None:
            last = max(policy.tokens(self.seen), key=lambda token: token.expires, default=None)
            if last is not None and last.expires <= now:
                self._told.expired(last, self._clock.now())
        if self.seen.secret is not None:
            self._told.secret_ends(self.seen.secret, self._clock.now())

    def _failure(self, error: RotationError, stage: Stage, before: Failure | None) -> Failure:
        now = self._clock.elapsed()
        again = before is not None and (before.code, before.stage) == (error.code, stage)
        return Failure(
            code=error.code,
            stage=stage,
            detail=error.detail,
            count=before.count + 1 if before is not None and again else 1,
            at=now,
            since=before.since if before is not None else now,
            row=before.row + 1 if before is not None else 1,
            inputs=self.seen.inputs,
            ambiguous=error.ambiguous,
            kept_until=NEVER if error.kept_until is None else error.kept_until,
            not_before=NEVER if error.retry_after is None else now + error.retry_after,
        )

    def _set_view(self, sink: Sink, view: SinkView) -> None:
        if view != self.seen.sinks[sink.name]:
            self.seen = replace(self.seen, sinks={**self.seen.sinks, sink.name: view})

    @staticmethod
    async def _attempt(work: Awaitable[T]) -> T | RotationError:
        """The one border at which exceptions become values."""
        try:
            return await work
        except RotationError as error:
            return error
        except Exception as error:  # noqa: BLE001  a bug in one place must not end the passes of all others
            return RotationError(Code.INTERNAL, whence(error))


def _stage(error: RotationError) -> Stage:
    """Where a failed mint failed, by what its code is about."""
    name = error.code.name
    if name.startswith(("VAULT_", "SECRET_", "MOUNT_", "FILE_")):
        return Stage.READ
    if name.startswith(("ANSWER_", "TOKEN_", "LIFETIME_", "SCOPE_", "EXPIRED_", "VERIFY_")):
        return Stage.VERIFY
    return Stage.GRANT
