"""The `sinks` of a credential: where consumers find its token."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Discriminator, Field, model_validator

from rotator.files.formats import FORMATS, RECORD_FIELDS
from rotator.files.options import FileSinkSettings
from rotator.settings.places import AbsolutePath, ModeBits, VaultPathText
from rotator.settings.types import MONTH, Account, Choice, FieldName, Name, Seconds, Section, refuse


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
    vault: Name | None = Field(None, description="Name of its table in vaults; left out: [vault].")


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


Sink = Annotated[VaultSink | FileSink, Discriminator("type"), Choice(("vault", "file"), (), "type")]
Sinks = Annotated[tuple[Sink, ...], Field(min_length=1)]
