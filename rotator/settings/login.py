"""The `login` of a credential whose grant a person starts: how that is done, and where what comes of it is kept."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from rotator.settings.places import VaultPathText
from rotator.settings.types import Count, FieldName, Name, PlainText, Scope, Section


class Login(Section):
    """How a person signs in with `rotator login`, and where the refresh token is kept."""

    path: VaultPathText = Field(
        description="Where the refresh token is kept: a key of a KV v2 engine, for rotator alone."
    )
    vault: Name | None = Field(None, description="Name of its table in vaults; left out: [vault].")
    scope: Scope | None = Field(
        None, description='Asked for at the sign-in; left out: as ever. Some providers want "offline_access" in it.'
    )
    redirect_port: Annotated[int, Count(0, 65535)] = Field(
        0, description="Port of the loopback redirect http://127.0.0.1:PORT/callback; 0 takes a free one (RFC 8252)."
    )
    parameters: dict[FieldName, PlainText] = Field(
        default_factory=dict, description='Further parameters of the authorization request, such as prompt = "consent".'
    )
