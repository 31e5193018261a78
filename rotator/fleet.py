"""Everything that a configuration brings to life: one Vault session, the providers, and a rotation per credential.

`apply` takes a configuration over as a whole or not at all, and touches only what has changed.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

from rotator import kinds
from rotator.core.errors import Code, RotationError
from rotator.core.rotation import Rotation
from rotator.engine.dispatcher import Dispatcher
from rotator.engine.gate import Gate
from rotator.engine.gated import GatedEndpoint
from rotator.engine.metered import NOBODY, MeteredEndpoint, MeteredSink
from rotator.engine.revoking import Revoker
from rotator.files.sink import FileSink
from rotator.files.state import StateDirectory
from rotator.hooks.runner import Hooks
from rotator.hooks.sink import HookedSink
from rotator.kubernetes.cluster import Clusters
from rotator.local.server import LocalServer
from rotator.local.sink import SocketSink
from rotator.oauth.checks.commons import Commons
from rotator.oauth.checks.keys import Keys
from rotator.oauth.endpoint import HttpTokenEndpoint
from rotator.oauth.exchanging import ExchangingEndpoint
from rotator.oauth.provider import Provider
from rotator.oauth.refreshing import Consented, ConsentedEndpoint, ConsentedSource
from rotator.oauth.revocation import Revocation
from rotator.oauth.verifying import VerifyingEndpoint
from rotator.settings import asked, local, translate
from rotator.settings.problems import ConfigError, Problem
from rotator.settings.sinks import FileSink as FileSinkSection
from rotator.vault.session import VaultSession

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from rotator.core.model import CredentialSpec
    from rotator.core.ports import Clock, Journal, Sink, Source, TokenEndpoint
    from rotator.engine.metered import Observer
    from rotator.oauth.endpoint import EndpointSettings
    from rotator.plugged.parts import Part
    from rotator.settings.load import Loaded
    from rotator.settings.model import Credential, Security, Settings
    from rotator.settings.providers import Provider as ProviderSection
    from rotator.settings.vault import Vault
    from rotator.vault.auth import Login
    from rotator.vault.consent_store import VaultConsentStore

NEVER_MENDED = frozenset({Code.FILE_OWNER, Code.FILE_UNSAFE, Code.FILE_DENIED})
"""What is wrong with a file sink in a way that waiting does not mend; told at the start and not at three at night."""


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
class Server:
    """An authorization server and the gate before it."""

    section: ProviderSection
    provider: Provider
    gate: Gate
    keys: Keys
    turn: asyncio.Semaphore = field(default_factory=partial(asyncio.Semaphore, 1))
    """Who has it may revoke a token there."""


@dataclass(frozen=True)
class Member:
    """A credential that is kept fresh: what it was made from, and its parts."""

    made_from: tuple[object, ...]
    rotation: Rotation
    source: Source
    sinks: tuple[Sink, ...]
    endpoint: TokenEndpoint
    server: Server
    required: bool
    asked: EndpointSettings
    consented: Consented | None = None
    store: VaultConsentStore | None = None
    plugged: tuple[Part, ...] = ()
    revoker: Revoker | None = None


@dataclass(frozen=True)
class _NamedVault:
    """A journal that says which of several Vaults it is told about; see `rotator.core.ports.Journal`."""

    journal: Journal
    vault: str

    def event(self, name: str, /, **fields: object) -> None:
        self.journal.event(name, vault=self.vault, **fields)


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
        servers: The providers, by name.
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
        self._observer = observer
        self._ended = ended
        self.members: dict[str, Member] = {}
        self._clock = clock
        self._journal = journal
        self._environ = environ
        self._forget = forget
        self._stores: dict[str, _Store] = {}
        self._clusters = Clusters(clock)
        self._commons = Commons(clock)
        self._hooks = Hooks(journal, clock)
        self._local = LocalServer(clock, observer)
        self._serves = serves
        self.servers: dict[str, Server] = {}

    @property
    def sessions(self) -> dict[str, VaultSession]:
        """The Vault sessions by name; empty for [vault]. None before a configuration has been applied."""
        return {name: store.session for name, store in self._stores.items()}

    async def tried(self) -> dict[str, RotationError | None]:
        """Wait for the first login to each Vault, and tell by name why it cannot be used, if so; see `VaultSession`."""
        sessions = self.sessions
        return dict(zip(sessions, await asyncio.gather(*(one.tried() for one in sessions.values())), strict=True))

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
            ConfigError: A file sink can never work as configured. Nothing has been touched.
        """
        settings = loaded.settings
        wanted = {name: c for name, c in settings.credentials.items() if only is None or name in only}
        state = StateDirectory(translate.state_dir(settings, self._environ))
        await self._try_files(loaded, wanted, state)
        await self._listen(loaded, wanted)
        closing = self._replace_stores(loaded)
        closing += self._replace_servers(settings)
        before = self.members
        after = {name: self._member(name, credential, state, settings.security) for name, credential in wanted.items()}
        for name in before:
            if after.get(name) is not before[name]:
                await self.dispatcher.remove(name)
                self._forget(name)
                revoker = before[name].revoker
                closing += [*before[name].plugged, *([] if revoker is None else [revoker])]
        self.members = after
        self._local.offer(
            bare for member in after.values() for bare in map(_bare, member.sinks) if isinstance(bare, SocketSink)
        )
        for name, member in after.items():
            if before.get(name) is not member:
                if name in before:
                    member.rotation.inherit(before[name].rotation)
                if force:
                    member.rotation.force()
                if start:
                    self.dispatcher.add(member.rotation, member.server.gate)
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
        await self._hooks.close(grace)
        await self._local.stop()
        await asyncio.gather(*(kinds.give_back(member.source) for member in self.members.values()))
        await asyncio.gather(*(part.close() for member in self.members.values() for part in member.plugged))
        for member in self.members.values():
            if member.revoker is not None:
                await member.revoker.close()
            if member.consented is not None:
                await member.consented.close()
        for server in self.servers.values():
            await server.provider.close()
        for store in self._stores.values():
            await store.close()
        await self._clusters.close()

    async def _listen(self, loaded: Loaded, wanted: Mapping[str, Credential]) -> None:
        """Serve the local socket where the configuration has it, if it has sinks for it and this is the daemon."""
        asked_for = any(section.type == "socket" for credential in wanted.values() for section in credential.sinks)
        state = translate.state_dir(loaded.settings, self._environ)
        where = local.place(loaded.settings.local, self._environ, state) if asked_for and self._serves else None
        try:
            await self._local.listen(where)
        except OSError as error:
            problem = Problem("local.socket", None, str(error), "a socket that rotator can listen on")
        else:
            return
        raise ConfigError(str(loaded.file), [problem])

    async def _try_files(self, loaded: Loaded, wanted: Mapping[str, Credential], state: StateDirectory) -> None:
        problems = []
        for name, credential in wanted.items():
            for index, section in enumerate(credential.sinks):
                if isinstance(section, FileSinkSection):
                    key = f"credentials.{name}.sinks[{index}]"
                    trouble = await _trouble(section, name, state)
                    problems += [Problem(key, None, trouble, "a file that can be written safely")] if trouble else []
        if problems:
            raise ConfigError(str(loaded.file), problems)

    def _replace_stores(self, loaded: Loaded) -> list[_Store | Provider | Part | Revoker]:
        settings, before = loaded.settings, self._stores
        self._stores = {
            name: before[name]
            if name in before and before[name].made_from == (section, settings.security)
            else self._store(loaded, name, section)
            for name, section in {"": settings.vault, **settings.vaults}.items()
        }
        return [store for name, store in before.items() if self._stores.get(name) is not store]

    def _store(self, loaded: Loaded, name: str, section: Vault) -> _Store:
        journal = _NamedVault(self._journal, name) if name else self._journal
        settings, made_from = translate.vault(loaded, self._environ, name), (section, loaded.settings.security)
        before = self._stores.get(name)
        if before is not None and before.enters_like(*made_from):
            # The same login goes on: it may hold a secret id that could be unwrapped once (V31).
            settings = replace(settings, auth=before.login)
        session = VaultSession(settings, self._clock, journal, self.dispatcher.store_recovered)
        task = asyncio.create_task(session.run(), name="vault session")
        task.add_done_callback(self._ended)
        return _Store(session, task, self._ended, made_from, settings.auth)

    def _replace_servers(self, settings: Settings) -> list[_Store | Provider]:
        before = self.servers
        self.servers = {
            name: before[name] if name in before and before[name].section == section else self._server(name, section)
            for name, section in settings.providers.items()
        }
        for name, server in self.servers.items():
            if name in before:
                server.gate.inherit(before[name].gate)
        return [server.provider for name, server in before.items() if self.servers.get(name) is not server]

    def _server(self, name: str, section: ProviderSection) -> Server:
        provider = Provider(translate.provider(section), self._clock)
        keys = Keys(provider, self._commons.outages, self._clock)
        return Server(section, provider, Gate(name, translate.limits(section)), keys)

    def _tell_quota(self, gate: Gate) -> None:
        spent = gate.spent(self._clock.now().elapsed)
        if spent is not None:
            quota, used = spent
            self._journal.event(
                "provider.quota",
                provider=gate.provider,
                used=used,
                limit=quota.count,
                span_s=quota.span,
                cure="Raise renew_at, or keep fewer credentials with this provider; `rotator check` reckons with it.",
            )

    def _member(self, name: str, credential: Credential, state: StateDirectory, security: Security) -> Member:
        server = self.servers[credential.provider]
        sessions = self.sessions
        made_from = (
            credential,
            server,
            *(sessions[vault] for vault in asked.vaults(server.section, credential)),
            state.path,
            security,
        )
        running = self.members.get(name)
        if running is not None and running.made_from == made_from:
            return running
        site = kinds.Site(
            name,
            credential,
            server.section,
            security,
            self._environ,
            sessions,
            state,
            self._clusters,
            self._clock,
            hooks=self._hooks,
            local=self._local,
        )
        sinks = tuple(kinds.sink(section, site) for section in credential.sinks)
        settings = kinds.endpoint(site)
        endpoint = GatedEndpoint(
            HttpTokenEndpoint(server.provider, settings, self._clock),
            server.gate,
            self._clock,
            self.dispatcher.provider_recovered,
            self._tell_quota,
        )
        metered = MeteredEndpoint(endpoint, credential.provider, self._clock, self._observer)
        ports = [MeteredSink(sink, self._clock, self._observer) for sink in sinks]
        spec = asked.spec(name, server.section, credential)
        source = kinds.source(site)
        subject = kinds.subject(site)
        exchanging: TokenEndpoint = metered if subject is None else ExchangingEndpoint(metered, subject)
        store = kinds.consent_store(site)
        consented = None if store is None else self._consented(store, name, running)
        asking: TokenEndpoint = exchanging if consented is None else ConsentedEndpoint(exchanging, consented)
        reading: Source = source if consented is None else ConsentedSource(source, consented)
        checkpoint = kinds.Checkpoint(server.provider, server.keys, settings, self._commons, self._clock)
        checks = kinds.checks(credential.verify, checkpoint)
        verifying = VerifyingEndpoint(asking, checks, self._clock, spec.renewal_share) if checks else asking
        revoker = self._revoker(spec, credential.revoke_after, checkpoint, source, sinks, server)
        settled = () if revoker is None else (revoker.look,)
        rotation = Rotation(spec, reading, verifying, ports, self._clock, self._journal, *settled)
        return Member(
            made_from,
            rotation,
            source,
            sinks,
            verifying,
            server,
            credential.required,
            settings,
            consented,
            store,
            tuple(site.parts),
            revoker,
        )

    def _revoker(
        self,
        spec: CredentialSpec,
        after: float | None,
        at: kinds.Checkpoint,
        source: Source,
        sinks: Sequence[Sink],
        server: Server,
    ) -> Revoker | None:
        if after is None:
            return None
        revocation = Revocation(at.provider, at.settings, source, self._clock)
        return Revoker(spec, after, revocation.revoke, sinks, server.turn, self._clock, self._journal)

    def _consented(self, store: VaultConsentStore, name: str, running: Member | None) -> Consented:
        """What a person agreed to; the one that runs goes on, for it may hold what could not be stored yet."""
        known = None if running is None else running.consented
        if known is not None and known.store == store:
            return known
        return Consented(store, self._clock, name)


def _bare(sink: Sink) -> Sink:
    """The sink itself, without what is done after a write to it."""
    return sink.sink if isinstance(sink, HookedSink) else sink


async def _trouble(section: FileSinkSection, name: str, state: StateDirectory) -> str:
    """Why a file can never be written as configured; empty when nothing is known to speak against it."""
    try:
        await FileSink(translate.file_sink(section), name, state).check()
    except ValueError as error:
        return str(error)
    except RotationError as error:
        return error.detail if error.code in NEVER_MENDED else ""
    return ""
