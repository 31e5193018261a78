"""The configuration as pydantic models: the one list of all keys, their defaults, bounds and meanings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from rotator.oauth.grants import GRANTS
from rotator.plugged import finding
from rotator.settings.http import Http
from rotator.settings.local import Local
from rotator.settings.login import Login
from rotator.settings.places import AbsolutePath
from rotator.settings.plugging import Kind
from rotator.settings.presets import PRESET, PRESETS, VARIABLES
from rotator.settings.providers import Asked, Provider
from rotator.settings.sinks import Sinks
from rotator.settings.sources import Source
from rotator.settings.types import DAY, Choice, Name, Seconds, Section, Share, mapping_of
from rotator.settings.vault import Vault
from rotator.settings.verify import Verify

if TYPE_CHECKING:
    from collections.abc import Mapping


class Defaults(Asked):
    """Any key of a credential."""

    provider: Name | None = Field(None, description="Name of its table in providers.")
    grant: Annotated[str, Kind(tuple(GRANTS), group=finding.GRANT_KINDS)] = Field(
        "client_credentials", description="Grant (RFC 6749 section 1.3)."
    )
    source: Source | None = Field(None, description="Where the client credentials are.")
    login: Login | None = Field(None, description="For grants that a person has to start: `rotator login NAME`.")
    sinks: Sinks | None = Field(None, description="Where consumers find the token.")
    renew_at: Annotated[float, Share()] = Field(
        0.5, description="Share of the lifetime after which a new one is minted; below 0.5 it counts as 0.5."
    )
    recheck_interval: Annotated[float, Seconds(1, DAY)] = Field(
        "60s",
        validate_default=True,
        description="Between two looks at source and sinks when nothing else happens, at most.",
    )
    verify: Verify | None = Field(None, description="What a token has to stand before it is published.")
    revoke_after: Annotated[float, Seconds(1, DAY)] | None = Field(
        None, description="Once every sink holds a new token, the one before is revoked so much later (RFC 7009)."
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
    allow_environment_secrets: bool = Field(
        False, description="Accept sources in environment variables, which are seen by more than rotator."
    )


class Settings(BaseSettings):
    """The configuration."""

    model_config = SettingsConfigDict(
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
    )

    vault: Vault = Field(description="Vault or OpenBao.")
    vaults: dict[Name, Vault] = Field(
        default_factory=dict, description="Further ones, by the name that sources and sinks give in `vault`."
    )
    providers: dict[Name, Provider] = Field(default_factory=dict, description="Authorization servers, by name.")
    defaults: Defaults = Field(default_factory=Defaults, description="Any key of a credential, for all of them.")
    credentials: dict[Name, Credential] = Field(default_factory=dict, description="What to keep fresh, by name.")
    log: Log = Field(default_factory=Log, description="Logs.")
    http: Http = Field(default_factory=Http, description="Health, metrics, status, and what may be steered.")
    local: Local = Field(default_factory=Local, description="The socket for sinks of type socket.")
    security: Security = Field(default_factory=Security, description="What is allowed although it is less safe.")
    state_dir: AbsolutePath | None = Field(
        None, description="Where dates are kept that files cannot carry; left out: systemd's StateDirectory."
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
    document["$defs"]["Provider"]["properties"] |= _of_presets()
    return document


def _of_presets() -> dict[str, Any]:
    """The keys of a provider that are gone before the models see it."""
    words = "Fills the keys that are left out, for a provider that it knows: `rotator presets`."
    properties: dict[str, Any] = {PRESET: {"type": "string", "enum": list(PRESETS), "description": words}}
    for name in VARIABLES:
        takers = {key: one.variables[name].meaning for key, one in PRESETS.items() if name in one.variables}
        meanings = dict.fromkeys(takers.values())
        told = [f"{', '.join(key for key in takers if takers[key] == one)}: {one}" for one in meanings]
        properties[name] = {"type": "string", "description": f"Of presets. {'; '.join(told)}."}
    return properties
