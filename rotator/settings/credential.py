"""[credentials.NAME] and [defaults]: a credential to keep fresh."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from rotator.oauth.grants import GRANTS
from rotator.plugged import finding
from rotator.settings.login import Login
from rotator.settings.plugging import Kind
from rotator.settings.providers import Asked
from rotator.settings.sinks import Sinks
from rotator.settings.sources import Source
from rotator.settings.types import DAY, Name, Seconds, Share
from rotator.settings.verify import Verify


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
