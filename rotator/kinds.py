"""Which part each section of the configuration means. A new kind is a module in its room and a line here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rotator.files.sink import FileSink
from rotator.kubernetes.secret import Layout
from rotator.kubernetes.sink import SecretSink
from rotator.settings import asked, kubernetes, sinks, sources, translate
from rotator.vault.consent_store import VaultConsentStore
from rotator.vault.kv_sink import KvSink
from rotator.vault.kv_source import KvSource

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from rotator.core.ports import Sink, Source
    from rotator.files.state import StateDirectory
    from rotator.kubernetes.cluster import Clusters
    from rotator.oauth.endpoint import EndpointSettings
    from rotator.settings.model import Credential
    from rotator.settings.providers import Provider
    from rotator.vault.session import VaultSession


@dataclass(frozen=True, slots=True)
class Site:
    """Where a credential's parts are put up.

    Attributes:
        name: The credential's.
        credential: Its section.
        provider: The section of its authorization server.
        vaults: The sessions, by name; empty for [vault].
        state: Where what files cannot carry is kept.
        clusters: How Kubernetes is asked.
    """

    name: str
    credential: Credential
    provider: Provider
    vaults: Mapping[str, VaultSession]
    state: StateDirectory
    clusters: Clusters

    def vault(self, name: str | None) -> VaultSession:
        """The session of a Vault that a section names."""
        return self.vaults[name or ""]


def _kv_source(section: sources.VaultSource, site: Site) -> Source:
    wanted = asked.wanted(site.provider, site.credential, section.fields)
    return KvSource(site.vault(section.vault), section.path, wanted)


def _kv_sink(section: sinks.VaultSink, site: Site) -> Sink:
    return KvSink(site.vault(section.vault), section.path, site.name, section.fields)


def _file_sink(section: sinks.FileSink, site: Site) -> Sink:
    return FileSink(translate.file_sink(section), site.name, site.state)


def _kubernetes_sink(section: kubernetes.KubernetesSink, site: Site) -> Sink:
    layout = Layout(str(section.namespace), section.name, site.name, section.keys, section.labels)
    return SecretSink(site.clusters.cluster(section.cluster()), layout, section.path)


SOURCES: Mapping[type, Callable[[Any, Site], Source]] = {sources.VaultSource: _kv_source}
"""How client credentials are read, by the section that says where they are."""

SINKS: Mapping[type, Callable[[Any, Site], Sink]] = {
    sinks.VaultSink: _kv_sink,
    sinks.FileSink: _file_sink,
    kubernetes.KubernetesSink: _kubernetes_sink,
}
"""How a token is delivered, by the section that says where."""


def source(site: Site) -> Source:
    """Where the credential's client credentials are."""
    section = site.credential.source
    return SOURCES[type(section)](section, site)


def endpoint(site: Site) -> EndpointSettings:
    """What it asks its provider for."""
    return asked.endpoint(site.provider, site.credential)


def consent_store(site: Site) -> VaultConsentStore | None:
    """Where the refresh token of a grant is kept that a person started; None for any other."""
    login = site.credential.login
    return None if login is None else VaultConsentStore(site.vault(login.vault), login.path)


def sink(section: sinks.Sink, site: Site) -> Sink:
    """One place where its consumers find the token."""
    return SINKS[type(section)](section, site)
