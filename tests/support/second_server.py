"""A second authorization server as a process of ours: django-oauth-toolkit, which shares nothing with the first one."""

from __future__ import annotations

import sys
import uuid
from dataclasses import dataclass
from pathlib import Path

from rotator.core.model import Secret
from tests.support.controlled import Client, ControlledServer

SCRIPT = Path(__file__).parents[1] / "secondserver" / "server.py"


@dataclass(frozen=True)
class SecondOptions:
    """What a client may do here.

    Attributes:
        grant: Its one grant type; with `authorization_code` and the device's, refresh tokens come unasked.
        redirect_uris: Where people come back to. Those on loopback match with any port (RFC 8252 section 7.3).
    """

    grant: str = "client_credentials"
    redirect_uris: tuple[str, ...] = ("http://127.0.0.1/callback",)


class SecondServer(ControlledServer):
    """The server.

    Its access tokens are opaque; refresh tokens are rotated, and the second use of one kills its family.
    """

    def __init__(self) -> None:
        super().__init__("django-oauth-toolkit", [sys.executable, SCRIPT])

    @property
    def token_url(self) -> str:
        """Its token endpoint."""
        return f"{self.issuer}/token/"

    @property
    def jwks_url(self) -> str:
        """Where it publishes its keys; they are new ones after each start."""
        return f"{self.issuer}/.well-known/jwks.json"

    @property
    def authorization_url(self) -> str:
        """Where a browser begins; it needs PKCE with S256."""
        return f"{self.issuer}/authorize/"

    @property
    def device_authorization_url(self) -> str:
        """Where a device without a browser begins (RFC 8628)."""
        return f"{self.issuer}/device-authorization/"

    @property
    def introspection_url(self) -> str:
        """Where it tells of tokens (RFC 7662)."""
        return f"{self.issuer}/introspect/"

    @property
    def revocation_url(self) -> str:
        """Where it revokes tokens (RFC 7009)."""
        return f"{self.issuer}/revoke_token/"

    def register(
        self,
        client_id: str | None = None,
        secret: str | None = None,
        *,
        method: str = "client_secret_basic",
        scope: str = "openid admin",
        lifetime: int = 600,
        options: SecondOptions = SecondOptions(),
    ) -> Client:
        """Register a client, or replace the one with this id: its secret, its access tokens' seconds, its options.

        Without an id the client is a new one. It takes client_secret_basic and client_secret_post from every client
        with a secret, whatever it was registered with; the method `none` makes one without.

        Raises:
            RuntimeError: The server takes no such client; its reason is in the message.
        """
        client = Client(client_id or f"c-{uuid.uuid4().hex}", Secret(secret or f"s-{uuid.uuid4().hex}"))
        asked = {"method": method, "scope": scope, "lifetime": lifetime, **vars(options)}
        whose = {"client_id": client.client_id, "client_secret": client.secret.reveal()}
        self.keep(client.client_id, {"client": {**whose, **asked}})
        return client
