"""Everything that a configuration brings to life: Vault sessions, providers, and a rotation per credential.

`apply` takes a configuration over as a whole or not at all, and touches only what has changed.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from rotator.engine.dispatcher import Dispatcher
from rotator.engine.metered import NOBODY
from rotator.files.state import StateDirectory
from rotator.fleet.ground import Ground
from rotator.fleet.member import Member, Shared, Written
from rotator.fleet.servers import Server, Servers
from rotator.fleet.vaults import Vaults
from rotator.hooks.runner import Hooks
from rotator.kubernetes.cluster import Clusters
from rotator.local.server import LocalServer
from rotator.local.sink import SocketSink
from rotator.oauth.checks.commons import Commons
from rotator.settings import local, translate
from rotator.settings.discover import Found, UnusableKeyError
from rotator.settings.model import described
from rotator.settings.problems import ConfigError, Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from rotator.core.errors import RotationError
    from rotator.core.ports import Clock, Journal
    from rotator.engine.metered import Observer
    from rotator.fleet.member import Origin
    from rotator.settings.credential import Credential
    from rotator.settings.load import Loaded
    from rotator.settings.model import Settings
    from rotator.vault.session import VaultSession

__all__ = ["Fleet", "Member", "Server"]

SLICE = 50
"""Credentials that are put up in one go: it takes some 20 ms."""


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
        self._changing = asyncio.Lock()
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
        """Make this configuration the one that runs. Credentials that were found stay with their template.

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
        async with self._changing:
            settings = loaded.settings
            written = {name: c for name, c in settings.credentials.items() if only is None or name in only}
            state = StateDirectory(translate.state_dir(settings, self._environ))
            await self._try_out(loaded, written, state)
            await self._listen(loaded)
            shared, before = self._shared, self.members
            closing: list[_Closing] = [*shared.vaults.replace(loaded), *shared.servers.replace(settings)]
            self._ground = Ground(shared, state, settings.security)
            origins = {name: Written(one) for name, one in written.items()} | _staying(settings, before, written)
            after = await self._put_up(origins, before)
            gone = [name for name in before if after.get(name) is not before[name]]
            for name in gone:
                await self._forget_entirely(name)
            self.members = after
            self._offer()
            await self._start(
                [name for name in after if after[name] is not before.get(name)], before, start=start, force=force
            )
            closing += [part for name in gone for part in before[name].replaceable()]
            for part in closing:
                await part.close()
        return {
            "added": sorted(after.keys() - before.keys()),
            "changed": sorted(name for name in after.keys() & before.keys() if after[name] is not before[name]),
            "removed": sorted(before.keys() - after.keys()),
        }

    async def take_up(self, found: Mapping[str, Found], *, start: bool = True, force: bool = False) -> dict[str, str]:
        """Take up credentials that were found in a Vault. One that cannot be keeps no other from it.

        Args:
            found: What they are made from, by name.
            start: See `apply`.
            force: See `apply`.

        Returns:
            Why one was not taken up, by name.
        """
        refused: dict[str, str] = {}
        async with self._changing:
            written = {
                s.name for one in self.members.values() if isinstance(one.origin, Written) for s in one.bare_sinks
            }
            for name, origin in found.items():
                await _breathe(len(self.members))
                why = await self._take(name, origin, written)
                if why:
                    refused[name] = why
            self._offer()
            await self._start([name for name in found if name not in refused], {}, start=start, force=force)
        return refused

    async def drop(self, names: Collection[str]) -> None:
        """Let go of credentials that are not to be kept fresh any more. What their sinks hold stays there."""
        async with self._changing:
            gone = {name: self.members[name] for name in names if name in self.members}
            for name in gone:
                await self._forget_entirely(name)
            self.members = {name: one for name, one in self.members.items() if name not in gone}
            self._offer()
            for one in gone.values():
                await one.close()

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

    async def _take(self, name: str, origin: Found, written: Collection[str]) -> str:
        """Take up one that was found; or say why not."""
        if name in self.members:
            return f"there is a credential {name} already"
        try:
            problems = []
            if any(section.type == "file" or section.after_write for section in origin.sample.sinks):
                problems = await self._ground.try_out(f"discover.{origin.place}", name, origin.credential())
            if problems:
                return f"{problems[0].key}: {problems[0].found}"
            one = self._ground.member(name, origin, None)
        except UnusableKeyError as error:
            return str(error)
        clash = next((sink.name for sink in one.bare_sinks if sink.name in written), None)
        if clash is not None:
            await one.close()
            return f"a credential that is written out in the configuration delivers to {clash}"
        self.members[name] = one
        return ""

    async def _put_up(self, origins: Mapping[str, Origin], before: Mapping[str, Member]) -> dict[str, Member]:
        """The members for these, those that run where nothing of them has changed."""
        after: dict[str, Member] = {}
        for name, origin in origins.items():
            await _breathe(len(after))
            with suppress(UnusableKeyError):  # told of when keys are looked for the next time
                after[name] = self._ground.member(name, origin, before.get(name))
        return after

    async def _forget_entirely(self, name: str) -> None:
        await self.dispatcher.remove(name)
        self._forget(name)

    def _offer(self) -> None:
        sinks = (sink for one in self.members.values() for sink in one.bare_sinks)
        self._shared.local.offer(sink for sink in sinks if isinstance(sink, SocketSink))

    async def _start(self, names: Collection[str], before: Mapping[str, Member], *, start: bool, force: bool) -> None:
        """Let those begin that are new, with what the ones before them had in hand."""
        for count, name in enumerate(names):
            await _breathe(count)
            one = self.members[name]
            if name in before:
                one.rotation.inherit(before[name].rotation)
            if force:
                one.rotation.force()
            if start:
                self.dispatcher.add(one.rotation, one.server.gate)

    async def _listen(self, loaded: Loaded) -> None:
        """Serve the local socket where the configuration has it, if it has sinks for it and this is the daemon."""
        sections = (section for _, credential in described(loaded.settings) for section in credential.sinks)
        asked_for = any(section.type == "socket" for section in sections)
        state = translate.state_dir(loaded.settings, self._environ)
        where = local.place(loaded.settings.local, self._environ, state) if asked_for and self._serves else None
        try:
            await self._shared.local.listen(where)
        except OSError as error:
            problem = Problem("local.socket", None, str(error), "a socket that rotator can listen on")
        else:
            return
        raise ConfigError(str(loaded.file), [problem])

    async def _try_out(self, loaded: Loaded, written: Mapping[str, Credential], state: StateDirectory) -> None:
        """Refuse what can never work as it is configured, before anything is touched.

        Raises:
            ConfigError: With every such problem.
        """
        ground = Ground(self._shared, state, loaded.settings.security)
        tried = [await ground.try_out(f"credentials.{name}", name, credential) for name, credential in written.items()]
        if problems := [problem for found in tried for problem in found]:
            raise ConfigError(str(loaded.file), problems)


def _staying(settings: Settings, before: Mapping[str, Member], written: Collection[str]) -> dict[str, Found]:
    """What was found before and whose template is still there, with that as it is now."""
    known = {name: one.origin for name, one in before.items() if isinstance(one.origin, Found) and name not in written}
    # Compared once, and the one before kept where it says the same: there may be a hundred thousand of a template.
    sections = {
        place: before if before == settings.discover[place] else settings.discover[place]
        for place, before in {origin.place: origin.section for origin in known.values()}.items()
        if place in settings.discover
    }
    now = {name: replace(one, section=sections[one.place]) for name, one in known.items() if one.place in sections}
    return {name: one for name, one in now.items() if one.is_called(name)}


async def _breathe(done: int) -> None:
    """Let others go on, every so often: what is done for each of very many must not hold up tokens that are due."""
    if done % SLICE == SLICE - 1:
        await asyncio.sleep(0)
