"""The configuration as pydantic models: the one list of all keys, their defaults, bounds and meanings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from rotator.files.formats import FORMATS, RECORD_FIELDS
from rotator.files.options import FileSinkSettings
from rotator.settings.http import Http
from rotator.settings.places import AbsolutePath, File, ModeBits, ResourceText, UrlText, VaultPathText, VaultUrlText
from rotator.settings.types import (
    Account,
    Choice,
    Count,
    FieldName,
    Name,
    NetworkText,
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

if TYPE_CHECKING:
    from collections.abc import Mapping

DAY = 86400.0
MONTH = 31 * DAY


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


Networks = Annotated[tuple[Annotated[str, NetworkText()], ...], Field(min_length=1)]
_WHERE = "Networks that its addresses must lie in. Link-local ones are never talked to."


class Vault(Section):
    """Vault or OpenBao."""

    address: VaultUrlText = Field(description="Where Vault is; VAULT_ADDR or BAO_ADDR fill it when it is left out.")
    namespace: PlainText = Field("", description="Namespace; VAULT_NAMESPACE fills it. Empty is the root namespace.")
    ca_file: AbsolutePath | None = Field(None, description="PEM bundle to trust instead of the system's; VAULT_CACERT.")
    timeout: Annotated[float, Seconds(0.1, 60)] = Field(
        "5s", validate_default=True, description="For one request as a whole."
    )
    allowed_hosts: tuple[PlainText, ...] = Field((), description="host:port of nodes that a standby may redirect to.")
    allowed_networks: Networks | None = Field(None, description=_WHERE)
    auth: Annotated[TokenAuth | AppRoleAuth, Discriminator("method"), _METHODS] = Field(description="The login.")


_OWN_KEYS = ("grant_type", "scope", "audience", "resource", "client_id", "client_secret")
"""Form parameters that have a place of their own; sent twice they would break RFC 6749 section 3.2."""


def _further(parameters: dict[str, str]) -> dict[str, str]:
    if parameters.keys() & set(_OWN_KEYS):
        raise refuse(f"names other than {any_of(_OWN_KEYS)}", "scope, audience and resource are keys of this table")
    return parameters


_LIST_OF_ONE = BeforeValidator(
    lambda value: [value] if isinstance(value, str) else value, json_schema_input_type=str | tuple[str, ...]
)


class _Asked(Section):
    """What is asked for; a credential's own words outweigh its provider's."""

    scope: Scope | None = Field(None, description="Scopes, space-separated (RFC 6749 section 3.3).")
    audience: PlainText | None = Field(None, description="Audience, for servers that want one.")
    resource: Annotated[tuple[ResourceText, ...], _LIST_OF_ONE] | None = Field(
        None, description="Absolute URI or a list of them (RFC 8707)."
    )
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
    rate_limit: Rate = Field(
        "20/s", validate_default=True, description="Token requests, all credentials of this provider together."
    )
    max_in_flight: Annotated[int, Count(1, 1000)] = Field(8, description="Token requests under way at once.")
    timeout: Annotated[float, Seconds(0.1, 10)] = Field(
        "10s", validate_default=True, description="For one token request as a whole."
    )
    ca_file: AbsolutePath | None = Field(None, description="PEM bundle to trust instead of the system's.")
    allowed_networks: Networks | None = Field(None, description=_WHERE)
    assumed_lifetime: Annotated[float, Seconds(1, MONTH)] | None = Field(
        None, description="Used only when neither the answer nor the token tells a lifetime."
    )
    max_lifetime: Annotated[float, Seconds(1, MONTH)] = Field(
        "24h", validate_default=True, description="Longer lifetimes are cut to this."
    )
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
    format: Annotated[Literal["raw", "json", "header", "env"], Choice(tuple(FORMATS), ("kubectl-exec", "template"))] = (
        Field(
            "raw",
            description="raw: the token; json: the record; header: Authorization: Bearer …; env: NAME_ACCESS_TOKEN=…",
        )
    )
    mode: ModeBits = Field("0600", validate_default=True, description='Permission bits, "0400" to "0640".')
    owner: Account | None = Field(None, description="User; rotator's own when left out.")
    group: Account | None = Field(None, description="Group; the directory's choice when left out.")

    @model_validator(mode="after")
    def _fit(self) -> FileSink:
        if self.fields and self.format != "json":
            raise refuse('format = "json" where fields are renamed', "leave fields out, or write json", "fields")
        try:
            self.options()
        except ValueError as error:
            raise refuse("a file that can be replaced", str(error), "path") from None
        return self

    def options(self) -> FileSinkSettings:
        """The same as the files room wants it."""
        return FileSinkSettings(
            path=self.path, format=self.format, mode=self.mode, owner=self.owner, group=self.group, fields=self.fields
        )


Source = Annotated[VaultSource, Choice(("vault",), (), "type")]
Sink = Annotated[VaultSink | FileSink, Discriminator("type"), Choice(("vault", "file"), (), "type")]
Sinks = Annotated[tuple[Sink, ...], Field(min_length=1)]


class Defaults(_Asked):
    """Any key of a credential."""

    provider: Name | None = Field(None, description="Name of its table in providers.")
    grant: Annotated[
        Literal["client_credentials"],
        Choice(("client_credentials",), ("authorization_code", "refresh_token", "jwt_bearer", "token_exchange")),
    ] = Field("client_credentials", description="Grant (RFC 6749 section 4.4).")
    source: Source | None = Field(None, description="Where the client credentials are.")
    sinks: Sinks | None = Field(None, description="Where consumers find the token.")
    renew_at: Annotated[float, Share()] = Field(
        0.5, description="Share of the lifetime after which a new one is minted; below 0.5 it counts as 0.5."
    )
    recheck_interval: Annotated[float, Seconds(1, DAY)] = Field(
        "60s",
        validate_default=True,
        description="Between two looks at source and sinks when nothing else happens, at most.",
    )
    required: bool = Field(True, description="Whether rotator is not ready while consumers hold it expired.")


class Credential(Defaults):
    """A credential to keep fresh."""

    provider: Name = Field(description="Name of its table in providers.")
    source: Source = Field(description="Where the client credentials are.")
    sinks: Sinks = Field(description="Where consumers find the token.")


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
    )

    vault: Vault = Field(description="Vault or OpenBao.")
    providers: dict[Name, Provider] = Field(default_factory=dict, description="Authorization servers, by name.")
    defaults: Defaults = Field(default_factory=Defaults, description="Any key of a credential, for all of them.")
    credentials: dict[Name, Credential] = Field(default_factory=dict, description="What to keep fresh, by name.")
    log: Log = Field(default_factory=Log, description="Logs.")
    http: Http = Field(default_factory=Http, description="Health, metrics, status, and what may be steered.")
    security: Security = Field(default_factory=Security, description="What is allowed although it is less safe.")
    state_dir: AbsolutePath | None = Field(
        None, description="Where raw, header and env files' dates are kept; systemd's StateDirectory when left out."
    )
    shutdown_grace: Annotated[float, Seconds(0.1, 300)] = Field(
        "10s", validate_default=True, description="For what is under way when rotator is stopped."
    )

    @model_validator(mode="before")
    @classmethod
    def _lay_defaults_below(cls, table: Any) -> Any:
        return with_defaults(table) if isinstance(table, dict) else table

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003  the base's signature
        init_settings: PydanticBaseSettingsSource,
        *_: Any,
        **__: Any,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """What is handed in and nothing else: `load` reads file and environment, so that it can tell their places."""
        return (init_settings,)


def with_defaults(table: Mapping[str, Any]) -> dict[str, Any]:
    """The table with [defaults] laid below each credential."""
    defaults = mapping_of(table.get("defaults"))
    credentials = {
        name: {**defaults, **credential} if isinstance(credential, dict) else credential
        for name, credential in mapping_of(table.get("credentials")).items()
    }
    return {**table, "credentials": credentials} if credentials else dict(table)


_FILLED = {"Credential": ("provider", "source", "sinks"), "Vault": ("address",)}
"""Required keys that the file may leave out all the same: [defaults] or the environment fills them."""


def schema() -> dict[str, Any]:
    """The JSON schema of the configuration, for editors."""
    document = Settings.model_json_schema()
    for name, keys in _FILLED.items():
        table = document["$defs"][name]
        table["required"] = [key for key in table["required"] if key not in keys]
    return document
