"""A session with a real Vault while a test lasts, and what was told about it."""

from __future__ import annotations

import asyncio
import contextlib
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from rotator.core.model import Secret
from rotator.engine.clock import SystemClock
from rotator.testing import RecordingJournal
from rotator.vault.logins.token import TokenLogin
from rotator.vault.session import VaultSession, VaultSettings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from rotator.core.ports import Clock
    from rotator.demo.bao import BaoServer
    from rotator.vault.auth import Login


class Visit:
    """A session with what was told about it."""

    def __init__(self, settings: VaultSettings, clock: Clock | None = None) -> None:
        self.journal = RecordingJournal()
        self.recoveries = 0
        self.session = VaultSession(settings, clock or SystemClock(), self.journal, self._recovered)

    def _recovered(self) -> None:
        self.recoveries += 1

    def told(self, *names: str) -> list[str]:
        """The names of the events so far; only these if some are given."""
        return [name for name, _ in self.journal.events if not names or name in names]


@asynccontextmanager
async def visiting(settings: VaultSettings, clock: Clock | None = None) -> AsyncIterator[Visit]:
    """A session that runs while the block lasts; its first login has been tried."""
    visit = Visit(settings, clock)
    task = asyncio.create_task(visit.session.run())
    await visit.session.tried()
    try:
        yield visit
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        await visit.session.close()


def settings(bao: BaoServer, login: Login | Secret | None = None, **options: Any) -> VaultSettings:
    """Settings for a server, with a login or a token handed in; the root token without one."""
    token = bao.root_token if login is None else login
    return VaultSettings(bao.address, TokenLogin(token) if isinstance(token, Secret) else token, **options)


async def until(condition: Callable[[], bool], within: float) -> None:
    """Wait for a condition, with a deadline in seconds."""
    async with asyncio.timeout(within):
        while not condition():  # noqa: ASYNC110  what is waited for is in another process
            await asyncio.sleep(0.01)
