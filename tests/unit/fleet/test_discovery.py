"""A search for keys, and a configuration that is taken over meanwhile."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from rotator.engine.clock import SystemClock
from rotator.fleet.discovery import Discovery
from rotator.settings.discover import Discover
from rotator.testing import RecordingJournal
from rotator.vault.mounts import Place

if TYPE_CHECKING:
    from collections.abc import Mapping

TEMPLATE = Discover(
    provider="thx",
    source={"type": "vault", "path": "secret/apps/*"},
    sinks=[{"type": "vault", "path": "secret/tokens/{key}"}],
)
SETTINGS: Any = SimpleNamespace(discover={"apps": TEMPLATE})


class Session:
    """A Vault with one key, which takes its time to say so."""

    def __init__(self) -> None:
        self.asked, self.answers = asyncio.Event(), asyncio.Event()
        self.mounts = self

    async def resolve(self, path: str) -> Place:
        return Place("secret", 2, path)

    async def call(self, *_: object) -> dict[str, Any]:
        self.asked.set()
        await self.answers.wait()
        return {"data": {"keys": ["billing"]}}


class Fleet:
    """Takes up whatever is found."""

    def __init__(self, session: Session) -> None:
        self.sessions = {"": session}
        self.members: dict[str, object] = {}

    async def take_up(self, found: Mapping[str, object]) -> dict[str, str]:
        refused = {name: "there is one already" for name in found if name in self.members}
        self.members |= found
        return refused


async def test_a_configuration_that_comes_during_a_look_waits_for_its_end_and_what_was_found_stays_known() -> None:
    session = Session()
    fleet: Any = Fleet(session)
    journal = RecordingJournal()
    discovery = Discovery(fleet, SystemClock(), journal)
    discovery.apply(SETTINGS)
    looking = asyncio.create_task(discovery.look())
    await session.asked.wait()

    async def reload() -> None:
        async with discovery.turn:
            assert fleet.members.keys() == {"billing"}
            discovery.apply(SETTINGS)

    reloading = asyncio.create_task(reload())
    await asyncio.sleep(0)
    session.answers.set()
    await asyncio.gather(looking, reloading)
    await discovery.look()
    assert discovery.names() == {"billing"}
    assert journal.named("discover.refused") == []
