"""Which changes of one credential are told, and how: one line per change of state, none for "nothing due"."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rotator.core import expiry
from rotator.core.observation import Failure, Stage

if TYPE_CHECKING:
    from datetime import datetime

    from rotator.core.expiry import SecretEnd
    from rotator.core.model import BearerToken, CredentialSpec, Moment
    from rotator.core.policy import Plan, Reason
    from rotator.core.ports import Journal, Sink


class Chronicle:
    """Tells the journal about one credential, and remembers what has been told."""

    __slots__ = ("_adopted", "_clamp_told", "_ends", "_expired", "_failing", "_journal", "_spec")

    def __init__(self, spec: CredentialSpec, journal: Journal) -> None:
        self._spec = spec
        self._journal = journal
        self._adopted: str | None = None
        self._expired: str | None = None
        self._ends = expiry.NOTHING_TOLD
        self._clamp_told = False
        self._failing: tuple[Failure, bool] | None = None

    def minted(self, token: BearerToken, reason: Reason, next_mint: Plan, now: Moment, *, repeated: bool) -> None:
        """A token has been minted; `repeated` when the provider handed out one that was known already."""
        self._tell(
            "token.minted",
            provider=self._spec.provider,
            reason=reason,
            expires_at=now.at(token.expires),
            lifetime_s=token.lifetime,
            next_mint_at=_ahead(next_mint.at, now),
            fingerprint=token.fingerprint,
            **({"repeated": True} if repeated else {}),
        )
        if self._failing is not None:
            self._tell("credential.recovered", after=self._failing[0].code.text)
            self._failing = None
        if self._spec.lead_is_clamped and not self._clamp_told:
            self._clamp_told = True
            self._tell("credential.lead_clamped", renew_at=self._spec.renew_at, applied=self._spec.renewal_share)

    def not_better(self, token: BearerToken, held: BearerToken, now: Moment) -> None:
        """A minted token expires sooner than the one that consumers have; it is not delivered."""
        self._tell(
            "token.rejected",
            error="expires_sooner",
            stage=Stage.VERIFY,
            fingerprint=token.fingerprint,
            expires_at=now.at(token.expires),
            kept=held.fingerprint,
            kept_expires_at=now.at(held.expires),
        )

    def adopted(self, token: BearerToken, next_mint: Plan, now: Moment) -> None:
        """A token found in a sink is good; told once per token."""
        if self._adopted == token.fingerprint:
            return
        self._adopted = token.fingerprint
        self._tell(
            "token.adopted",
            fingerprint=token.fingerprint,
            expires_at=now.at(token.expires),
            remaining_s=round(token.remaining(now.elapsed), 1),
            next_mint_at=_ahead(next_mint.at, now),
        )

    def previous_secret(self) -> None:
        """The newest client secret was refused and an older one was accepted."""
        self._tell(
            "credential.previous_secret",
            provider=self._spec.provider,
            cure="The provider does not accept client_secret yet, or it is wrong; client_secret_previous still works.",
        )

    def mint_failed(self, failure: Failure, next_mint: Plan, left: float, now: Moment, *, parked: bool) -> None:
        """A mint did not succeed. Further failures of the same kind are told at debug level only."""
        before, self._failing = self._failing, (failure, parked)
        fields = self._failure(failure, next_mint.at, left, now, retryable=not parked)
        if before is not None and (before[0].code, before[1]) == (failure.code, parked):
            self._tell("token.mint_retried", **fields)
        elif failure.stage is Stage.VERIFY:
            self._tell("token.rejected", cure=failure.code.cure, **fields)
        else:
            self._tell("credential.rejected" if parked else "token.mint_failed", cure=failure.code.cure, **fields)

    def delivered(self, sink: Sink, token: BearerToken) -> None:
        """A sink holds the token."""
        self._tell("token.delivered", sink=sink.name, sink_kind=sink.kind, fingerprint=token.fingerprint)

    def delivery_failed(self, sink: Sink, failure: Failure, next_at: float, left: float, now: Moment) -> None:
        """A sink could not be written. Only the first of a run of equal failures is told above debug level."""
        fields = self._failure(failure, next_at, left, now, retryable=failure.code.retryable)
        event = "token.delivery_failed" if failure.count == 1 else "token.delivery_retried"
        self._tell(event, sink=sink.name, sink_kind=sink.kind, cure=failure.code.cure, **fields)

    def sink_recovered(self, sink: Sink, failure: Failure) -> None:
        """A sink that had failed has been written."""
        self._tell("credential.recovered", after=failure.code.text, sink=sink.name, attempts=failure.count + 1)

    def expired(self, token: BearerToken, now: Moment) -> None:
        """Consumers hold an expired token; told once per token."""
        if self._expired == token.fingerprint:
            return
        self._expired = token.fingerprint
        self._tell("token.expired", fingerprint=token.fingerprint, expires_at=now.at(token.expires))

    def secret_ends(self, end: SecretEnd, now: Moment) -> None:
        """The source says when the client secret ends; told when one of `expiry.DAYS` has been reached."""
        within, self._ends = self._ends.look(end, now.wall)
        if within is not None:
            self._tell(
                "credential.expiring",
                provider=self._spec.provider,
                expires_at=end.at,
                days_left=round(end.days_left(now.wall), 1),
                within_days=within,
                cure=expiry.CURE,
            )

    def inherit(self, before: Chronicle) -> None:
        """Take over what has been told of the client secret: a changed configuration makes no news of it."""
        self._ends = before._ends

    def _failure(
        self, failure: Failure, next_at: float, left: float, now: Moment, *, retryable: bool
    ) -> dict[str, object]:
        return {
            "provider": self._spec.provider,
            "stage": failure.stage,
            "error": failure.code.text,
            "detail": failure.detail,
            "retryable": retryable,
            "attempt": failure.count,
            "next_attempt_at": _ahead(next_at, now),
            "remaining_s": round(left, 1),
            **({"ambiguous": True} if failure.ambiguous else {}),
        }

    def _tell(self, event: str, **fields: object) -> None:
        self._journal.event(event, credential=self._spec.name, **fields)


def _ahead(at: float, now: Moment) -> datetime:
    """The wall time of a plan; what has been due for ever is due now."""
    return now.at(max(at, now.elapsed))
