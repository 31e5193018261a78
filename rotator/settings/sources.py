"""The `source` of a credential: where its client credentials are."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from rotator.core.document import FIELDS
from rotator.settings.places import VaultPathText
from rotator.settings.types import Choice, FieldName, Name, Section, any_of, refuse


def _credential_fields(fields: dict[str, str]) -> dict[str, str]:
    if not fields.keys() <= set(FIELDS):
        raise refuse(f"names for {any_of(FIELDS)}", 'fields = { client_secret = "your_name_of_it" }')
    return fields


class VaultSource(Section):
    """Client credentials in Vault."""

    type: Literal["vault"] = Field(description="Where the client credentials are.")
    path: VaultPathText = Field(description="As `vault kv get` takes it.")
    vault: Name | None = Field(None, description="Name of its table in vaults; left out: [vault].")
    fields: Annotated[dict[str, FieldName], AfterValidator(_credential_fields)] = Field(
        default_factory=dict, description="Your names of client_id, client_secret and others, where they differ."
    )


Source = Annotated[VaultSource, Choice(("vault",), (), "type")]
