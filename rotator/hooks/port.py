"""What a hook is, and what it is told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from rotator.core.model import rfc3339

if TYPE_CHECKING:
    from rotator.core.model import TokenRecord


@dataclass(frozen=True, slots=True)
class Occasion:
    """A write that has changed what a sink holds.

    Attributes:
        credential: Its name.
        sink: The sink's name.
        record: What the sink holds now.
    """

    credential: str
    sink: str
    record: TokenRecord

    def told(self) -> dict[str, str]:
        """What every hook may know; the token is no part of it."""
        return {
            "credential": self.credential,
            "sink": self.sink,
            "fingerprint": self.record.fingerprint,
            "expires_at": rfc3339(self.record.expires_at),
        }


class Hook(Protocol):
    """Something to do after a write. Hashable: two that are equal are one, and never run at the same time."""

    @property
    def name(self) -> str:
        """Kind and target, as `exec:/usr/local/bin/reload`; no secrets in it."""

    @property
    def kind(self) -> str:
        """`exec`, `signal`, …"""

    async def run(self, occasion: Occasion) -> None:
        """Do it once, within the hook's own deadline. Cancelled, it leaves nothing running.

        Raises:
            RotationError: HOOK_*.
        """

    async def check(self) -> None:
        """Try what can be tried without doing it.

        Raises:
            RotationError: HOOK_*: it can never succeed as it is configured.
        """
