"""Which login to Vault each section of an `auth` table means."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from rotator.core.errors import Code, RotationError
from rotator.core.model import Secret
from rotator.settings import secret_files
from rotator.settings.vault import AppRoleAuth, CertAuth, JwtAuth, KubernetesAuth, TokenAuth, UserpassAuth
from rotator.vault.inputs import SecretFile, fetch
from rotator.vault.logins.approle import AppRoleLogin
from rotator.vault.logins.cert import CertLogin
from rotator.vault.logins.jwt import JwtLogin
from rotator.vault.logins.kubernetes import KubernetesLogin
from rotator.vault.logins.token import TokenLogin
from rotator.vault.logins.userpass import UserpassLogin
from rotator.vault.wrapping import WrappedSecretId
from rotator.wire.trust import ClientCertificate

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from rotator.settings.load import Loaded
    from rotator.settings.vault import Auth
    from rotator.vault.auth import Login


@dataclass(frozen=True, slots=True)
class Secrets:
    """Where logins get their secrets.

    Attributes:
        loaded: The configuration.
        environ: The environment, which may hold a token.
    """

    loaded: Loaded
    environ: Mapping[str, str]

    def file(self, name: Path, read: Callable[..., Secret] = secret_files.read_secret) -> SecretFile:
        """A secret file, held to the same at every login as at the start (G07)."""
        return SecretFile(self.loaded.secret_files[name], partial(_read, self.loaded, read))

    def variable(self, name: str) -> Callable[[], Secret]:
        """A variable of the environment, as it was at the start."""

        def value() -> Secret:
            if not self.environ.get(name):
                raise RotationError(Code.VAULT_LOGIN_REFUSED, f"the environment variable {name} holds no Vault token")
            return Secret(self.environ[name])

        return value


def _read(loaded: Loaded, read: Callable[..., Secret], path: Path) -> Secret:
    try:
        return Secret(read(path, shared=loaded.settings.security.allow_shared_secret_files).reveal().strip())
    except secret_files.UnsafeFileError as error:
        why = f"{error}; {error.cure}"
    raise RotationError(Code.VAULT_LOGIN_REFUSED, why)


def _token(section: TokenAuth, secrets: Secrets) -> Login:
    if section.token_file is not None:
        return TokenLogin(secrets.file(section.token_file))
    return TokenLogin(secrets.variable(str(section.token_env)))


def _approle(section: AppRoleAuth, secrets: Secrets) -> Login:
    secret_id = secrets.file(section.secret_id_file)
    return AppRoleLogin(
        Secret(section.role_id or "") if section.role_id_file is None else secrets.file(section.role_id_file),
        WrappedSecretId(secret_id) if section.secret_id_wrapped else secret_id,
        section.mount,
    )


def _kubernetes(section: KubernetesAuth, secrets: Secrets) -> Login:
    return KubernetesLogin(section.role, secrets.file(section.jwt_file), section.mount)


def _jwt(section: JwtAuth, secrets: Secrets) -> Login:
    return JwtLogin(secrets.file(section.jwt_file), section.role, section.mount)


def _cert(section: CertAuth, secrets: Secrets) -> Login:
    key = secrets.file(section.key_file, secret_files.read_key)
    shown = ClientCertificate(secrets.file(section.cert_file).path, key.path)
    return CertLogin(shown, section.role, section.mount, lambda: _look_at(key))


def _look_at(key: SecretFile) -> None:
    fetch(key, "the private key")


def _userpass(section: UserpassAuth, secrets: Secrets) -> Login:
    return UserpassLogin(section.username, secrets.file(section.password_file), section.mount)


LOGINS: Mapping[type, Callable[[Any, Secrets], Login]] = {
    TokenAuth: _token,
    AppRoleAuth: _approle,
    KubernetesAuth: _kubernetes,
    JwtAuth: _jwt,
    CertAuth: _cert,
    UserpassAuth: _userpass,
}
"""How Vault is entered, by the section that says so."""


def login(section: Auth, secrets: Secrets) -> Login:
    """How a Vault is entered."""
    return LOGINS[type(section)](section, secrets)
