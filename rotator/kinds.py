"""Which part each section of the configuration means. A new kind is a module in its room and a line here."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from rotator.core.document import CLIENT_ID, Wanted
from rotator.files.credential_source import CredentialSource
from rotator.files.sink import FileSink
from rotator.files.source import FileSource
from rotator.given.environment import EnvironmentSource
from rotator.given.public import PublicSource
from rotator.hooks.sink import HookedSink
from rotator.kubernetes.secret import Layout
from rotator.kubernetes.sink import SecretSink
from rotator.local.sink import SocketSink
from rotator.oauth.assertions import PRIVATE_KEY, load_private_keys
from rotator.oauth.checks.claims import Claims, Expected
from rotator.oauth.checks.introspection import Introspection
from rotator.oauth.checks.probe import Probe
from rotator.plugged.parts import Part, PluggedSink, PluggedSource
from rotator.plugged.site import Site as PluginSite
from rotator.settings import asked, kubernetes, sinks, sources, translate
from rotator.settings.packages import read_secret
from rotator.vault.consent_store import VaultConsentStore
from rotator.vault.kv_sink import KvSink
from rotator.vault.kv_source import KvSource
from rotator.vault.path_source import PathSource
from rotator.vault.transit import TransitSigner

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from rotator.core.ports import Clock, Sink, Source
    from rotator.files.state import StateDirectory
    from rotator.hooks.runner import Hooks
    from rotator.kubernetes.cluster import Clusters
    from rotator.local.server import LocalServer
    from rotator.oauth import provider as oauth
    from rotator.oauth.checks.check import Check
    from rotator.oauth.checks.commons import Commons
    from rotator.oauth.checks.keys import Keys
    from rotator.oauth.endpoint import EndpointSettings
    from rotator.settings import verify
    from rotator.settings.credential import Credential
    from rotator.settings.model import Security
    from rotator.settings.providers import Provider
    from rotator.vault.session import VaultSession


USUAL_ALGORITHM = "RS256"
"""Of a key in Vault's transit engine for which none is configured; most keys there are RSA keys."""


@dataclass(frozen=True, slots=True)
class Site:
    """Where a credential's parts are put up.

    Attributes:
        name: The credential's.
        credential: Its section.
        provider: The section of its authorization server.
        security: What is allowed although it is less safe.
        environ: The environment as it was at the start.
        vaults: The sessions, by name; empty for [vault].
        state: Where what files cannot carry is kept.
        clusters: How Kubernetes is asked.
        clock: Time.
        for_subject: Whether the source to be put up holds a subject token, and not the client's credentials.
        hooks: Runs what is done after writes.
        local: Serves the local socket.
        parts: Takes in what plugins make, which is to be closed in the end.
    """

    name: str
    credential: Credential
    provider: Provider
    security: Security
    environ: Mapping[str, str]
    vaults: Mapping[str, VaultSession]
    state: StateDirectory
    clusters: Clusters
    clock: Clock
    for_subject: bool = False
    hooks: Hooks | None = None
    local: LocalServer | None = None
    parts: list[Part] = field(default_factory=list)

    def plugins(self, name: str, wanted: Wanted | None = None) -> PluginSite:
        """What a part of a plugin is handed; see there."""
        read = partial(read_secret, shared=self.security.allow_shared_secret_files)
        return PluginSite(self.name, name, self.clock, read, wanted)

    def wanted(self, names: Mapping[str, str]) -> Wanted:
        """Which fields a source has to hold, given the document's names of them."""
        which = asked.subject_wanted if self.for_subject else asked.wanted
        return which(self.provider, self.credential, names)

    def vault(self, name: str | None) -> VaultSession:
        """The session of a Vault that a section names."""
        return self.vaults[name or ""]


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Where the tokens of a credential are checked.

    Attributes:
        provider: Its authorization server.
        keys: Gives that one's keys, to checks that need them.
        settings: How the client proves itself there, and what it asks for.
        commons: Shared by all checks.
        clock: Time.
    """

    provider: oauth.Provider
    keys: Callable[[], Keys]
    settings: EndpointSettings
    commons: Commons
    clock: Clock


def _kv_source(section: sources.VaultSource, site: Site) -> Source:
    wanted = site.wanted(section.fields)
    return KvSource(site.vault(section.vault), section.path, wanted)


def _path_source(section: sources.VaultPathSource, site: Site) -> Source:
    given = _given(section.client_id, section.fields.get(CLIENT_ID, CLIENT_ID))
    return PathSource(site.vault(section.vault), section.path, site.wanted(section.fields), given)


def _file_source(section: sources.FileSource, site: Site) -> Source:
    wanted = site.wanted(section.fields)
    given = _given(section.client_id, section.fields.get(CLIENT_ID, CLIENT_ID))
    return FileSource(section.path, wanted, shared=site.security.allow_shared_secret_files, given=given)


def _systemd_source(section: sources.SystemdSource, site: Site) -> Source:
    wanted = site.wanted(section.fields)
    given = _given(section.client_id, section.fields.get(CLIENT_ID, CLIENT_ID))
    return CredentialSource(site.environ, section.name, section.credentials, wanted, given)


def _environment_source(section: sources.EnvironmentSource, site: Site) -> Source:
    wanted = site.wanted({})
    return EnvironmentSource(section.variables, site.environ, wanted, _given(section.client_id, CLIENT_ID))


def _public_source(section: sources.PublicSource, _: Site) -> Source:
    return PublicSource(section.client_id)


def _plugin_source(section: sources.PluginSource, site: Site) -> Source:
    known = section.plugged
    at = site.plugins(f"the source {section.type} of {site.name}", site.wanted(section.fields))
    part = PluggedSource(known.found, known.settings, at)
    site.parts.append(part)
    return part


def _given(client_id: str | None, name: str) -> Mapping[str, str]:
    """What the configuration itself says of a document, by the document's name of it."""
    return {} if client_id is None else {name: client_id}


def _kv_sink(section: sinks.VaultSink, site: Site) -> Sink:
    return KvSink(site.vault(section.vault), section.path, site.name, section.fields)


def _file_sink(section: sinks.FileSink, site: Site) -> Sink:
    return FileSink(translate.file_sink(section), site.name, site.state)


def _kubernetes_sink(section: kubernetes.KubernetesSink, site: Site) -> Sink:
    layout = Layout(str(section.namespace), section.name, site.name, section.keys, section.labels)
    return SecretSink(site.clusters.cluster(section.cluster()), layout, section.path)


def _socket_sink(section: sinks.SocketSink, site: Site) -> Sink:
    if site.local is None:
        raise TypeError("a sink of type socket needs the server of the local socket")
    return SocketSink(site.local, site.name, section.peers(), section.fields)


def _plugin_sink(section: sinks.PluginSink, site: Site) -> Sink:
    known = section.plugged
    part = PluggedSink(known.found, known.settings, site.plugins(f"{section.type}:{known.place(site.name)}"))
    site.parts.append(part)
    return part


def _claims(section: verify.Claims, at: Checkpoint) -> Check:
    expected = Expected(section.iss or "", section.aud or "", section.scope or "")
    return Claims(expected, at.keys() if section.signed else None)


def _introspection(_: Literal[True], at: Checkpoint) -> Check:
    return Introspection(at.provider, at.settings, at.commons.outages, at.clock)


def _probe(section: verify.Probe, at: Checkpoint) -> Check:
    return Probe(translate.probe(section), at.commons, at.clock)


SOURCES: Mapping[type, Callable[[Any, Site], Source]] = {
    sources.VaultSource: _kv_source,
    sources.VaultPathSource: _path_source,
    sources.FileSource: _file_source,
    sources.SystemdSource: _systemd_source,
    sources.EnvironmentSource: _environment_source,
    sources.PublicSource: _public_source,
    sources.PluginSource: _plugin_source,
}
"""How client credentials are read, by the section that says where they are."""

SINKS: Mapping[type, Callable[[Any, Site], Sink]] = {
    sinks.VaultSink: _kv_sink,
    sinks.FileSink: _file_sink,
    kubernetes.KubernetesSink: _kubernetes_sink,
    sinks.SocketSink: _socket_sink,
    sinks.PluginSink: _plugin_sink,
}
"""How a token is delivered, by the section that says where."""


CHECKS: Mapping[str, Callable[[Any, Checkpoint], Check]] = {
    "claims": _claims,
    "introspection": _introspection,
    "probe": _probe,
}
"""What a token has to stand, by the key of `verify`; in the order in which it has to."""


def source(site: Site) -> Source:
    """Where the credential's client credentials are."""
    section = site.credential.source
    return SOURCES[type(section)](section, site)


async def give_back(source: Source) -> None:
    """Give back what a source was lent, at the end; a source that is merely replaced leaves it to end by itself."""
    if isinstance(source, PathSource):
        await source.close()


def subject(site: Site) -> Source | None:
    """Where the token is that is exchanged; None where there is none, or it is beside the client's credentials."""
    section = asked.subject(site.provider, site.credential)
    return None if section is None else SOURCES[type(section)](section, replace(site, for_subject=True))


def endpoint(site: Site) -> EndpointSettings:
    """What it asks its provider for."""
    how = asked.assertions(site.provider, site.credential)
    signer = None
    if how.transit_key is not None:
        algorithm = how.algorithm or USUAL_ALGORITHM
        signer = TransitSigner(site.vault(how.vault), how.transit_key, algorithm, how.transit_key_version)
    if PRIVATE_KEY in asked.wanted(site.provider, site.credential, {}).fields():
        load_private_keys()
    return asked.endpoint(site.provider, site.credential, signer)


def consent_store(site: Site) -> VaultConsentStore | None:
    """Where the refresh token of a grant is kept that a person started; None for any other."""
    login = site.credential.login
    return None if login is None else VaultConsentStore(site.vault(login.vault), login.path)


def checks(section: verify.Verify | None, at: Checkpoint) -> tuple[Check, ...]:
    """What a credential's tokens have to stand before they are published."""
    asked_for = {key: getattr(section, key, None) for key in CHECKS}
    return tuple(build(asked_for[key], at) for key, build in CHECKS.items() if asked_for[key])


def sink(section: sinks.Sink, site: Site) -> Sink:
    """One place where its consumers find the token, with what is done after a write."""
    bare = SINKS[type(section)](section, site)
    if not section.after_write:
        return bare
    if site.hooks is None:
        raise TypeError("after_write needs somebody who runs it")
    hooks = section.hooks(site.hooks.clock, shared=site.security.allow_shared_secret_files)
    return HookedSink(bare, hooks, site.hooks, site.name, section.debounce)
