"""Building a request to an endpoint of a provider: what goes on the wire, and nothing else (RFC 6749 section 3.2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlencode

if TYPE_CHECKING:
    from rotator.core.model import Secret
    from rotator.oauth.client_auth import Form, Proof


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """A request to a token endpoint or one beside it, always POST. It holds secrets: it is sent and never shown.

    Attributes:
        headers: HTTP headers.
        body: As it is sent.
        certificate: PEM, the chain and the private key, for the TLS connection; None for none.
    """

    headers: dict[str, str]
    body: bytes
    certificate: tuple[Secret, Secret] | None = None

    def __repr__(self) -> str:
        return "TokenRequest(…)"


def token_request(form: Form, proof: Proof) -> TokenRequest:
    """The request that says `form`, and whose it is."""
    return TokenRequest(
        headers={
            "Accept": "application/json",
            "Content-Type": "application/x-www-form-urlencoded",
            **proof.headers,
        },
        body=urlencode([*form, *proof.form]).encode(),
        certificate=proof.certificate,
    )
