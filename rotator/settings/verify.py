"""The `verify` of a credential: what a token has to stand before it is published. And its `revoke_after`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from rotator.settings.places import AbsolutePath, UrlText
from rotator.settings.types import (
    ON_ALLOWED_NETWORKS,
    Choice,
    Count,
    Networks,
    PlainText,
    Scope,
    Seconds,
    Section,
    spell,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rotator.settings.credential import Credential
    from rotator.settings.locate import Path
    from rotator.settings.providers import Provider

METHODS = ("GET", "HEAD", "POST")


class Probe(Section):
    """A request to an API that has to take the token."""

    url: UrlText = Field(description="Where; redirects are not followed.")
    method: Annotated[Literal["GET", "HEAD", "POST"], Choice(METHODS)] = Field("GET", description="Without a body.")
    expect: tuple[Annotated[int, Count(200, 299)], ...] = Field(
        (), description="Statuses that are a success; left out: 200 to 299."
    )
    timeout: Annotated[float, Seconds(0.1, 10)] = Field(
        "5s", validate_default=True, description="For the request as a whole."
    )
    ca_file: AbsolutePath | None = Field(None, description="PEM bundle to trust instead of the system's.")
    allowed_networks: Networks | None = Field(None, description=ON_ALLOWED_NETWORKS)


class Claims(Section):
    """What a JSON Web Token has to say of itself."""

    iss: PlainText | None = Field(None, description="Its issuer, to the letter.")
    aud: PlainText | None = Field(None, description="An audience that it has.")
    scope: Scope | None = Field(None, description="Scopes that are among its own.")
    signed: bool = Field(True, description="Whether a key of the provider must have signed it.")


class Verify(Section):
    """What a token has to stand before it is published. An empty table asks for nothing."""

    claims: Claims | None = Field(None, description="What a JSON Web Token has to say of itself.")
    introspection: bool = Field(False, description="Whether the provider itself has to take it for good (RFC 7662).")
    probe: Probe | None = Field(None, description="A request to an API that has to take it.")


Found = tuple["Path", str, str, str]
"""Where, what is there, what was wanted, what to do."""


def endpoints_missing(place: Path, credential: Credential, provider: Provider | None) -> Iterator[Found]:
    """What is asked of a provider of which it is not known where to ask."""
    if provider is None or provider.issuer is not None:
        return
    verify = credential.verify or Verify()
    signed = verify.claims is not None and verify.claims.signed
    needs = (
        (verify.introspection, (*place, "verify", "introspection"), "true", "introspection_url", ""),
        (signed, (*place, "verify", "claims"), "claims that must be signed", "jwks_url", ", or signed = false here"),
        (credential.revoke_after is not None, (*place, "revoke_after"), "a time", "revocation_url", ""),
    )
    for needed, path, found, key, otherwise in needs:
        if needed and getattr(provider, key) is None:
            wanted = f"nothing, while providers.{credential.provider} has neither {key} nor issuer"
            yield path, found, wanted, f"set one of them there{otherwise}"


def revoked_early(place: Path, credential: Credential) -> Iterator[Found]:
    """Consumers that may hold a token when it is revoked."""
    after = credential.revoke_after
    intervals = [sink.consumer_interval for sink in credential.sinks if sink.consumer_interval is not None]
    longest = max(intervals, default=0.0)
    if after is not None and after < longest:
        late = f"it may hold a revoked token for up to {spell(longest - after)}"
        yield (
            (*place, "revoke_after"),
            f"{spell(after)}, but a consumer re-reads its sink every {spell(longest)}: {late}",
            f"{spell(longest)} or more",
            f'revoke_after = "{spell(longest)}", or let consumers re-read more often',
        )
    if after is not None and credential.login is not None:
        yield (
            (*place, "revoke_after"),
            f"{spell(after)}, for a token that a person started: a server may revoke the refresh token along with it",
            "a provider that does not (RFC 7009 section 2.1)",
            "ask the provider, or leave it out: such tokens end by themselves",
        )
