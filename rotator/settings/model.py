"""The configuration as pydantic models: the one list of all keys, their defaults, bounds and meanings."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from rotator.settings.places import AbsolutePath, File, ModeBits, ResourceText, UrlText, VaultPathText, VaultUrlText
from rotator.settings.types import (
    Account,
    Choice,
    Count,
    FieldName,
    Name,
    PlainText,
    Rate,
    Scope,
    Seconds,
    Section,
    Share,
    Variable,
    any_of,
    mapping_of,
    refuse,
)

DAY = 86400.0
MONTH = 31 * DAY

FORMATS = ("raw", "json", "header", "env")
RECORD_FIELDS = frozenset(
    {"access_token", "token_type", "expires_at", "issued_at", "expires_in", "scope", "fingerprint", "inputs"}
)


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
    timeout: Annotated[float, Seconds(0.1, 60)] = Field(5.0, description="For one request as a whole.")
    allowed_hosts: tuple[PlainText, ...] = Field((), description="host:port of nodes that a standby may redirect to.")
    auth: Annotated[TokenAuth | AppRoleAuth, Discriminator("method"), _METHODS] = Field(description="The login.")


_OWN_KEYS = ("grant_type", "scope", "audience", "resource", "client_id", "client_secret")
"""Form parameters that have a place of their own; sent twice they would break RFC 6749 section 3.2."""


def _further(parameters: dict[str, str]) -> dict[str, str]:
    if parameters.keys() & set(_OWN_KEYS):
        raise refuse(f"names other than {any_of(_OWN_KEYS)}", "scope, audience and resource are keys of this table")
    return parameters


class _Asked(Section):
    """What is asked for; a credential's own words outweigh its provider's."""

    scope: Scope | None = Field(None, description="Scopes, space-separated (RFC 6749 section 3.3).")
    audience: PlainText | None = Field(None, description="Audience, for servers that want one.")
    resource: (
        Annotated[tuple[ResourceText, ...], BeforeValidator(lambda value: [value] if isinstance(value, str) else value)]
        | None
    ) = Field(None, description="Absolute URI or a list of them (RFC 8707).")
    parameters: Annotated[dict[FieldName, PlainText], AfterValidator(_further)] | None = Field(
        None, description="Further parameters of the token request."
    )


class Provider(_Asked):
    """An authorization server."""

    token_url: UrlText = Field(description="Token endpoint. From here only, never from Vault.")
    client_auth: Annotated[
        Literal["client_secret_basic", "client_secret_post"],
        Choice(
            ("client_secret_basic", "client_secret_post"),
            ("client_secret_jwt", "private_key_jwt", "tls_client_auth"),
        ),
    ] = Field("client_secret_basic", description="Client authentication (RFC 6749 section 2.3).")
    basic_encoding: Annotated[Literal["rfc6749", "raw"], Choice(("rfc6749", "raw"))] = Field(
        "rfc6749", description="Whether id and secret are form-encoded in the Basic header (RFC 6749 section 2.3.1)."
    )
    rate_limit: Rate = Field(Rate(20, 1.0), description="Token requests, all credentials of this provider together.")
    max_in_flight: Annotated[int, Count(1, 1000)] = Field(8, description="Token requests under way at once.")
    timeout: Annotated[float, Seconds(0.1, 10)] = Field(10.0, description="For one token request as a whole.")
    ca_file: AbsolutePath | None = Field(None, description="PEM bundle to trust instead of the system's.")
    assumed_lifetime: Annotated[float, Seconds(1, MONTH)] | None = Field(
        None, description="Used only when neither the answer nor the token tells a lifetime."
    )
    max_lifetime: Annotated[float, Seconds(1, MONTH)] = Field(DAY, description="Longer lifetimes are cut to this.")
    assume_bearer: bool = Field(False, description="Accept answers without token_type.")
    accept_narrower_scope: bool = Field(False, description="Publish tokens whose scope is less than asked for.")


def _credential_fields(fields: dict[str, str]) -> dict[str, str]:
    known = ("client_id", "client_secret", "client_secret_previous")
    if not fields.keys() <= set(known):
        raise refuse(f"names for {any_of(known)}", 'fields = { client_secret = "your_name_of_it" }')
    return fields


class VaultSource(Section):
    """Client credentials in Vault."""

    type: Literal["vault"] = Field(description="Where the client credentials are.")
    path: VaultPathText = Field(description="As `vault kv get` takes it.")
    fields: Annotated[dict[str, FieldName], AfterValidator(_credential_fields)] = Field(
        default_factory=dict, description="Your names of client_id, client_secret and client_secret_previous."
    )


def _known_fields(fields: dict[str, str]) -> dict[str, str]:
    unknown = sorted(set(fields.values()) - RECORD_FIELDS)
    if unknown:
        raise refuse(
            f"new names for fields among {', '.join(sorted(RECORD_FIELDS))}", 'fields = { token = "access_token" }'
        )
    if any(new in RECORD_FIELDS and new not in fields.values() for new in fields):
        raise refuse("new names that no other field has", "rename that field as well")
    return fields


Renamed = Annotated[dict[FieldName, FieldName], AfterValidator(_known_fields)]


class _Sink(Section):
    consumer_interval: Annotated[float, Seconds(0.1, MONTH)] | None = Field(
        None, description="How often consumers re-read it; Vault Agent's default is 5m."
    )
    fields: Renamed = Field(default_factory=dict, description='New names: { token = "access_token" }.')


class VaultSink(_Sink):
    """A KV path."""

    type: Literal["vault"] = Field(description="A path of a KV secrets engine.")
    path: VaultPathText = Field(description="As `vault kv get` takes it.")


class FileSink(_Sink):
    """A file."""

    type: Literal["file"] = Field(description="A file.")
    path: AbsolutePath = Field(description="Absolute.")
    format: Annotated[Literal["raw", "json", "header", "env"], Choice(FORMATS, ("kubectl-exec", "template"))] = Field(
        "raw",
        description="raw: the token alone; json: the record; header: Authorization: Bearer …; env: NAME_ACCESS_TOKEN=…",
    )
    mode: ModeBits = Field(0o600, description='Permission bits, "0400" to "0640".')
    owner: Account | None = Field(None, description="User; rotator's own when left out.")
    group: Account | None = Field(None, description="Group; the directory's choice when left out.")

    @model_validator(mode="after")
    def _fields_need_json(self) -> FileSink:
        if self.fields and self.format != "json":
            raise refuse('format = "json" where fields are renamed', "leave fields out, or write json", "fields")
        return self


Sink = Annotated[VaultSink | FileSink, Discriminator("type"), Choice(("vault", "file"), (), "type")]


class Credential(_Asked):
    """A credential to keep fresh."""

    provider: Name = Field(description="Name of its table in providers.")
    grant: Annotated[
        Literal["client_credentials"],
        Choice(("client_credentials",), ("authorization_code", "refresh_token", "jwt_bearer", "token_exchange")),
    ] = Field("client_credentials", description="Grant (RFC 6749 section 4.4).")
    source: Annotated[VaultSource, Choice(("vault",), (), "type")] = Field(
        description="Where the client credentials are."
    )
    sinks: Annotated[tuple[Sink, ...], Field(min_length=1)] = Field(description="Where consumers find the token.")
    renew_at: Annotated[float, Share()] = Field(
        0.5, description="Share of the lifetime after which a new one is minted."
    )
    recheck_interval: Annotated[float, Seconds(1, DAY)] = Field(
        60.0, description="Between two looks at source and sinks when nothing else happens."
    )


class Log(Section):
    """Logs, on standard error."""

    level: Annotated[Literal["debug", "info", "warning", "error"], Choice(("debug", "info", "warning", "error"))] = (
        Field("info", description="The least serious level that is written.")
    )
    format: Annotated[Literal["auto", "json", "console"], Choice(("auto", "json", "console"))] = Field(
        "auto", description="auto: for people on a terminal, JSON elsewhere."
    )


class Security(Section):
    """What is allowed although it is less safe."""

    allow_shared_secret_files: bool = Field(
        False, description="Accept secret files that others can read (projected Kubernetes volumes)."
    )


class Settings(BaseSettings):
    """The configuration."""

    model_config = SettingsConfigDict(
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
        validate_default=False,
        env_prefix="ROTATOR_",
        env_nested_delimiter="__",
    )

    vault: Vault = Field(description="Vault or OpenBao.")
    providers: dict[Name, Provider] = Field(description="Authorization servers, by name.")
    defaults: dict[str, Any] = Field(default_factory=dict, description="Any key of a credential, for all of them.")
    credentials: dict[Name, Credential] = Field(description="What to keep fresh, by name.")
    log: Log = Field(default_factory=Log, description="Logs.")
    security: Security = Field(default_factory=Security, description="What is allowed although it is less safe.")
    state_dir: AbsolutePath | None = Field(
        None, description="Where raw, header and env files' dates are kept; systemd's StateDirectory when left out."
    )
    shutdown_grace: Annotated[float, Seconds(0.1, 300)] = Field(
        10.0, description="For what is under way when rotator is stopped."
    )

    @model_validator(mode="before")
    @classmethod
    def _lay_defaults_below(cls, table: Any) -> Any:
        defaults = mapping_of(mapping_of(table).get("defaults"))
        credentials = mapping_of(mapping_of(table).get("credentials"))
        below = {
            name: {**defaults, **credential} if isinstance(credential, dict) else credential
            for name, credential in credentials.items()
        }
        return {**table, "credentials": below} if below else table


def schema() -> dict[str, Any]:
    """The JSON schema of the configuration, for editors."""
    return Settings.model_json_schema()
