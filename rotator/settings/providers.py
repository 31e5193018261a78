"""The [providers.NAME] tables: authorization servers, and what may be asked of them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from rotator.oauth.assertions import ALGORITHMS
from rotator.oauth.client_auth import CLIENT_AUTHENTICATION
from rotator.oauth.grants import ACCESS_TOKEN_TYPE
from rotator.plugged import finding
from rotator.settings.places import AbsolutePath, ResourceText, UrlText, VaultPathText
from rotator.settings.plugging import Kind
from rotator.settings.sources import Source
from rotator.settings.types import (
    MONTH,
    ON_ALLOWED_NETWORKS,
    Choice,
    Count,
    FieldName,
    Name,
    Networks,
    PlainText,
    QuotaValue,
    Rate,
    Scope,
    Seconds,
    Section,
    any_of,
    refuse,
)

_OWN_KEYS = ("grant_type", "scope", "audience", "resource", "client_id", "client_secret")
"""Form parameters that have a place of their own; sent twice they would break RFC 6749 section 3.2."""


def _further(parameters: dict[str, str]) -> dict[str, str]:
    if parameters.keys() & set(_OWN_KEYS):
        raise refuse(f"names other than {any_of(_OWN_KEYS)}", "scope, audience and resource are keys of this table")
    return parameters


_LIST_OF_ONE = BeforeValidator(
    lambda value: [value] if isinstance(value, str) else value, json_schema_input_type=str | tuple[str, ...]
)


class Assertion(Section):
    """How assertions are made that a client signs (RFC 7523)."""

    algorithm: Annotated[str, Choice(ALGORITHMS)] | None = Field(
        None, description="Left out: HS256 for a client secret, else the usual one of the private key."
    )
    key_id: PlainText = Field("", description="The kid of their header, where the provider tells keys by it.")
    audience: PlainText = Field("", description="Whom they are for; left out: the issuer, else the token endpoint.")
    transit_key: VaultPathText | None = Field(
        None, description="Key of Vault's transit engine that signs, as mount/name; it never leaves Vault."
    )
    transit_key_version: Annotated[int, Count(0, 1_000_000)] = Field(
        0, description="Version of that key; 0 is the newest, with which Vault signs as soon as the key is rotated."
    )
    vault: Name | None = Field(None, description="Name of its table in vaults; left out: [vault].")
    claims: dict[FieldName, PlainText] = Field(
        default_factory=dict,
        description="Claims of a jwt_bearer assertion beside iss, sub and aud, or in their place; an empty one is not "
        "sent.",
    )


class Exchange(Section):
    """What is exchanged, and for what (RFC 8693 section 2.1)."""

    subject: Source | None = Field(
        None, description="Where subject_token is, and actor_token; left out: beside the client's credentials."
    )
    subject_token_type: ResourceText = Field(ACCESS_TOKEN_TYPE, description="What kind the subject token is of.")
    actor_token_type: ResourceText | None = Field(None, description="What kind the actor token is of, if there is one.")


class Asked(Section):
    """What is asked for; a credential's own words outweigh its provider's."""

    client_auth: Annotated[str, Kind(tuple(CLIENT_AUTHENTICATION), group=finding.CLIENT_AUTHS)] | None = Field(
        None, description="Client authentication (RFC 6749 section 2.3); left out: client_secret_basic."
    )
    basic_encoding: Annotated[Literal["rfc6749", "raw"], Choice(("rfc6749", "raw"))] | None = Field(
        None,
        description="Whether id and secret are form-encoded in the Basic header (RFC 6749 section 2.3.1); left out: "
        "rfc6749, they are.",
    )
    assertion: Assertion | None = Field(None, description="How assertions are made that a client signs.")
    exchange: Exchange | None = Field(None, description="What is exchanged, with grant = token_exchange.")

    scope: Scope | None = Field(None, description="Scopes, space-separated (RFC 6749 section 3.3).")
    audience: PlainText | None = Field(None, description="Audience, for servers that want one.")
    resource: Annotated[tuple[ResourceText, ...], _LIST_OF_ONE] | None = Field(
        None, description="Absolute URI or a list of them (RFC 8707)."
    )
    parameters: Annotated[dict[FieldName, PlainText], AfterValidator(_further)] | None = Field(
        None, description="Further parameters of the token request."
    )


class Provider(Asked):
    """An authorization server."""

    token_url: UrlText | None = Field(
        None, description="Token endpoint. From here or from the issuer's metadata, never from Vault."
    )
    issuer: UrlText | None = Field(
        None, description="Issuer identifier, whose metadata names the endpoints that are left out (RFC 8414)."
    )
    authorization_url: UrlText | None = Field(None, description="Authorization endpoint, for `rotator login`.")
    device_authorization_url: UrlText | None = Field(None, description="Device authorization endpoint (RFC 8628).")
    introspection_url: UrlText | None = Field(None, description="Introspection endpoint (RFC 7662).")
    revocation_url: UrlText | None = Field(None, description="Revocation endpoint (RFC 7009).")
    jwks_url: UrlText | None = Field(None, description="Where its public keys are (RFC 7517).")
    allowed_hosts: tuple[PlainText, ...] = Field(
        (), description="Further hosts on which the issuer's metadata may name endpoints."
    )
    rate_limit: Rate = Field(
        "20/s", validate_default=True, description="Token requests, all credentials of this provider together."
    )
    quota: QuotaValue | None = Field(
        None, description="Tokens that it grants in a span: reckoned with by `rotator check`, counted, told of at 80 %."
    )
    max_in_flight: Annotated[int, Count(1, 1000)] = Field(8, description="Token requests under way at once.")
    timeout: Annotated[float, Seconds(0.1, 10)] = Field(
        "10s", validate_default=True, description="For one token request as a whole."
    )
    ca_file: AbsolutePath | None = Field(None, description="PEM bundle to trust instead of the system's.")
    allowed_networks: Networks | None = Field(None, description=ON_ALLOWED_NETWORKS)
    assumed_lifetime: Annotated[float, Seconds(1, MONTH)] | None = Field(
        None, description="Used only when neither the answer nor the token tells a lifetime."
    )
    max_lifetime: Annotated[float, Seconds(1, MONTH)] = Field(
        "24h", validate_default=True, description="Longer lifetimes are cut to this."
    )
    assume_bearer: bool = Field(False, description="Accept answers without token_type.")
    accept_narrower_scope: bool = Field(False, description="Publish tokens whose scope is less than asked for.")

    @model_validator(mode="after")
    def _one(self) -> Provider:
        if self.token_url is None and self.issuer is None:
            raise refuse("token_url or issuer", 'token_url = "https://…", or issuer = "https://…"', "token_url")
        return self
