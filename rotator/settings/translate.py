"""What the configuration means to the other rooms."""

from __future__ import annotations

import os
from dataclasses import replace
from functools import partial
from ipaddress import ip_network
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rotator.core.errors import Code, RotationError
from rotator.core.model import CredentialSpec, Secret
from rotator.engine.gate import Limits
from rotator.oauth.answer import Expectations
from rotator.oauth.endpoint import EndpointSettings, ProviderSettings
from rotator.oauth.request import GrantParameters
from rotator.operate.listening import HttpSettings
from rotator.operate.logs import LogSettings
from rotator.settings import model
from rotator.settings.http import UNIX, Http
from rotator.settings.secret_files import UnsafeFileError, read_secret
from rotator.vault.auth import AppRoleLogin, TokenLogin
from rotator.vault.inputs import SecretFile, fetch
from rotator.vault.session import VaultSettings
from rotator.vault.wrapping import WrappedSecretId

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rotator.files.options import FileSinkSettings
    from rotator.settings.load import Loaded
    from rotator.vault.auth import Login
    from rotator.wire.addresses import Network


def vault(loaded: Loaded, environ: Mapping[str, str]) -> VaultSettings:
    """Where Vault is and how it is entered."""
    section = loaded.settings.vault
    return VaultSettings(
        address=section.address,
        auth=_login(loaded, environ),
        namespace=section.namespace,
        ca_file=section.ca_file,
        timeout=section.timeout,
        allowed_hosts=section.allowed_hosts,
        allowed_networks=_networks(section.allowed_networks),
    )


def _networks(texts: tuple[str, ...] | None) -> tuple[Network, ...] | None:
    return None if texts is None else tuple(map(ip_network, texts))


def _login(loaded: Loaded, environ: Mapping[str, str]) -> Login:
    auth = loaded.settings.vault.auth
    if isinstance(auth, model.AppRoleAuth):
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


def provider(section: model.Provider) -> ProviderSettings:
    """How an authorization server is reached."""
    return ProviderSettings(
        token_url=section.token_url,
        client_auth=section.client_auth,
        basic_encoding=section.basic_encoding,
        timeout=section.timeout,
        connect_timeout=min(3.0, section.timeout),
        ca_file=section.ca_file,
        connections=section.max_in_flight,
        allowed_networks=_networks(section.allowed_networks),
    )


def limits(section: model.Provider) -> Limits:
    """How much an authorization server is asked."""
    return Limits(section.rate_limit.count, section.rate_limit.period, section.max_in_flight)


def endpoint(provider: model.Provider, credential: model.Credential) -> EndpointSettings:
    """What a credential asks for; its own words outweigh its provider's."""
    scope = _own(credential, provider, "scope") or ""
    return EndpointSettings(
        parameters=GrantParameters(
            grant_type=credential.grant,
            scope=scope,
            audience=_own(credential, provider, "audience") or "",
            resource=_own(credential, provider, "resource") or (),
            extra=tuple((_own(credential, provider, "parameters") or {}).items()),
        ),
        expected=Expectations(
            scope=scope,
            assumed_lifetime=provider.assumed_lifetime,
            max_lifetime=provider.max_lifetime,
            assume_bearer=provider.assume_bearer,
            accept_narrower_scope=provider.accept_narrower_scope,
        ),
    )


def _own(credential: model.Credential, provider: model.Provider, key: str) -> Any:
    own = getattr(credential, key)
    return getattr(provider, key) if own is None else own


def spec(name: str, provider: model.Provider, credential: model.Credential) -> CredentialSpec:
    """What the core knows of a credential."""
    asked = endpoint(provider, credential).parameters
    return CredentialSpec(
        name=name,
        provider=credential.provider,
        identity=(("token_url", provider.token_url), *asked.form()),
        renew_at=credential.renew_at,
        recheck_interval=credential.recheck_interval,
    )


def file_sink(section: model.FileSink) -> FileSinkSettings:
    """A file as the files room wants it."""
    return section.options()


def logs(settings: model.Settings) -> LogSettings:
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


def state_dir(settings: model.Settings, environ: Mapping[str, str]) -> Path:
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
