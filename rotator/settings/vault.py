"""The [vault] table: where Vault or OpenBao is, and how it is entered."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias, get_args

from pydantic import Discriminator, Field, model_validator

from rotator.settings.places import AbsolutePath, File, VaultUrlText
from rotator.settings.types import (
    ON_ALLOWED_NETWORKS,
    Choice,
    Networks,
    PlainText,
    Seconds,
    Section,
    Text,
    Variable,
    refuse,
)
from rotator.vault.logins.kubernetes import SERVICE_ACCOUNT_TOKEN

_SEGMENT = r"[A-Za-z0-9_][A-Za-z0-9_.-]*"
Mount = Annotated[
    str,
    Text(
        rf"{_SEGMENT}(?:/{_SEGMENT})*", "where the method is mounted, without auth/ in front and without slashes around"
    ),
]
_ON_MOUNT = "Where the method is mounted."


class TokenAuth(Section):
    """A Vault token that somebody else keeps alive."""

    method: Literal["token"] = Field(description="A token that somebody else made, such as a Vault Agent.")
    token_file: File | None = Field(None, description="File that holds the token; read again when it changes.")
    token_env: Variable | None = Field(None, description="Environment variable that holds it, such as VAULT_TOKEN.")

    @model_validator(mode="after")
    def _one(self) -> TokenAuth:
        if (self.token_file is None) == (self.token_env is None):
            raise refuse(
                "exactly one of token_file and token_env", 'token_file = "vault-token" names a file of mode 0600'
            )
        return self


class AppRoleAuth(Section):
    """AppRole."""

    method: Literal["approle"] = Field(description="Role id and secret id, from files.")
    mount: Mount = Field("approle", description=_ON_MOUNT)
    role_id_file: File | None = Field(None, description="File that holds the role id.")
    role_id: PlainText | None = Field(None, description="The role id itself, which is no secret; or role_id_file.")
    secret_id_file: File = Field(description="File that holds the secret id; read at every login.")
    secret_id_wrapped: bool = Field(
        False, description="The file holds a response-wrapping token, from which the secret id is unwrapped once."
    )

    @model_validator(mode="after")
    def _one(self) -> AppRoleAuth:
        if (self.role_id_file is None) == (self.role_id is None):
            raise refuse("exactly one of role_id_file and role_id", 'role_id_file = "role-id"')
        return self


class KubernetesAuth(Section):
    """A pod's service account."""

    method: Literal["kubernetes"] = Field(description="The service account of the pod that rotator runs in.")
    mount: Mount = Field("kubernetes", description=_ON_MOUNT)
    role: PlainText = Field(description="The role at the mount, which names the service accounts that it takes.")
    jwt_file: File = Field(
        SERVICE_ACCOUNT_TOKEN, description="The service account's token; read at every login, since it is replaced."
    )


class JwtAuth(Section):
    """A JWT of another platform: the half of Vault's JWT/OIDC method that needs no browser."""

    method: Literal["jwt"] = Field(description="A JWT that Vault checks by its issuer's keys.")
    mount: Mount = Field("jwt", description=_ON_MOUNT)
    role: PlainText = Field("", description="The role at the mount; left out: its default role.")
    jwt_file: File = Field(description="File that holds the JWT and that somebody keeps fresh; read at every login.")


class CertAuth(Section):
    """A TLS client certificate."""

    method: Literal["cert"] = Field(description="The certificate that the connection to Vault shows.")
    mount: Mount = Field("cert", description=_ON_MOUNT)
    role: PlainText = Field("", description="The role at the mount; left out: whichever takes the certificate.")
    cert_file: File = Field(description="The certificate in PEM, and those between it and its authority.")
    key_file: File = Field(description="Its private key in PEM, not encrypted.")


class UserpassAuth(Section):
    """A user of Vault's own."""

    method: Literal["userpass"] = Field(description="User name and password.")
    mount: Mount = Field("userpass", description=_ON_MOUNT)
    username: PlainText = Field(description="The user.")
    password_file: File = Field(description="File that holds the password; read at every login.")


Auth: TypeAlias = TokenAuth | AppRoleAuth | KubernetesAuth | JwtAuth | CertAuth | UserpassAuth
"""A further login is a section here, a line in `rotator.settings.logins`, and a module in `rotator.vault.logins`."""

METHODS: tuple[str, ...] = tuple(get_args(section.model_fields["method"].annotation)[0] for section in get_args(Auth))


class Vault(Section):
    """Vault or OpenBao."""

    address: VaultUrlText = Field(description="Where Vault is; VAULT_ADDR or BAO_ADDR fill it when it is left out.")
    namespace: PlainText = Field("", description="Namespace; VAULT_NAMESPACE fills it. Empty is the root namespace.")
    ca_file: AbsolutePath | None = Field(None, description="PEM bundle to trust instead of the system's; VAULT_CACERT.")
    timeout: Annotated[float, Seconds(0.1, 60)] = Field(
        "5s", validate_default=True, description="For one request as a whole."
    )
    allowed_hosts: tuple[PlainText, ...] = Field((), description="host:port of nodes that a standby may redirect to.")
    allowed_networks: Networks | None = Field(None, description=ON_ALLOWED_NETWORKS)
    auth: Annotated[Auth, Discriminator("method"), Choice(METHODS, key="method")] = Field(description="The login.")

    @model_validator(mode="after")
    def _shows_certificates_over_tls(self) -> Vault:
        if isinstance(self.auth, CertAuth) and not self.address.startswith("https:"):
            raise refuse(
                'https://…, since auth.method = "cert" shows a certificate', "let Vault listen with TLS", "address"
            )
        return self
