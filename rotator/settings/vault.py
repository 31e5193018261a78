"""The [vault] table: where Vault or OpenBao is, and how it is entered."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Discriminator, Field, model_validator

from rotator.settings.places import AbsolutePath, File, VaultUrlText
from rotator.settings.types import ON_ALLOWED_NETWORKS, Choice, Networks, PlainText, Seconds, Section, Variable, refuse


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
    mount: PlainText = Field("approle", description="Where the method is mounted.")
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


_METHODS = Choice(("token", "approle"), ("kubernetes", "jwt", "cert", "userpass"), "method")


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
    auth: Annotated[TokenAuth | AppRoleAuth, Discriminator("method"), _METHODS] = Field(description="The login.")
