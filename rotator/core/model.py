"""The values that a rotation is about. All immutable, none does I/O or reads a clock."""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Mapping


class Secret:
    """A string that shows itself to nobody who does not ask by name.

    It has no useful repr, str or format and cannot be pickled, so it does not reach a log, a traceback or a file by
    accident. Python cannot wipe memory: this is no defence against somebody who reads the process.
    """

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The string itself. Call it only where the secret leaves for its destination."""
        return self._value

    def __repr__(self) -> str:
        return "Secret('…')"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return repr(self)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and hmac.compare_digest(_bytes(self._value), _bytes(other._value))

    def __hash__(self) -> int:
        return hash(self._value)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Secret is not to be pickled or copied out of the process")


def _bytes(text: str) -> bytes:
    """Of any text, also of one that UTF-8 cannot express."""
    return text.encode("utf-8", "surrogatepass")


@dataclass(frozen=True, slots=True)
class Moment:
    """One reading of both clocks.

    Attributes:
        wall: The time that people and other machines agree on; aware, UTC. It may step.
        elapsed: Seconds on a clock that never steps and counts suspend. Deadlines are made of it.
    """

    wall: datetime
    elapsed: float

    def __post_init__(self) -> None:
        if self.wall.tzinfo is not UTC:
            raise ValueError("a Moment's wall time is in UTC")

    def at(self, elapsed: float) -> datetime:
        """The wall time that belongs to another reading of the elapsed clock, as things stand at this moment."""
        return self.wall + timedelta(seconds=elapsed - self.elapsed)

    def when(self, wall: datetime) -> Moment:
        """The moment that belongs to another wall time, as things stand at this moment."""
        return Moment(wall, self.elapsed + (wall - self.wall).total_seconds())


@dataclass(frozen=True, slots=True)
class ClientCredentials:
    """What a client proves itself with (RFC 6749 section 2.3).

    Attributes:
        client_id: The public half.
        secrets: What to prove it with, in order: client secrets, or private keys. The second is tried only when the
            first is refused as invalid_client. Empty where the proof is kept elsewhere, or there is none.
        version: Changes whenever the stored document changes; tells nothing about the secret.
        further: What else the grant takes from the document, by name.
        expires: When the store says that the first secret ends; aware, UTC. None when it does not say.
    """

    client_id: str
    secrets: tuple[Secret, ...]
    version: str
    further: Mapping[str, Secret] = field(default_factory=dict)
    expires: datetime | None = None

    def attempts(self) -> list[ClientCredentials]:
        """The same with one secret each, in order; as they are when they have none."""
        return [replace(self, secrets=(secret,)) for secret in self.secrets] or [self]


@dataclass(frozen=True, slots=True)
class Grant:
    """A checked answer of a token endpoint.

    Attributes:
        access_token: The bearer; its characters are those of RFC 6750 section 2.1.
        issued: Read before the request was sent, so that no delay is taken for life.
        lifetime: Seconds, more than 0: the smallest of what the answer, the token itself and the configuration say.
        scope: As granted; as asked for when the answer does not say (RFC 6749 section 5.1).
        refresh_in: Seconds after which the provider would see a new one asked for; less than `lifetime`, None when it
            did not say.
    """

    access_token: Secret
    issued: Moment
    lifetime: float
    scope: str
    refresh_in: float | None = None
    refresh_token: Secret | None = None


@dataclass(frozen=True, slots=True)
class Consent:
    """What a person agreed to by signing in, as it is kept between two refreshes (RFC 6749 section 6).

    Attributes:
        refresh_token: The newest one.
        login: Names the sign-in that all began with; another one is another grant.
        signed_in_at: When that was; aware, UTC.
        claimed_by: The process that is using the refresh token; empty when none is.
        version: Of what is stored, for check-and-set; 0 for nothing.
    """

    refresh_token: Secret
    login: str
    signed_in_at: datetime
    claimed_by: str = ""
    version: int = 0


def fingerprint(access_token: Secret) -> str:
    """The first 12 hex digits of the token's SHA-256: the only form in which a token may be shown."""
    return hashlib.sha256(access_token.reveal().encode()).hexdigest()[:12]


@dataclass(frozen=True, slots=True)
class BearerToken:
    """A token with its true life on the elapsed clock, whoever minted it.

    Attributes:
        access_token: The bearer.
        issued: When its life began.
        lifetime: Seconds.
        scope: As granted.
        inputs: Digest of what it was minted from; see `CredentialSpec.inputs`.
        fingerprint: See `fingerprint`.
        refresh_in: See `Grant`. Records do not carry it: a token that was found in a sink goes without.
    """

    access_token: Secret
    issued: Moment
    lifetime: float
    scope: str
    inputs: str
    fingerprint: str
    refresh_in: float | None = None

    @property
    def expires(self) -> float:
        """The end of its life, on the elapsed clock."""
        return self.issued.elapsed + self.lifetime

    def remaining(self, now: float) -> float:
        """Seconds of life left; negative once it has expired."""
        return self.expires - now


@dataclass(frozen=True, slots=True)
class TokenRecord:
    """What a sink stores: absolute times only, since its readers share no elapsed clock with us.

    Times are cut to whole seconds, downwards, so that what consumers read is never later than the truth.
    """

    access_token: Secret
    issued_at: datetime
    expires_at: datetime
    expires_in: int
    scope: str
    fingerprint: str
    inputs: str

    @classmethod
    def of(cls, token: BearerToken) -> TokenRecord:
        """The record of a token."""
        return cls(
            access_token=token.access_token,
            issued_at=token.issued.wall.replace(microsecond=0),
            expires_at=(token.issued.wall + timedelta(seconds=token.lifetime)).replace(microsecond=0),
            expires_in=int(token.lifetime),
            scope=token.scope,
            fingerprint=token.fingerprint,
            inputs=token.inputs,
        )

    def token(self, now: Moment) -> BearerToken:
        """The token that this record describes, its life laid on the elapsed clock as things stand at `now`.

        One that was issued in the future was dated by another clock: it counts as issued now, and not as living longer.
        """
        issued = now.when(self.issued_at)
        return BearerToken(
            access_token=self.access_token,
            issued=replace(issued, elapsed=min(issued.elapsed, now.elapsed)),
            lifetime=(self.expires_at - self.issued_at).total_seconds(),
            scope=self.scope,
            inputs=self.inputs,
            fingerprint=self.fingerprint,
        )

    def stays_before(self, other: TokenRecord) -> bool:
        """Whether a sink that holds this record keeps it when `other` is to be written: the same, or a better one.

        The same token with other times does not stay: the clock was set meanwhile, and `other` tells the truth. Nor
        does one that says it was issued after `other` has ended: nobody delivers what has ended, so a clock was ahead.
        """
        if self.fingerprint == other.fingerprint:
            return self == other
        later = other.expires_at < self.expires_at
        return later and self.inputs == other.inputs and self.issued_at < other.expires_at

    def metadata(self) -> dict[str, str]:
        """Every field but the token itself; safe to store and to show."""
        return {
            "token_type": "Bearer",
            "expires_at": rfc3339(self.expires_at),
            "issued_at": rfc3339(self.issued_at),
            "expires_in": str(self.expires_in),
            "scope": self.scope,
            "fingerprint": self.fingerprint,
            "inputs": self.inputs,
        }

    def fields(self) -> dict[str, str]:
        """The record as consumers read it. Strings only: audit devices hash nothing else."""
        return {"access_token": self.access_token.reveal(), **self.metadata()}

    @classmethod
    def parse(cls, fields: Mapping[str, object]) -> TokenRecord | None:
        """The record in `fields`, or None if they hold none that is whole.

        A record whose fingerprint is not that of its token has been edited and counts as none.
        """
        try:
            access_token = Secret(_text(fields["access_token"]))
            record = cls(
                access_token=access_token,
                issued_at=_moment(fields["issued_at"]),
                expires_at=_moment(fields["expires_at"]),
                expires_in=int(_text(fields["expires_in"])),
                scope=_text(fields["scope"]),
                fingerprint=_text(fields["fingerprint"]),
                inputs=_text(fields["inputs"]),
            )
            whole = record.fingerprint == fingerprint(access_token) and record.issued_at < record.expires_at
        except (KeyError, ValueError, OverflowError):
            # A date that UTC cannot express overflows; a token that UTF-8 cannot express has no fingerprint.
            return None
        return record if whole else None


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("not a string")  # noqa: TRY004  a value of the wrong kind is a wrong value here
    return value


def _moment(value: object) -> datetime:
    parsed = datetime.fromisoformat(_text(value))
    if parsed.tzinfo is None:
        raise ValueError("a time without its zone")
    return parsed.astimezone(UTC)


def rfc3339(moment: datetime) -> str:
    """A time as records, logs and commands write it (RFC 3339): UTC, whole seconds, cut."""
    # Not strftime: on Linux its %Y has no zeros in front, and year 231 could not be read back.
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="seconds") + "Z"


EARLIEST_RENEWAL = 0.5
"""Share of the lifetime: a token is lived to its half at least, or each renewal would bring the next one nearer."""


@dataclass(frozen=True, slots=True)
class CredentialSpec:
    """One credential as the operator wants it.

    Attributes:
        name: Unique among the credentials of one rotator.
        provider: The name of the authorization server it belongs to.
        identity: Everything fixed that makes a token wrong when it changes: token endpoint, grant, scope, parameters.
        renew_at: Share of the lifetime after which a new token is minted, between 0 and 1.
        recheck_interval: Seconds between two looks at source and sinks when nothing else happens.
    """

    name: str
    provider: str
    identity: tuple[tuple[str, str], ...]
    renew_at: float = 0.5
    recheck_interval: float = 60.0

    @property
    def lead_is_clamped(self) -> bool:
        """Whether `renew_at` asks for a lead of more than half the lifetime, which is not given."""
        return self.renew_at < EARLIEST_RENEWAL

    @property
    def renewal_share(self) -> float:
        """The share of the lifetime that applies: `renew_at`, but never less than half."""
        return max(self.renew_at, EARLIEST_RENEWAL)

    def inputs(self, credentials: ClientCredentials) -> str:
        """Digest of what makes a token wrong when it changes: the identity, the client id and the secret's version."""
        parts = [self.provider, *self.identity, credentials.client_id, credentials.version]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]
