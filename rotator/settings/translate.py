"""What the configuration means to the other rooms."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from ipaddress import ip_network
from typing import TYPE_CHECKING

from rotator.engine.gate import Limits
from rotator.oauth import discovery
from rotator.oauth.checks.probe import ProbeSettings
from rotator.oauth.provider import ProviderSettings
from rotator.operate.logs import LogSettings
from rotator.settings.logins import Secrets, login
from rotator.settings.where import place, usual_state_dir
from rotator.vault.inputs import fetch
from rotator.vault.session import VaultSettings

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from rotator.files.options import FileSinkSettings
    from rotator.operate.listening import HttpSettings
    from rotator.settings.load import Loaded
    from rotator.settings.model import Settings
    from rotator.settings.providers import Provider
    from rotator.settings.sinks import FileSink
    from rotator.settings.verify import Probe
    from rotator.wire.addresses import Network


def vault(loaded: Loaded, environ: Mapping[str, str], name: str = "") -> VaultSettings:
    """Where a Vault is and how it is entered.

    Args:
        loaded: The configuration.
        environ: The environment, which may hold the token.
        name: Of its table in [vaults]; empty for [vault].
    """
    section = loaded.settings.vaults[name] if name else loaded.settings.vault
    return VaultSettings(
        address=section.address,
        auth=login(section.auth, Secrets(loaded, environ)),
        namespace=section.namespace,
        ca_file=section.ca_file,
        timeout=section.timeout,
        allowed_hosts=section.allowed_hosts,
        allowed_networks=_networks(section.allowed_networks),
    )


def _networks(texts: tuple[str, ...] | None) -> tuple[Network, ...] | None:
    return None if texts is None else tuple(map(ip_network, texts))


def provider(section: Provider) -> ProviderSettings:
    """How an authorization server is reached."""
    return ProviderSettings(
        token_url=section.token_url or "",
        issuer=section.issuer or "",
        endpoints={name: url for name, url in _endpoints(section).items() if url is not None},
        allowed_hosts=section.allowed_hosts,
        timeout=section.timeout,
        connect_timeout=min(3.0, section.timeout),
        ca_file=section.ca_file,
        connections=section.max_in_flight,
        allowed_networks=_networks(section.allowed_networks),
    )


def _endpoints(section: Provider) -> dict[str, str | None]:
    return {
        discovery.AUTHORIZATION: section.authorization_url,
        discovery.DEVICE_AUTHORIZATION: section.device_authorization_url,
        discovery.INTROSPECTION: section.introspection_url,
        discovery.REVOCATION: section.revocation_url,
        discovery.KEYS: section.jwks_url,
    }


def probe(section: Probe) -> ProbeSettings:
    """What an API is asked with a token before it is published."""
    return ProbeSettings(
        url=section.url,
        method=section.method,
        expect=section.expect,
        timeout=section.timeout,
        ca_file=section.ca_file,
        allowed_networks=_networks(section.allowed_networks),
    )


def limits(section: Provider) -> Limits:
    """How much an authorization server is asked."""
    return Limits(section.rate_limit.count, section.rate_limit.period, section.max_in_flight, section.quota)


def file_sink(section: FileSink) -> FileSinkSettings:
    """A file as the files room wants it."""
    return section.options()


def logs(settings: Settings) -> LogSettings:
    """How logs look."""
    return LogSettings(settings.log.level, settings.log.format)


def http(loaded: Loaded, environ: Mapping[str, str]) -> HttpSettings:
    """Where rotator is asked how it is, and what is allowed there."""
    section = loaded.settings.http
    bearer = None
    if section.token_file is not None:
        bearer = partial(fetch, Secrets(loaded, environ).file(section.token_file), "http.token_file")
    return replace(place(section, state_dir(loaded.settings, environ)), bearer=bearer)


def state_dir(settings: Settings, environ: Mapping[str, str]) -> Path:
    """Where the dates of raw, header and env files are kept: as configured, else as systemd, root or XDG have it."""
    return settings.state_dir or usual_state_dir(environ)
