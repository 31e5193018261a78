"""Everything that a configuration brings to life: Vault sessions, providers, and a rotation per credential.

`apply` takes a configuration over as a whole or not at all, and touches only what has changed.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol

from rotator.core.errors import Code, RotationError
from rotator.engine.dispatcher import Dispatcher
from rotator.engine.metered import NOBODY
from rotator.files.sink import FileSink
from rotator.files.state import StateDirectory
from rotator.fleet.member import Member, Shared, member
from rotator.fleet.servers import Server, Servers
from rotator.fleet.vaults import Vaults
from rotator.hooks.runner import Hooks
from rotator.kubernetes.cluster import Clusters
from rotator.local.server import LocalServer
from rotator.local.sink import SocketSink
from rotator.oauth.checks.commons import Commons
from rotator.settings import local, translate
from rotator.settings.problems import ConfigError, Problem
from rotator.settings.sinks import FileSink as FileSinkSection

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Mapping

    from rotator.core.ports import Clock, Journal
    from rotator.engine.metered import Observer
    from rotator.settings.load import Loaded
    from rotator.settings.model import Credential
    from rotator.vault.session import VaultSession

__all__ = ["Fleet", "Member", "Server"]

NEVER_MENDED = frozenset(
    {
        *(Code.FILE_OWNER, Code.FILE_UNSAFE, Code.FILE_DENIED),
        *(Code.HOOK_COMMAND, Code.HOOK_UNSAFE, Code.HOOK_BEARER),
    }
)
"""What is wrong in a way that waiting does not mend; told at the start and not at three at night."""


class _Closing(Protocol):
    async def close(self) -> None: ...


class Fleet:
    """The credentials of one rotator.

    Args:
        clock: Time.
        journal: Where events are told.
        environ: The process's environment.
        plan: Told when a credential is to be submitted again; see `Dispatcher`.
        forget: Told that a credential has gone.
        ended: Told when a task has ended that should last as long as the configuration: cancelled, or with an error.
        observer: Told of mints, deliveries, late passes and questions at the local socket.
        serves: Whether it answers at the local socket; one pass in the foreground does not.

    Attributes:
        members: The credentials, by name.
    """

    def __init__(
        self,
        clock: Clock,
        journal: Journal,
        environ: Mapping[str, str],
        plan: Callable[[str, float], None],
        forget: Callable[[str], None],
        ended: Callable[[asyncio.Task[None]], object] = lambda _: None,
        observer: Observer = NOBODY,
        *,
        serves: bool = False,
    ) -> None:
        self.dispatcher = Dispatcher(clock, plan, journal, ended, observer.late)
        self.members: dict[str, Member] = {}
        self._environ = environ
        self._forget = forget
        self._serves = serves
        checks = Commons(clock)
        self._shared = Shared(
            clock=clock,
            journal=journal,
            environ=environ,
            observer=observer,
            provider_recovered=self.dispatcher.provider_recovered,
            vaults=Vaults(clock, journal, environ, self.dispatcher.store_recovered, ended),
            servers=Servers(clock, journal, checks),
            clusters=Clusters(clock),
            checks=checks,
            hooks=Hooks(journal, clock),
            local=LocalServer(clock, observer),
        )

    @property
    def servers(self) -> dict[str, Server]:
        """The authorization servers, by name."""
        return self._shared.servers.named

    @property
    def sessions(self) -> dict[str, VaultSession]:
        """The Vault sessions by name; empty for [vault]. None before a configuration has been applied."""
        return self._shared.vaults.sessions

    async def tried(self) -> dict[str, RotationError | None]:
        """Wait for the first login to each Vault, and tell by name why it cannot be used, if so; see `VaultSession`."""
        return await self._shared.vaults.tried()

    async def apply(
        self, loaded: Loaded, only: Collection[str] | None = None, *, start: bool = True, force: bool = False
    ) -> dict[str, list[str]]:
        """Make this configuration the one that runs.

        Args:
            loaded: The configuration.
            only: The credentials to take up; None takes all.
            start: Whether what is new is looked at at once, or left to the caller.
            force: Whether what is new is minted although it may not be due.

        Returns:
            The names of the credentials that were added, changed and removed.

        Raises:
            ConfigError: A file sink or a hook can never work as configured. Nothing has been touched.
        """
        settings, shared = loaded.settings, self._shared
        wanted = {name: c for name, c in settings.credentials.items() if only is None or name in only}
        state = StateDirectory(translate.state_dir(settings, self._environ))
        await self._try_out(loaded, wanted, state)
        await self._listen(loaded, wanted)
        closing: list[_Closing] = [*shared.vaults.replace(loaded), *shared.servers.replace(settings)]
        before = self.members
        after = {
            name: member(name, credential, shared, state, settings.security, before.get(name))
            for name, credential in wanted.items()
        }
        gone = [name for name in before if after.get(name) is not before[name]]
        for name in gone:
            await self.dispatcher.remove(name)
            self._forget(name)
        self.members = after
        sinks = (sink for one in after.values() for sink in one.bare_sinks)
        shared.local.offer(sink for sink in sinks if isinstance(sink, SocketSink))
        self._start(before, start=start, force=force)
        closing += [part for name in gone for part in before[name].replaceable()]
        for part in closing:
            await part.close()
        return {
            "added": sorted(after.keys() - before.keys()),
            "changed": sorted(name for name in after.keys() & before.keys() if after[name] is not before[name]),
            "removed": sorted(before.keys() - after.keys()),
        }

    async def close(self, grace: float = 0.0) -> None:
        """Close every connection, and give the Vault tokens back.

        Args:
            grace: Seconds for hooks that wait or run.
        """
        shared = self._shared
        await shared.hooks.close(grace)
        await shared.local.stop()
        await asyncio.gather(*(one.close() for one in self.members.values()))
        await shared.servers.close()
        await shared.vaults.close()
        await shared.clusters.close()

    def _start(self, before: Mapping[str, Member], *, start: bool, force: bool) -> None:
        """Let those begin that are new, with what the ones before them had in hand."""
        for name, one in self.members.items():
            if before.get(name) is one:
                continue
            if name in before:
                one.rotation.inherit(before[name].rotation)
            if force:
                one.rotation.force()
            if start:
                self.dispatcher.add(one.rotation, one.server.gate)

    async def _listen(self, loaded: Loaded, wanted: Mapping[str, Credential]) -> None:
        """Serve the local socket where the configuration has it, if it has sinks for it and this is the daemon."""
        asked_for = any(section.type == "socket" for credential in wanted.values() for section in credential.sinks)
        state = translate.state_dir(loaded.settings, self._environ)
        where = local.place(loaded.settings.local, self._environ, state) if asked_for and self._serves else None
        try:
            await self._shared.local.listen(where)
        except OSError as error:
            problem = Problem("local.socket", None, str(error), "a socket that rotator can listen on")
        else:
            return
        raise ConfigError(str(loaded.file), [problem])

    async def _try_out(self, loaded: Loaded, wanted: Mapping[str, Credential], state: StateDirectory) -> None:
        """Refuse what can never work as it is configured, before anything is touched.

        Raises:
            ConfigError: With every such problem.
        """
        shared_files = loaded.settings.security.allow_shared_secret_files
        problems = []
        for name, credential in wanted.items():
            for index, section in enumerate(credential.sinks):
                key = f"credentials.{name}.sinks[{index}]"
                if isinstance(section, FileSinkSection):
                    file = FileSink(translate.file_sink(section), name, state)
                    problems += await _hopeless(key, file.check(), "a file that can be written safely")
                for number, hook in enumerate(section.hooks(self._shared.clock, shared=shared_files)):
                    here = f"{key}.after_write[{number}]"
                    problems += await _hopeless(here, hook.check(), "something that can be done after a write")
        if problems:
            raise ConfigError(str(loaded.file), problems)


async def _hopeless(key: str, check: Awaitable[object], wanted: str) -> list[Problem]:
    """The problem with what can never work as configured; none when nothing is known to speak against it."""
    try:
        await check
    except ValueError as error:
        return [Problem(key, None, str(error), wanted)]
    except RotationError as error:
        return [Problem(key, None, error.detail, wanted, error.code.cure)] if error.code in NEVER_MENDED else []
    return []
