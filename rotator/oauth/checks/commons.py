"""What the checks of all credentials share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rotator.oauth.checks.outages import Outages
from rotator.wire.trust import Trust

if TYPE_CHECKING:
    from pathlib import Path

    from rotator.core.ports import Clock


class Commons:
    """One for a whole rotator.

    Args:
        clock: Time.

    Attributes:
        outages: Who could not be asked a moment ago.
    """

    def __init__(self, clock: Clock) -> None:
        self.outages = Outages(clock)
        self._trusts: dict[Path | None, Trust] = {}

    def trust(self, ca_file: Path | None) -> Trust:
        """Whom connections to APIs trust; one for each file, for a TLS context takes some 50 kB and 10 ms."""
        return self._trusts.setdefault(ca_file, Trust(ca_file))
