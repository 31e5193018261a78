"""The sessions with every Vault of a configuration, each with the task that keeps it alive."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from rotator.settings import translate
from rotator.vault.session import VaultSession

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from rotator.core.errors import RotationError
    from rotator.core.ports import Clock, Journal
    from rotator.settings.load import Loaded
    from rotator.settings.model import Security
    from rotator.settings.vault import Vault
    from rotator.vault.auth import Login


@dataclass(frozen=True)
class _Store:
    """A Vault session, and the task that keeps it alive."""

    session: VaultSession
    task: asyncio.Task[None]
    ended: Callable[[asyncio.Task[None]], object]
    made_from: tuple[Vault, Security]
    login: Login

    def enters_like(self, section: Vault, security: Security) -> bool:
        """Whether its Vault is entered as these say."""
        return (self.made_from[0].auth, self.made_from[1]) == (section.auth, security)

    async def close(self) -> None:
        self.task.remove_done_callback(self.ended)  # it ends on purpose
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)
        await self.session.close()


@dataclass(frozen=True)
class _NamedVault:
    """A journal that says which of several Vaults it is told about; see `rotator.core.ports.Journal`."""

    journal: Journal
    vault: str

    def event(self, name: str, /, **fields: object) -> None:
        self.journal.event(name, vault=self.vault, **fields)


class Vaults:
    """The Vaults of one rotator.

    Args:
        clock: Time.
        journal: Where events are told.
        environ: The process's environment, which may hold a token.
        recovered: Called when one can be used again after it could not.
        ended: Told when a session's task has ended that should last.
    """

    def __init__(
        self,
        clock: Clock,
        journal: Journal,
        environ: Mapping[str, str],
        recovered: Callable[[], None],
        ended: Callable[[asyncio.Task[None]], object],
    ) -> None:
        self._clock = clock
        self._journal = journal
        self._environ = environ
        self._recovered = recovered
        self._ended = ended
        self._stores: dict[str, _Store] = {}

    @property
    def sessions(self) -> dict[str, VaultSession]:
        """The sessions by name; empty for [vault]. None before a configuration has been applied."""
        return {name: store.session for name, store in self._stores.items()}

    async def tried(self) -> dict[str, RotationError | None]:
        """Wait for the first login to each, and tell by name why it cannot be used, if so; see `VaultSession`."""
        sessions = self.sessions
        return dict(zip(sessions, await asyncio.gather(*(one.tried() for one in sessions.values())), strict=True))

    def replace(self, loaded: Loaded) -> list[_Store]:
        """Take over a configuration; what it does not have any more, or otherwise, is to be closed by the caller."""
        settings, before = loaded.settings, self._stores
        self._stores = {
            name: before[name]
            if name in before and before[name].made_from == (section, settings.security)
            else self._store(loaded, name, section)
            for name, section in {"": settings.vault, **settings.vaults}.items()
        }
        return [store for name, store in before.items() if self._stores.get(name) is not store]

    async def close(self) -> None:
        """Close every connection, and give the tokens back."""
        for store in self._stores.values():
            await store.close()

    def _store(self, loaded: Loaded, name: str, section: Vault) -> _Store:
        journal = _NamedVault(self._journal, name) if name else self._journal
        settings, made_from = translate.vault(loaded, self._environ, name), (section, loaded.settings.security)
        before = self._stores.get(name)
        if before is not None and before.enters_like(*made_from):
            # The same login goes on: it may hold a secret id that could be unwrapped once (V31).
            settings = replace(settings, auth=before.login)
        session = VaultSession(settings, self._clock, journal, self._recovered)
        task = asyncio.create_task(session.run(), name="vault session")
        task.add_done_callback(self._ended)
        return _Store(session, task, self._ended, made_from, settings.auth)
