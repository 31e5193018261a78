"""Reading a token request on the server's side (RFC 6749 sections 2.3.1, 3.2, 4.4.2 and 5.2). No I/O."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, unquote_plus

from rotator.core.model import Secret

if TYPE_CHECKING:
    from collections.abc import Mapping

FORM = "application/x-www-form-urlencoded"
MOST_FIELDS = 32


class RefusedError(Exception):
    """The request gets no token: a status, an error code of RFC 6749 section 5.2, and why."""

    def __init__(self, error: str, why: str, status: int = 400) -> None:
        super().__init__(f"{error}: {why}")
        self.error = error
        self.why = why
        self.status = status


@dataclass(frozen=True, slots=True)
class Asked:
    """What a request asks for, and who it says it is."""

    client_id: str
    secret: Secret
    grant_type: str
    scope: str


def read_token_request(content_type: str, authorization: str | None, body: bytes) -> Asked:
    """What a POST to the token endpoint asks for.

    Args:
        content_type: Media type without parameters.
        authorization: The header, if there is one.
        body: As received.

    Raises:
        RefusedError: `invalid_request`, or `invalid_client` when it proves nothing about the client.
    """
    if content_type != FORM:
        raise RefusedError("invalid_request", f"the body is not {FORM}")
    form = _form(body)
    client_id, secret = _client(authorization, form)
    if not form.get("grant_type"):
        raise RefusedError("invalid_request", "grant_type is missing")
    return Asked(client_id, secret, form["grant_type"], form.get("scope", ""))


def _form(body: bytes) -> dict[str, str]:
    try:
        pairs = parse_qsl(body.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=MOST_FIELDS)
    except ValueError:
        raise RefusedError("invalid_request", "the body is no form in UTF-8") from None
    form = dict(pairs)
    if len(form) != len(pairs):
        raise RefusedError("invalid_request", "a parameter is there twice")
    return form


def _client(authorization: str | None, form: Mapping[str, str]) -> tuple[str, Secret]:
    """Id and secret by client_secret_basic or client_secret_post, but never by both."""
    if authorization is None:
        if not (form.get("client_id") and form.get("client_secret")):
            raise RefusedError("invalid_client", "the client does not prove itself", 401)
        return form["client_id"], Secret(form["client_secret"])
    if "client_secret" in form:
        raise RefusedError("invalid_request", "the client proves itself in two ways at once")
    client_id, secret = basic_credentials(authorization)
    if form.get("client_id", client_id) != client_id:
        raise RefusedError("invalid_request", "client_id is another one than in Authorization")
    return client_id, secret


def basic_credentials(authorization: str) -> tuple[str, Secret]:
    """Id and secret in an Authorization header, each of them form-decoded (RFC 6749 section 2.3.1).

    Raises:
        RefusedError: `invalid_client`; the header is no such thing.
    """
    scheme, _, encoded = authorization.partition(" ")
    try:
        pair = base64.b64decode(encoded, validate=True).decode("ascii")
        client_id, colon, secret = pair.partition(":")
        decoded = unquote_plus(client_id, errors="strict"), Secret(unquote_plus(secret, errors="strict"))
    except (binascii.Error, UnicodeDecodeError):
        raise RefusedError("invalid_client", "Authorization is not form-encoded and in base64", 401) from None
    if scheme.lower() != "basic" or not colon:
        raise RefusedError("invalid_client", "Authorization is not Basic with an id, a colon and a secret", 401)
    return decoded
