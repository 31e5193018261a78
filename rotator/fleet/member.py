"""One credential with all its parts, from the wire outwards.

The request itself, the provider's gate, the meter, the subject token of an exchange, the claim of a refresh token, and
checks before publishing: each is a decorator of the one before (docs/adr/0020-sections-mean-parts.md).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from rotator import kinds
from rotator.core.rotation import Rotation
from rotator.engine.gated import GatedEndpoint
from rotator.engine.metered import MeteredEndpoint, MeteredSink
from rotator.engine.revoking import Revoker
from rotator.hooks.sink import HookedSink
from rotator.oauth.endpoint import HttpTokenEndpoint
from rotator.oauth.exchanging import ExchangingEndpoint
from rotator.oauth.refreshing import Consented, ConsentedEndpoint, ConsentedSource
from rotator.oauth.revocation import Revocation
from rotator.oauth.verifying import VerifyingEndpoint
from rotator.settings import asked

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from rotator.core.model import CredentialSpec
    from rotator.core.ports import Clock, Journal, Sink, Source, TokenEndpoint
    from rotator.engine.gate import Gate
    from rotator.engine.metered import Observer
    from rotator.files.state import StateDirectory
    from rotator.fleet.servers import Server, Servers
    from rotator.fleet.vaults import Vaults
    from rotator.hooks.runner import Hooks
    from rotator.kubernetes.cluster import Clusters
    from rotator.local.server import LocalServer
    from rotator.oauth.checks.commons import Commons
    from rotator.oauth.endpoint import EndpointSettings
    from rotator.plugged.parts import Part
    from rotator.settings.credential import Credential
    from rotator.settings.model import Security
    from rotator.vault.consent_store import VaultConsentStore


@dataclass(frozen=True)
class Member:
    """A credential that is kept fresh: what it was made from, and its parts.

    Attributes:
        made_from: What it depends on, its origin first; a member that was made from the same goes on.
        rotation: Keeps it fresh.
        source: Where its client credentials are.
        sinks: Where its consumers find the token, with what is done after a write.
        endpoint: Mints, and checks.
        server: Its authorization server.
        required: Whether it counts for readiness.
        asked: What its provider is asked for.
        consented: How it goes on by a refresh token; None for grants that nobody starts.
        store: Where that refresh token is kept.
        plugged: What plugins made of it.
        revoker: Revokes superseded tokens; None when they are left to end.
    """

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

    @property
    def origin(self) -> object:
        """What it was made from: an `Origin`."""
        return self.made_from[0]

    @property
    def bare_sinks(self) -> tuple[Sink, ...]:
        """The sinks themselves, without what is done after a write."""
        return tuple(sink.sink if isinstance(sink, HookedSink) else sink for sink in self.sinks)

    def replaceable(self) -> tuple[Part | Revoker, ...]:
        """What is to be closed when another one takes its place."""
        return (*self.plugged, *(() if self.revoker is None else (self.revoker,)))

    async def close(self) -> None:
        """End what it has under way, and give back what it was lent."""
        await kinds.give_back(self.source)
        for part in self.replaceable():
            await part.close()
        if self.consented is not None:
            await self.consented.close()


@dataclass(frozen=True)
class Shared:
    """What the members of one rotator have in common.

    Attributes:
        clock: Time.
        journal: Where events are told.
        environ: The process's environment.
        observer: Told of mints and deliveries.
        provider_recovered: Called when a provider answers again after an outage.
        vaults: The sessions.
        servers: The authorization servers.
        clusters: How Kubernetes is asked.
        checks: What all checks share.
        hooks: Runs what is done after writes.
        local: Serves the local socket.
    """

    clock: Clock
    journal: Journal
    environ: Mapping[str, str]
    observer: Observer
    provider_recovered: Callable[[Gate], None]
    vaults: Vaults
    servers: Servers
    clusters: Clusters
    checks: Commons
    hooks: Hooks
    local: LocalServer


class Origin(Protocol):
    """What a credential is made from; equal ones make equal credentials."""

    @property
    def sample(self) -> Credential:
        """A section that names the same provider and the same Vaults."""

    def credential(self) -> Credential:
        """Its section.

        Raises:
            UnusableKeyError: None can be made; see `rotator.settings.discover`.
        """


@dataclass(frozen=True, slots=True)
class Written:
    """A section that is written out in the configuration."""

    sample: Credential

    def credential(self) -> Credential:
        """See `Origin`."""
        return self.sample


def member(
    name: str,
    origin: Origin,
    shared: Shared,
    state: StateDirectory,
    security: Security,
    running: Member | None,
) -> Member:
    """The member for a credential: the one that runs if nothing that it depends on has changed.

    Args:
        name: The credential's.
        origin: What it is made from.
        shared: What it has in common with others.
        state: Where what files cannot carry is kept.
        security: What is allowed although it is less safe.
        running: The one of this name that runs now.

    Raises:
        UnusableKeyError: See `Origin`.
    """
    server, sessions = shared.servers.named[origin.sample.provider], shared.vaults.sessions
    named = (sessions[vault] for vault in asked.vaults(server.section, origin.sample))
    made_from = (origin, server, *named, state.path, security)
    if running is not None and running.made_from == made_from:
        return running
    credential = origin.credential()
    site = kinds.Site(
        name,
        credential,
        server.section,
        security,
        shared.environ,
        sessions,
        state,
        shared.clusters,
        shared.clock,
        hooks=shared.hooks,
        local=shared.local,
    )
    return _put_up(site, shared, server, made_from, running)


def _put_up(
    site: kinds.Site, shared: Shared, server: Server, made_from: tuple[object, ...], running: Member | None
) -> Member:
    credential, clock = site.credential, shared.clock
    source, settings = kinds.source(site), kinds.endpoint(site)
    sinks = tuple(kinds.sink(section, site) for section in credential.sinks)
    spec = asked.spec(site.name, server.section, credential)
    store = kinds.consent_store(site)
    consented = None if store is None else _consented(store, clock, site.name, running)
    checkpoint = kinds.Checkpoint(server.provider, lambda: server.keys, settings, shared.checks, clock)
    endpoint = _checked(_asking(site, shared, server, settings, consented), spec, credential, checkpoint, clock)
    revoker = _revoker(spec, credential.revoke_after, checkpoint, source, sinks, server, shared)
    rotation = Rotation(
        spec,
        source if consented is None else ConsentedSource(source, consented),
        endpoint,
        [MeteredSink(sink, clock, shared.observer) for sink in sinks],
        clock,
        shared.journal,
        *(() if revoker is None else (revoker.look,)),
    )
    return Member(
        made_from=made_from,
        rotation=rotation,
        source=source,
        sinks=sinks,
        endpoint=endpoint,
        server=server,
        required=credential.required,
        asked=settings,
        consented=consented,
        store=store,
        plugged=tuple(site.parts),
        revoker=revoker,
    )


def _asking(
    site: kinds.Site, shared: Shared, server: Server, settings: EndpointSettings, consented: Consented | None
) -> TokenEndpoint:
    gated = GatedEndpoint(
        HttpTokenEndpoint(server.provider, settings, shared.clock),
        server.gate,
        shared.clock,
        shared.provider_recovered,
        shared.servers.tell_quota,
    )
    asking: TokenEndpoint = MeteredEndpoint(gated, site.credential.provider, shared.clock, shared.observer)
    subject = kinds.subject(site)
    asking = asking if subject is None else ExchangingEndpoint(asking, subject)
    return asking if consented is None else ConsentedEndpoint(asking, consented)


def _checked(
    asking: TokenEndpoint, spec: CredentialSpec, credential: Credential, at: kinds.Checkpoint, clock: Clock
) -> TokenEndpoint:
    checks = kinds.checks(credential.verify, at)
    return VerifyingEndpoint(asking, checks, clock, spec.renewal_share) if checks else asking


def _consented(store: VaultConsentStore, clock: Clock, name: str, running: Member | None) -> Consented:
    """What a person agreed to; the one that runs goes on, for it may hold what could not be stored yet."""
    known = None if running is None else running.consented
    return known if known is not None and known.store == store else Consented(store, clock, name)


def _revoker(
    spec: CredentialSpec,
    after: float | None,
    at: kinds.Checkpoint,
    source: Source,
    sinks: Sequence[Sink],
    server: Server,
    shared: Shared,
) -> Revoker | None:
    if after is None:
        return None
    revocation = Revocation(at.provider, at.settings, source, shared.clock)
    return Revoker(spec, after, revocation.revoke, sinks, server.turn, shared.clock, shared.journal)
