"""A rotation on a desk: everything around it is in memory and within reach."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rotator.core.model import CredentialSpec
from rotator.core.observation import Surroundings
from rotator.core.rotation import Rotation
from rotator.testing import FakeClock, MemoryEndpoint, MemorySink, MemorySource, RecordingJournal

if TYPE_CHECKING:
    from rotator.core.policy import Wait

OPEN = Surroundings()
SPEC = CredentialSpec("billing", "thx", ())


class Desk:
    """A rotation with everything around it, and a clock to turn."""

    def __init__(self, *, sinks: int = 2, accepts: set[str] | None = None, spec: CredentialSpec = SPEC) -> None:
        self.spec = spec
        self.clock = FakeClock()
        self.source = MemorySource()
        self.endpoint = MemoryEndpoint(self.clock, accepts=accepts)
        self.sinks = [MemorySink(f"memory:{number}") for number in range(sinks)]
        self.restart()

    def restart(self) -> None:
        """Forget everything but what the sinks hold."""
        self.journal = RecordingJournal()
        self.rotation = Rotation(self.spec, self.source, self.endpoint, self.sinks, self.clock, self.journal)

    async def run(self, after: float = 0.0, around: Surroundings = OPEN) -> Wait:
        self.clock.advance(after)
        return await self.rotation.run(around)

    @property
    def events(self) -> list[str]:
        return [name for name, _ in self.journal.events]

    @property
    def held(self) -> list[str | None]:
        return [sink.record.access_token.reveal() if sink.record else None for sink in self.sinks]
