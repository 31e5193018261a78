"""What a credential asks its provider for, and with what, as the other rooms want it."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from rotator.core.document import Wanted
from rotator.core.model import CredentialSpec
from rotator.oauth.answer import Expectations
from rotator.oauth.assertions import PRIVATE_KEY
from rotator.oauth.client_auth import CLIENT_AUTHENTICATION, ClientAuthSettings
from rotator.oauth.endpoint import EndpointSettings
from rotator.oauth.grants import ACTOR_TOKEN, GRANTS, REFRESH_TOKEN, SUBJECT_TOKEN, GrantParameters
from rotator.settings.providers import Assertion, Exchange

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rotator.core.ports import Signer
    from rotator.settings.credential import Credential
    from rotator.settings.providers import Provider
    from rotator.settings.sources import Source

EXCHANGE = "token_exchange"

USUAL_METHOD = "client_secret_basic"

SHARED = 1024
"""So many of what is made here are kept: thousands of credentials ask their provider for the same, and share it."""

NO_ASSERTION = Assertion()

_settings = lru_cache(maxsize=SHARED)(EndpointSettings)


def endpoint(provider: Provider, credential: Credential, signer: Signer | None = None) -> EndpointSettings:
    """What a credential asks for; its own words outweigh its provider's.

    Args:
        provider: The authorization server.
        credential: The credential.
        signer: The key of Vault's transit engine that signs its assertions, if one does.
    """
    assertion, parameters = assertions(provider, credential), _parameters(provider, credential, signer)
    # A signer is a credential's own, and is not to outlive it.
    return (EndpointSettings if signer is not None else _settings)(
        parameters=parameters,
        client_auth=ClientAuthSettings(
            method=method(provider, credential),
            basic_encoding=_own(credential, provider, "basic_encoding") or "rfc6749",
            algorithm=assertion.algorithm or "",
            key_id=assertion.key_id,
            signer=signer,
        ),
        assertion_audience=assertion.audience,
        expected=Expectations(
            scope=parameters.scope,
            assumed_lifetime=provider.assumed_lifetime,
            max_lifetime=provider.max_lifetime,
            assume_bearer=provider.assume_bearer,
            accept_narrower_scope=provider.accept_narrower_scope,
            refresh_token=GRANTS[credential.grant].rotates,
        ),
    )


def _parameters(provider: Provider, credential: Credential, signer: Signer | None = None) -> GrantParameters:
    assertion = assertions(provider, credential)
    exchange = _own(credential, provider, "exchange") or Exchange()
    return GrantParameters(
        grant=credential.grant,
        scope=_own(credential, provider, "scope") or "",
        audience=_own(credential, provider, "audience") or "",
        resource=_own(credential, provider, "resource") or (),
        extra=tuple((_own(credential, provider, "parameters") or {}).items()),
        claims=tuple(assertion.claims.items()),
        algorithm=assertion.algorithm or "",
        key_id=assertion.key_id,
        signer=signer,
        subject_token_type=exchange.subject_token_type,
        actor_token_type=exchange.actor_token_type or "",
    )


def assertions(provider: Provider, credential: Credential) -> Assertion:
    """How its assertions are made: key by key and claim by claim, its own words outweigh its provider's."""
    own, general = credential.assertion, provider.assertion or NO_ASSERTION
    if own is None:
        return general
    said = {key: getattr(own, key) for key in own.model_fields_set}
    return general.model_copy(update={**said, "claims": {**general.claims, **own.claims}})


def method(provider: Provider, credential: Credential) -> str:
    """How the credential's client proves itself."""
    return _own(credential, provider, "client_auth") or USUAL_METHOD


def vaults(provider: Provider, credential: Credential) -> list[str]:
    """The names of the Vaults that a credential has to do with; empty for [vault]."""
    keys = assertions(provider, credential)
    parts = (credential.source, *credential.sinks, credential.login, keys, subject(provider, credential))
    return sorted({getattr(part, "vault", None) or "" for part in parts})


def subject(provider: Provider, credential: Credential) -> Source | None:
    """Where the subject token is, if not beside the client's credentials."""
    exchange = _own(credential, provider, "exchange")
    return None if exchange is None or credential.grant != EXCHANGE else exchange.subject


def subject_wanted(provider: Provider, credential: Credential, names: Mapping[str, str]) -> Wanted:
    """Which fields the document with the subject token has to hold."""
    exchange = _own(credential, provider, "exchange") or Exchange()
    actor = (ACTOR_TOKEN,) if exchange.actor_token_type else ()
    return Wanted("", (SUBJECT_TOKEN, *actor), names=names, identified=False)


def wanted(provider: Provider, credential: Credential, names: Mapping[str, str]) -> Wanted:
    """Which fields the credential's document has to hold.

    Args:
        provider: The authorization server.
        credential: The credential.
        names: Our names to the document's, where they differ.
    """
    how, grant = CLIENT_AUTHENTICATION[method(provider, credential)], GRANTS[credential.grant]
    kept = {PRIVATE_KEY} if assertions(provider, credential).transit_key is not None else set()
    proof = "" if how.field in kept else how.field
    # What a grant takes from elsewhere, such as a refresh token, is no field of the client's document.
    fields = grant.fields if subject(provider, credential) is None else ()
    further = dict.fromkeys((*how.further, *fields))
    needed = tuple(name for name in further if name != REFRESH_TOKEN and name not in kept)
    return _wanted(proof, needed, how.optional, tuple(names.items()))


@lru_cache(maxsize=SHARED)
def _wanted(
    proof: str, further: tuple[str, ...], optional: tuple[str, ...], names: tuple[tuple[str, str], ...]
) -> Wanted:
    return Wanted(proof, further, optional, dict(names))


def spec(name: str, provider: Provider, credential: Credential) -> CredentialSpec:
    """What the core knows of a credential."""
    return CredentialSpec(
        name=name,
        provider=credential.provider,
        identity=_identity(_place(provider), _parameters(provider, credential)),
        renew_at=credential.renew_at,
        recheck_interval=credential.recheck_interval,
    )


@lru_cache(maxsize=SHARED)
def _identity(place: tuple[str, str], parameters: GrantParameters) -> tuple[tuple[str, str], ...]:
    return (place, *parameters.identity())


def _place(provider: Provider) -> tuple[str, str]:
    """What tells one authorization server from another."""
    return ("token_url", provider.token_url) if provider.token_url else ("issuer", provider.issuer or "")


def _own(credential: Credential, provider: Provider, key: str) -> Any:
    own = getattr(credential, key)
    return getattr(provider, key) if own is None else own
