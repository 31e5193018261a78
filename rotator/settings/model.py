"""The configuration as pydantic models: the one list of all keys, their defaults, bounds and meanings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from rotator.settings.credential import Credential, Defaults
from rotator.settings.discover import Discover
from rotator.settings.http import Http
from rotator.settings.local import Local
from rotator.settings.places import AbsolutePath
from rotator.settings.presets import PRESET, PRESETS, VARIABLES
from rotator.settings.providers import Provider
from rotator.settings.types import Choice, Name, Seconds, Section, mapping_of
from rotator.settings.vault import Vault

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from rotator.settings.locate import Path


CREDENTIALS = ("credentials", "discover")
"""Tables of tables that describe credentials."""


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
    discover: dict[Name, Discover] = Field(
        default_factory=dict, description="Credentials that are found below a path of Vault, by name."
    )
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


def described(settings: Settings) -> Iterator[tuple[Path, Credential]]:
    """Every section that describes credentials, with its place; of a template, the credential of a sample key."""
    yield from ((("credentials", name), credential) for name, credential in settings.credentials.items())
    yield from ((("discover", name), template.sample) for name, template in settings.discover.items())


def with_defaults(table: Mapping[str, Any]) -> dict[str, Any]:
    """The table with [defaults] laid below each credential, and below each template of credentials."""
    defaults, laid = mapping_of(table.get("defaults")), dict(table)
    for kind in CREDENTIALS:
        sections = mapping_of(table.get(kind)).items()
        laid |= (
            {kind: {name: {**defaults, **one} if isinstance(one, dict) else one for name, one in sections}}
            if sections
            else {}
        )
    return laid


_FILLED = {
    "Credential": ("provider", "source", "sinks"),
    "Discover": ("provider", "source", "sinks"),
    "Vault": ("address",),
}
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
