"""Whether a contender has really refreshed what it says: nobody wins by doing less."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import aiohttp

from tests.bench.contender import ContenderError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.bench.contender import Lap, Program
    from tests.bench.ground import Ground

READERS = 16


@dataclass(frozen=True)
class Held:
    """What a path holds.

    Attributes:
        version: Of the KV v2 key.
        token: A digest of its token.
    """

    version: int
    token: str


@dataclass
class Ledger:
    """Every token that was ever seen at a path. It is looked at before and after each turn: what a contender refreshes
    between its turns, when nobody measures it, does not count as refreshed in one.
    """

    _seen: set[str] = field(default_factory=set)

    def stale(self, before: Mapping[str, Held], after: Mapping[str, Held]) -> list[str]:
        """The names whose paths hold, after a turn, no newer version with a token that was never there before."""
        self._seen.update(one.token for one in before.values())
        stale = []
        for name, one in after.items():
            newer = one.version > (before[name].version if name in before else 0)
            if not newer or one.token in self._seen:
                stale.append(name)
            self._seen.add(one.token)
        return stale

    def check(
        self, program: Program, lap: Lap, wanted: int, before: Mapping[str, Held], after: Mapping[str, Held]
    ) -> None:
        """Hold what a contender says of a turn against what is there.

        Raises:
            ContenderError: It has not refreshed everything in it.
        """
        stale = self.stale(before, after)
        missing = wanted - len(after)
        if stale or missing or lap.refreshes != wanted:
            raise ContenderError(
                f"{program.title} says that it refreshed {lap.refreshes} of {wanted} in this turn; {missing} paths "
                f"hold nothing, {len(stale)} no new token, such as {', '.join(stale[:3]) or 'none'}"
            )


async def held(ground: Ground, path: str) -> dict[str, Held]:
    """What is at every credential's key below a path; what holds nothing is left out."""
    found: dict[str, Held] = {}
    headers = {"X-Vault-Token": ground.token.reveal()}
    async with aiohttp.ClientSession(f"{ground.site.bao.address}/v1/{path}/", headers=headers) as session:
        names = iter(ground.names)
        async with asyncio.TaskGroup() as group:
            for _ in range(READERS):
                group.create_task(_read(session, names, found))
    return found


async def _read(session: aiohttp.ClientSession, names: Iterator[str], found: dict[str, Held]) -> None:
    for name in names:
        async with session.get(name) as response:
            answer = await response.json()
        if response.ok:
            data = answer["data"]
            token = hashlib.sha256(data["data"]["access_token"].encode()).hexdigest()
            found[name] = Held(data["metadata"]["version"], token)
