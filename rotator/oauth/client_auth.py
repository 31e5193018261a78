"""How a client proves itself at an endpoint of its provider (RFC 6749 section 2.3, OpenID Connect Core section 9).

A method is one function and one line in `CLIENT_AUTHENTICATION`. None is ever tried out: which one a server wants is
configured.
"""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal
from urllib.parse import quote_plus

from rotator.core.errors import Code, RotationError
from rotator.oauth.assertions import PRIVATE_KEY, SharedKey, assertion, local_key, thumbprint

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from rotator.core.model import ClientCredentials, Moment, Secret
    from rotator.core.ports import Signer

BasicEncoding = Literal["rfc6749", "raw"]

Form = list[tuple[str, str]]

CLIENT_SECRET, CERTIFICATE = "client_secret", "certificate"  # names of fields

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
"""RFC 7523 section 2.2."""


@dataclass(frozen=True, slots=True)
class Proof:
    """What a request carries to show whose it is. It holds secrets: it is sent and never shown.

    Attributes:
        headers: HTTP headers.
        form: Form parameters.
        certificate: PEM, the chain and the private key, for the TLS connection (RFC 8705).
    """

    headers: Mapping[str, str] = field(default_factory=dict)
    form: Form = field(default_factory=list)
    certificate: tuple[Secret, Secret] | None = None

    def __repr__(self) -> str:
        return "Proof(…)"


@dataclass(frozen=True, slots=True)
class ClientAuthSettings:
    """How one provider's clients prove themselves.

    Attributes:
        method: A key of `CLIENT_AUTHENTICATION`.
        basic_encoding: See `basic_credentials`.
        algorithm: Of assertions (RFC 7518 section 3.1); empty for what fits the key: HS256, RS256, ES256, EdDSA.
        key_id: The `kid` of assertions, where the provider tells keys by it.
        signer: A private key that is kept elsewhere; None for the one among the client's credentials.
    """

    method: str = "client_secret_basic"
    basic_encoding: BasicEncoding = "rfc6749"
    algorithm: str = ""
    key_id: str = ""
    signer: Signer | None = None


@dataclass(frozen=True, slots=True)
class ClientAuth:
    """A method.

    Attributes:
        prove: Makes the proof, from the credentials, the settings, the assertion's audience and the time.
        field: The field of the client's document that proves it; empty when none does.
        further: Fields that are needed beside it.
        optional: Fields that are taken along where they are there.
    """

    prove: Callable[[ClientCredentials, ClientAuthSettings, str, Moment], Awaitable[Proof]]
    field: str = ""
    further: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()


async def prove(credentials: ClientCredentials, settings: ClientAuthSettings, audience: str, now: Moment) -> Proof:
    """The proof for one request.

    Args:
        credentials: The client's; the first of its secrets counts.
        settings: How.
        audience: Whom an assertion is for: the issuer, or the token endpoint (RFC 7523 section 3).
        now: The time.

    Raises:
        RotationError: SECRET_MALFORMED, when the credentials lack what the method needs, or hold no text that UTF-8
            can carry; VAULT_* when the key is in Vault's transit engine.
    """
    for text in (credentials.client_id, *(secret.reveal() for secret in credentials.secrets[:1])):
        if not _is_text(text):
            raise RotationError(
                Code.SECRET_MALFORMED,
                "the client id or the client secret holds half of a surrogate pair, which is no character; "
                "store it anew",
            )
    return await CLIENT_AUTHENTICATION[settings.method].prove(credentials, settings, audience, now)


def _is_text(text: str) -> bool:
    """Whether UTF-8 can carry it. The exception is met here, for it holds the text."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _secret(credentials: ClientCredentials) -> Secret:
    if not credentials.secrets:
        raise RotationError(Code.SECRET_MALFORMED, "the source holds no client secret")
    return credentials.secrets[0]


async def _client_secret_basic(
    credentials: ClientCredentials, settings: ClientAuthSettings, _: str, __: Moment
) -> Proof:
    value = basic_credentials(credentials.client_id, _secret(credentials), settings.basic_encoding)
    return Proof(headers={"Authorization": value})


async def _client_secret_post(credentials: ClientCredentials, _: ClientAuthSettings, __: str, ___: Moment) -> Proof:
    return Proof(form=[("client_id", credentials.client_id), ("client_secret", _secret(credentials).reveal())])


async def _client_secret_jwt(
    credentials: ClientCredentials, settings: ClientAuthSettings, audience: str, now: Moment
) -> Proof:
    key = SharedKey(_secret(credentials), settings.algorithm or "HS256")
    return await _asserted(credentials, key, settings.key_id, audience, now)


async def _private_key_jwt(
    credentials: ClientCredentials, settings: ClientAuthSettings, audience: str, now: Moment
) -> Proof:
    key = settings.signer or local_key(_secret(credentials), settings.algorithm)
    certificate = credentials.further.get(CERTIFICATE)
    # Some providers know keys by their certificates, Microsoft's among them (RFC 7515 section 4.1.8).
    header = {} if certificate is None else {"x5t#S256": thumbprint(certificate)}
    return await _asserted(credentials, key, settings.key_id, audience, now, header)


async def _asserted(
    credentials: ClientCredentials,
    key: Signer,
    key_id: str,
    audience: str,
    now: Moment,
    header: Mapping[str, str] = MappingProxyType({}),
) -> Proof:
    """The client speaks for itself: it is issuer and subject (RFC 7523 section 3, points 1 and 2)."""
    claims = {"iss": credentials.client_id, "sub": credentials.client_id, "aud": audience}
    signed = await assertion(claims, key, key_id, now, header)
    return Proof(
        form=[
            ("client_id", credentials.client_id),
            ("client_assertion_type", ASSERTION_TYPE),
            ("client_assertion", signed.reveal()),
        ]
    )


async def _tls(credentials: ClientCredentials, _: ClientAuthSettings, __: str, ___: Moment) -> Proof:
    """RFC 8705 section 2: the TLS connection proves the client, the form names it."""
    chain = credentials.further.get(CERTIFICATE)
    if chain is None or not credentials.secrets:
        raise RotationError(Code.SECRET_MALFORMED, "the source holds no certificate with its private key")
    return Proof(form=[("client_id", credentials.client_id)], certificate=(chain, credentials.secrets[0]))


async def _none(credentials: ClientCredentials, _: ClientAuthSettings, __: str, ___: Moment) -> Proof:
    """A public client (RFC 6749 section 3.2.1)."""
    return Proof(form=[("client_id", credentials.client_id)])


CLIENT_AUTHENTICATION: dict[str, ClientAuth] = {
    "client_secret_basic": ClientAuth(_client_secret_basic, CLIENT_SECRET),
    "client_secret_post": ClientAuth(_client_secret_post, CLIENT_SECRET),
    "client_secret_jwt": ClientAuth(_client_secret_jwt, CLIENT_SECRET),
    "private_key_jwt": ClientAuth(_private_key_jwt, PRIVATE_KEY, optional=(CERTIFICATE,)),
    "tls_client_auth": ClientAuth(_tls, PRIVATE_KEY, (CERTIFICATE,)),
    "self_signed_tls_client_auth": ClientAuth(_tls, PRIVATE_KEY, (CERTIFICATE,)),
    "none": ClientAuth(_none),
}
"""By the names of the OAuth Token Endpoint Authentication Methods registry (RFC 7591 section 4.2).

Plugins' kinds join them once the configuration names one (`rotator.plugged`).
"""


def basic_credentials(client_id: str, secret: Secret, encoding: BasicEncoding) -> str:
    """The value of the Authorization header.

    RFC 6749 section 2.3.1 form-encodes id and secret before they are joined; some servers do not decode them, and for
    those `raw` is RFC 7617 alone. Which one a server wants is configured and never tried out.

    Raises:
        RotationError: SECRET_MALFORMED, when `raw` is asked for and the id has a colon, which would move the border.
    """
    if encoding == "rfc6749":
        pair = f"{quote_plus(client_id)}:{quote_plus(secret.reveal())}"
    elif ":" in client_id:
        raise RotationError(
            Code.SECRET_MALFORMED,
            'the client id has a colon, which basic_encoding = "raw" cannot carry; use "rfc6749" or client_secret_post',
        )
    else:
        pair = f"{client_id}:{secret.reveal()}"
    return "Basic " + b64encode(pair.encode()).decode()
