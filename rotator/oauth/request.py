"""Building a token request: what goes on the wire, and nothing else (RFC 6749 sections 2.3.1 and 4.4.2)."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal
from urllib.parse import quote_plus, urlencode

from rotator.core.errors import Code, RotationError

if TYPE_CHECKING:
    from collections.abc import Callable

    from rotator.core.model import Secret

BasicEncoding = Literal["rfc6749", "raw"]

Form = list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """A request to a token endpoint, always POST. It holds the client secret: it is sent and never shown."""

    headers: dict[str, str]
    body: bytes

    def __repr__(self) -> str:
        return "TokenRequest(…)"


@dataclass(frozen=True, slots=True)
class GrantParameters:
    """What is asked for.

    Attributes:
        grant_type: RFC 6749 section 4.4.2.
        scope: Space-separated; empty leaves it to the server (RFC 6749 section 3.3).
        audience: Asked for by some servers; empty is not sent.
        resource: Absolute URIs, each sent once (RFC 8707 section 2).
        extra: Further form parameters of the provider's own.
    """

    grant_type: str = "client_credentials"
    scope: str = ""
    audience: str = ""
    resource: tuple[str, ...] = ()
    extra: tuple[tuple[str, str], ...] = ()

    def form(self) -> Form:
        """The form parameters, in a fixed order."""
        form = [("grant_type", self.grant_type)]
        form += [(key, value) for key, value in (("scope", self.scope), ("audience", self.audience)) if value]
        form += [("resource", uri) for uri in self.resource]
        return [*form, *self.extra]


def _client_secret_basic(client_id: str, secret: Secret, encoding: BasicEncoding) -> tuple[dict[str, str], Form]:
    return {"Authorization": basic_credentials(client_id, secret, encoding)}, []


def _client_secret_post(client_id: str, secret: Secret, _: BasicEncoding) -> tuple[dict[str, str], Form]:
    return {}, [("client_id", client_id), ("client_secret", secret.reveal())]


CLIENT_AUTHENTICATION: dict[str, Callable[[str, Secret, BasicEncoding], tuple[dict[str, str], Form]]] = {
    "client_secret_basic": _client_secret_basic,
    "client_secret_post": _client_secret_post,
}
"""How a client proves itself: headers and form parameters by method. A new method is one line here."""


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


def _is_text(text: str) -> bool:
    """Whether UTF-8 can carry it. The exception is met here, for it holds the text."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def token_request(
    parameters: GrantParameters,
    client_auth: str,
    encoding: BasicEncoding,
    client_id: str,
    secret: Secret,
) -> TokenRequest:
    """The request for one token.

    Raises:
        RotationError: SECRET_MALFORMED, when id or secret is no text that UTF-8 can carry; see also
            `basic_credentials`.
    """
    if not (_is_text(client_id) and _is_text(secret.reveal())):
        raise RotationError(
            Code.SECRET_MALFORMED,
            "the client id or the client secret holds half of a surrogate pair, which is no character; store it anew",
        )
    headers, proof = CLIENT_AUTHENTICATION[client_auth](client_id, secret, encoding)
    body = urlencode([*parameters.form(), *proof]).encode()
    return TokenRequest(
        headers={
            "Accept": "application/json",
            "Content-Type": "application/x-www-form-urlencoded",
            **headers,
        },
        body=body,
    )
