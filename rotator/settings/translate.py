"""What the configuration means to the other rooms."""

from __future__ import annotations

import os
from dataclasses import replace
from functools import partial
from ipaddress import ip_network
from pathlib import Path
from typing import TYPE_CHECKING

from rotator.core.errors import Code, RotationError
from rotator.core.model import Secret
from rotator.engine.gate import Limits
from rotator.oauth import discovery
from rotator.oauth.provider import ProviderSettings
from rotator.operate.listening import HttpSettings
from rotator.operate.logs import LogSettings
from rotator.settings.http import UNIX, Http
from rotator.settings.secret_files import UnsafeFileError, read_secret
from rotator.settings.vault import AppRoleAuth
from rotator.vault.inputs import SecretFile, fetch
from rotator.vault.logins.approle import AppRoleLogin
from rotator.vault.logins.token import TokenLogin
from rotator.vault.session import VaultSettings
from rotator.vault.wrapping import WrappedSecretId

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rotator.files.options import FileSinkSettings
    from rotator.settings.load import Loaded
    from rotator.settings.model import Settings
    from rotator.settings.providers import Provider
    from rotator.settings.sinks import FileSink
    from rotator.settings.vault import Vault
    from rotator.vault.auth import Login
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
        auth=_login(loaded, environ, section),
        namespace=section.namespace,
        ca_file=section.ca_file,
        timeout=section.timeout,
        allowed_hosts=section.allowed_hosts,
        allowed_networks=_networks(section.allowed_networks),
    )


def _networks(texts: tuple[str, ...] | None) -> tuple[Network, ...] | None:
    return None if texts is None else tuple(map(ip_network, texts))


def _login(loaded: Loaded, environ: Mapping[str, str], section: Vault) -> Login:
    auth = section.auth
    if isinstance(auth, AppRoleAuth):
        role_id = Secret(auth.role_id) if auth.role_id is not None else _file(loaded, _given(auth.role_id_file))
        file = _file(loaded, auth.secret_id_file)
        return AppRoleLogin(role_id, WrappedSecretId(file) if auth.secret_id_wrapped else file, auth.mount)
    if auth.token_file is not None:
        return TokenLogin(_file(loaded, auth.token_file))
    name = str(auth.token_env)

    def from_environment() -> Secret:
        value = environ.get(name, "")
        if not value:
            raise RotationError(Code.VAULT_LOGIN_REFUSED, f"the environment variable {name} holds no Vault token")
        return Secret(value)

    return TokenLogin(from_environment)


def _file(loaded: Loaded, name: Path) -> SecretFile:
    """A secret file, held to the same at every login as at the start (G07)."""
    shared = loaded.settings.security.allow_shared_secret_files

    def read(path: Path) -> Secret:
        try:
            return Secret(read_secret(path, shared=shared).reveal().strip())
        except UnsafeFileError as error:
            why = f"{error}; {error.cure}"
        raise RotationError(Code.VAULT_LOGIN_REFUSED, why)

    return SecretFile(loaded.secret_files[name], read)


def _given(name: Path | None) -> Path:
    if name is None:
        raise TypeError("the model has seen to it that one of the two is given")
    return name


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


def limits(section: Provider) -> Limits:
    """How much an authorization server is asked."""
    return Limits(section.rate_limit.count, section.rate_limit.period, section.max_in_flight)


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
        bearer = partial(fetch, _file(loaded, section.token_file), "http.token_file")
    return replace(place(section, state_dir(loaded.settings, environ)), bearer=bearer)


def place(section: Http, state: Path) -> HttpSettings:
    """Where that is, without the bearer that guards it."""
    path, address = None, None
    if section.listen is None:
        path = state / "rotator.sock"
    elif section.listen.startswith(UNIX):
        path = Path(section.listen.removeprefix(UNIX))
    else:
        host, _, port = section.listen.rpartition(":")
        address = (host.strip("[]"), int(port))
    return HttpSettings(path, address, section.socket_mode, frozenset(section.actions))


def state_dir(settings: Settings, environ: Mapping[str, str]) -> Path:
    """Where the dates of raw, header and env files are kept: as configured, else as systemd, root or XDG have it."""
    return settings.state_dir or usual_state_dir(environ)


def usual_state_dir(environ: Mapping[str, str]) -> Path:
    """The same where the configuration names none."""
    if environ.get("STATE_DIRECTORY"):
        return Path(environ["STATE_DIRECTORY"].partition(":")[0])
    if os.geteuid() == 0:
        return Path("/var/lib/rotator")
    home = Path(environ.get("XDG_STATE_HOME") or Path(environ.get("HOME", "/")) / ".local/state")
    return home / "rotator"
