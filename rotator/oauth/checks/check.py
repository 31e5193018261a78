"""What a check is, and the two ways in which one ends that is not passed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from rotator.core.errors import Code, RotationError

if TYPE_CHECKING:
    from rotator.core.model import ClientCredentials, Grant

COME_AGAIN = frozenset({408, 425, 429})
"""Statuses below 500 that say nothing of the token (RFC 9110 section 15.5.9, RFC 8470 section 5.2, RFC 6585)."""

SERVER_ERROR = 500


class Check(Protocol):
    """Something that a token has to stand."""

    @property
    def name(self) -> str:
        """As the configuration calls it."""

    async def verify(self, credentials: ClientCredentials, grant: Grant) -> Grant:
        """What is published if the token stands it: the grant, its life shortened if need be.

        Args:
            credentials: Those that the token was minted with.
            grant: The token.

        Raises:
            RotationError: VERIFY_UNAVAILABLE when nobody could tell. Any other code is a verdict on the token:
                VERIFY_REFUSED, TOKEN_BOUND, SCOPE_NARROWER, EXPIRED_ON_ARRIVAL.
        """


def refused(detail: str) -> RotationError:
    """The token has not stood the check."""
    return RotationError(Code.VERIFY_REFUSED, detail)


def unavailable(detail: str, retry_after: float | None = None) -> RotationError:
    """The check could not be made."""
    return RotationError(Code.VERIFY_UNAVAILABLE, detail, retry_after=retry_after)


def is_passing(status: int) -> bool:
    """Whether a status says nothing of the token, and may be another one soon."""
    return status >= SERVER_ERROR or status in COME_AGAIN
