"""What each grant puts into a token request. A grant is one function and one line in `GRANTS`.

Who the client is stands beside it (`rotator.oauth.client_auth`); scope, audience, resource and further parameters are
common to all of them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rotator.core.errors import Code, RotationError
from rotator.oauth import github
from rotator.oauth.answer import read_answer
from rotator.oauth.assertions import PRIVATE_KEY, assertion, signing_key
from rotator.oauth.client_auth import Proof, prove
from rotator.oauth.request import TokenRequest, token_request

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from rotator.core.model import ClientCredentials, Moment
    from rotator.core.model import Grant as Answered
    from rotator.core.ports import Signer
    from rotator.oauth.answer import Answer, Expectations
    from rotator.oauth.client_auth import ClientAuthSettings, Form

REFRESH_TOKEN, SUBJECT_TOKEN, ACTOR_TOKEN = "refresh_token", "subject_token", "actor_token"

ACCESS_TOKEN_TYPE = "urn:ietf:params:oauth:token-type:access_token"  # noqa: S105  RFC 8693 section 3


@dataclass(frozen=True, slots=True)
class GrantParameters:
    """What one credential is asked for with.

    Attributes:
        grant: A key of `GRANTS`.
        scope: Space-separated; empty leaves it to the server (RFC 6749 section 3.3).
        audience: Asked for by some servers; empty is not sent.
        resource: Absolute URIs, each sent once (RFC 8707 section 2).
        extra: Further form parameters of the provider's own.
        claims: Of a jwt_bearer assertion; they outweigh `iss`, `sub` and `aud`, and an empty one is left out.
        algorithm: Of a jwt_bearer assertion; empty for the usual one of its key.
        key_id: The `kid` of a jwt_bearer assertion.
        signer: A private key that is kept elsewhere; None for the one among the client's credentials.
        subject_token_type: RFC 8693 section 3.
        actor_token_type: RFC 8693 section 3; empty when nobody acts.
    """

    grant: str = "client_credentials"
    scope: str = ""
    audience: str = ""
    resource: tuple[str, ...] = ()
    extra: tuple[tuple[str, str], ...] = ()
    claims: tuple[tuple[str, str], ...] = ()
    algorithm: str = ""
    key_id: str = ""
    signer: Signer | None = field(default=None, compare=False)
    subject_token_type: str = ACCESS_TOKEN_TYPE
    actor_token_type: str = ""

    def form(self) -> Form:
        """The form parameters that are fixed, in a fixed order."""
        form = [("grant_type", GRANTS[self.grant].grant_type)]
        form += [(key, value) for key, value in (("scope", self.scope), ("audience", self.audience)) if value]
        form += [("resource", uri) for uri in self.resource]
        return [*form, *self.extra]

    def identity(self) -> Form:
        """Everything fixed that makes a token wrong when it changes."""
        kinds = (("subject_token_type", self.subject_token_type), ("actor_token_type", self.actor_token_type))
        exchanged = kinds if self.grant == "token_exchange" else ()
        return [*self.form(), *(("claim", f"{name}={value}") for name, value in self.claims), *exchanged]


@dataclass(frozen=True, slots=True)
class GrantKind:
    """How a grant asks.

    Attributes:
        grant_type: As the request names it.
        form: Makes the parameters of its own, from the credentials, the settings, the audience of an assertion, and
            the time.
        fields: Fields of the client's document that it takes beside the id.
        rotates: Whether each answer may bring what the next request has to be made with (RFC 6749 section 6).
        proves: Whether it tells by itself who the client is, so that a client without authentication sends no client_id
            beside it (RFC 7521 section 4.1).
        ask: Makes the whole request, where it is none of RFC 6749; what proves the client is in it then.
        read: Reads the answer.
    """

    grant_type: str
    form: Callable[[ClientCredentials, GrantParameters, str, Moment], Awaitable[Form]]
    fields: tuple[str, ...] = ()
    rotates: bool = False
    proves: bool = False
    ask: Callable[[ClientCredentials, GrantParameters, str, Moment], Awaitable[TokenRequest]] | None = None
    read: Callable[[Answer, Expectations, Moment], Answered] = read_answer


async def ask_for(
    credentials: ClientCredentials,
    settings: GrantParameters,
    client_auth: ClientAuthSettings,
    audience: str,
    now: Moment,
) -> TokenRequest:
    """The whole request for one token.

    Args:
        credentials: The client's; the first of its secrets counts.
        settings: What is asked for.
        client_auth: How the client proves itself.
        audience: Whom assertions are for.
        now: The time.

    Raises:
        RotationError: SECRET_MALFORMED when the credentials lack what the grant needs; VAULT_* when a key is in
            Vault's transit engine.
    """
    kind = GRANTS[settings.grant]
    if kind.ask is not None:
        return await kind.ask(credentials, settings, audience, now)
    form = [*settings.form(), *await kind.form(credentials, settings, audience, now)]
    alone = kind.proves and client_auth.method == "none"
    return token_request(form, Proof() if alone else await prove(credentials, client_auth, audience, now))


async def _nothing(_: ClientCredentials, __: GrantParameters, ___: str, ____: Moment) -> Form:
    """RFC 6749 section 4.4."""
    return []


async def _refresh_token(credentials: ClientCredentials, _: GrantParameters, __: str, ___: Moment) -> Form:
    """RFC 6749 section 6."""
    return [(REFRESH_TOKEN, _field(credentials, REFRESH_TOKEN))]


async def _jwt_bearer(credentials: ClientCredentials, settings: GrantParameters, audience: str, now: Moment) -> Form:
    """RFC 7523 section 2.1: issuer and subject are the client unless `claims` says otherwise; an empty one is not sent.

    Google takes `sub` for a user to act for.
    """
    said = {"iss": credentials.client_id, "sub": credentials.client_id, "aud": audience, **dict(settings.claims)}
    claims = {name: text for name, text in said.items() if text}
    signed = await assertion(
        claims, signing_key(credentials, settings.signer, settings.algorithm), settings.key_id, now
    )
    return [("assertion", signed.reveal())]


async def _github_installation(
    credentials: ClientCredentials, settings: GrantParameters, _: str, now: Moment
) -> TokenRequest:
    """A JSON document in place of a form; `parameters` are its members, `permissions` and `repositories` among them."""
    claims = {"iss": credentials.client_id, **dict(settings.claims)}
    key = signing_key(credentials, settings.signer, settings.algorithm)
    signed = await assertion(claims, key, settings.key_id, now)
    return github.request(signed, settings.extra)


async def _token_exchange(credentials: ClientCredentials, settings: GrantParameters, _: str, __: Moment) -> Form:
    """RFC 8693 section 2.1."""
    form = [(SUBJECT_TOKEN, _field(credentials, SUBJECT_TOKEN)), ("subject_token_type", settings.subject_token_type)]
    if settings.actor_token_type:
        form += [(ACTOR_TOKEN, _field(credentials, ACTOR_TOKEN)), ("actor_token_type", settings.actor_token_type)]
    return form


def _field(credentials: ClientCredentials, name: str) -> str:
    if name not in credentials.further:
        raise RotationError(Code.SECRET_MALFORMED, f"the source holds no {name}")
    return credentials.further[name].reveal()


GRANTS: dict[str, GrantKind] = {
    "client_credentials": GrantKind("client_credentials", _nothing),
    "refresh_token": GrantKind("refresh_token", _refresh_token, (REFRESH_TOKEN,), rotates=True),
    "authorization_code": GrantKind("refresh_token", _refresh_token, (REFRESH_TOKEN,), rotates=True),
    "device_code": GrantKind("refresh_token", _refresh_token, (REFRESH_TOKEN,), rotates=True),
    "jwt_bearer": GrantKind("urn:ietf:params:oauth:grant-type:jwt-bearer", _jwt_bearer, (PRIVATE_KEY,), proves=True),
    "token_exchange": GrantKind("urn:ietf:params:oauth:grant-type:token-exchange", _token_exchange, (SUBJECT_TOKEN,)),
    "github_installation": GrantKind(
        "", _nothing, (PRIVATE_KEY,), proves=True, ask=_github_installation, read=github.read_installation_token
    ),
}
"""By the name that the configuration uses. After a person has signed in, rotator goes on with a refresh token.

Plugins' kinds join them once the configuration names one (`rotator.plugged`).
"""
