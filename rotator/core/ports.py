"""The seams between deciding and doing. Each docstring is a contract, which `rotator.contract` checks.

All methods raise `RotationError` and nothing else, hold no lock across calls, bring their own deadline, and may be
cancelled at any await without leaving anything half done.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from rotator.core.model import ClientCredentials, Consent, Grant, Moment, TokenRecord


class Clock(Protocol):
    """Time, handed in."""

    def now(self) -> Moment:
        """Both clocks, read at the same moment."""

    def elapsed(self) -> float:
        """The elapsed clock alone, in seconds: what deadlines need, at a sixth of the cost of `now`."""

    async def sleep(self, seconds: float) -> None:
        """Return after `seconds`; it may return earlier or later when the machine was suspended."""


class Source(Protocol):
    """Where client credentials are kept."""

    async def read(self) -> ClientCredentials:
        """The credentials as stored now.

        Two reads of the same stored document give the same version; a changed document gives another one.

        Raises:
            RotationError: SECRET_MISSING, SECRET_DELETED or SECRET_MALFORMED when the document is not usable;
                VAULT_* or FILE_* when it could not be looked at.
        """


class TokenEndpoint(Protocol):
    """Where tokens are minted (RFC 6749 section 3.2)."""

    async def mint(self, credentials: ClientCredentials) -> Grant:
        """Ask once for a token, with the first of the secrets: no other encoding or authentication method is tried.

        Raises:
            RotationError: SECRET_MALFORMED when the credentials lack what is needed; PROVIDER_*, DISCOVERY_INVALID, an
                error code of RFC 6749 section 5.2, or ANSWER_*, TOKEN_*, LIFETIME_*, SCOPE_NARROWER when the answer
                must not be published; LOGIN_*, GRANT_CLAIMED for grants that a person has to start; VERIFY_* when the
                token has not passed the checks before it is published, or could not be checked.
        """


class Sink(Protocol):
    """Where consumers find the token."""

    @property
    def name(self) -> str:
        """Kind and place, unique among the sinks of one rotator: `vault:secret/tokens/billing`."""

    @property
    def kind(self) -> str:
        """`vault`, `file`, …"""

    async def read(self) -> TokenRecord | None:
        """What the sink holds now; None when it holds nothing, or nothing whole.

        Raises:
            RotationError: SINK_FOREIGN when it holds what rotator did not write; VAULT_* or FILE_* when it could
                not be looked at.
        """

    async def write(self, record: TokenRecord) -> TokenRecord:
        """Replace what the sink holds, whole or not at all, and return what it holds afterwards.

        That is `record`, or the record of another writer with the same inputs that was found to expire later: a
        token is never replaced by a worse one.

        Raises:
            RotationError: SINK_FOREIGN, SINK_CONFLICT, VAULT_*, FILE_*. What the sink held before is still there, or
                `record` is; the next `read` tells.
        """

    async def check(self) -> None:
        """Try all that a write needs, as far as that can be done without changing what consumers read.

        Raises:
            RotationError: SINK_FOREIGN, VAULT_*, FILE_*, …: what a write would meet.
        """


class Signer(Protocol):
    """A private key that signs, wherever it is kept."""

    @property
    def algorithm(self) -> str:
        """Of RFC 7518 section 3.1: `RS256`, `ES256`, …; of RFC 8037: `EdDSA`."""

    async def sign(self, payload: bytes) -> bytes:
        """The signature as it stands in a JWS, not encoded, over its signing input (RFC 7515 section 5.1).

        Raises:
            RotationError: SECRET_MALFORMED, VAULT_*.
        """


class ConsentStore(Protocol):
    """Where the refresh token of one credential is kept. Only check-and-set keeps two processes from using it twice."""

    @property
    def place(self) -> str:
        """Where it is, for messages."""

    async def read(self) -> Consent | None:
        """What is stored now; None for nothing.

        Raises:
            RotationError: SINK_FOREIGN when something else is stored there; VAULT_* when it could not be looked at.
        """

    async def vacant(self) -> int:
        """The version to write over when a person signs in, whatever is stored: also of what was deleted.

        Raises:
            RotationError: As `read`.
        """

    async def write(self, consent: Consent) -> Consent:
        """Replace what is stored if it still has `consent.version`; what is stored then, with its version.

        Raises:
            RotationError: GRANT_CLAIMED when it has another version by now: nothing has been written. VAULT_* when it
                is not known whether it has.
        """


class Journal(Protocol):
    """Where events are told. Neither blocks nor raises."""

    def event(self, name: str, /, **fields: object) -> None:
        """Tell one event of the closed list in docs/events.md. Fields hold no secrets."""
