"""An authorization server on loopback that answers as the first provider does, and an API that wants its tokens.

Its answers follow RFC 6749 sections 5.1 and 5.2; those of the API RFC 6750 section 3.
"""

from __future__ import annotations

import json
import secrets
from collections import Counter
from typing import TYPE_CHECKING, Any

from aiohttp import web

from rotator.core.model import Secret
from rotator.demo import ports, tokens
from rotator.demo.token_request import RefusedError, read_token_request

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType
    from typing import Self

    from rotator.core.ports import Clock
    from rotator.demo.token_request import Asked

LARGEST_BODY = 1 << 14
"""Bytes of a token request; a longer one is refused with 413."""

NOT_STORED = {"Cache-Control": "no-store", "Pragma": "no-cache"}
"""RFC 6749 section 5.1."""

UNAUTHORIZED = 401


class AuthorizationServer:
    """One server; `async with` starts it and ends it. Its port stays the same over every restart.

    Args:
        clock: Dates the tokens.
        clients: Secret by client id. It is looked at for each request, so that secrets may be changed meanwhile.
        scope: What a client may ask for, and gets when it asks for nothing.
        lifetime: Seconds; see the attribute.

    Attributes:
        lifetime: Seconds that tokens issued from now on live.
        outage: The status that every token request is answered with instead of being looked at; None in good times.
        received: How many token requests came, refused ones and those during an outage included.
        issued: How many tokens were issued, by client id.
    """

    def __init__(
        self, clock: Clock, clients: Mapping[str, Secret], *, scope: str = "openid admin", lifetime: int = 600
    ) -> None:
        self.lifetime = lifetime
        self.outage: int | None = None
        self.received = 0
        self.issued: Counter[str] = Counter()
        self._clock = clock
        self._clients = clients
        self._scope = scope
        self._nobody = Secret(secrets.token_urlsafe())
        self._port = 0
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    @property
    def issuer(self) -> str:
        """Scheme, host and port."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def token_url(self) -> str:
        """The token endpoint."""
        return f"{self.issuer}/token"

    @property
    def hello_url(self) -> str:
        """The API: GET with a bearer token that is valid."""
        return f"{self.issuer}/hello"

    async def start(self) -> None:
        """Start it, or start it again.

        Raises:
            OSError: No port could be had.
        """
        tokens.signing_key()
        app = web.Application(client_max_size=LARGEST_BODY)
        app.add_routes(
            [web.post("/token", self._token), web.get("/jwks", self._jwks), web.get("/hello", self._hello)],
        )
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await self._runner.setup()
        try:
            await self._bind(self._runner)
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """End it: nobody answers at its address until it is started again."""
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()

    async def _bind(self, runner: web.AppRunner) -> None:
        candidates = ports.to_try(self._port)
        for port in candidates:
            try:
                await web.TCPSite(runner, "127.0.0.1", port).start()
            except OSError:
                if port == candidates[-1]:
                    raise
            else:
                self._port = port
                return

    async def _token(self, request: web.Request) -> web.Response:
        self.received += 1
        if self.outage is not None:
            return web.Response(status=self.outage)
        try:
            authorization = request.headers.get("Authorization")
            asked = read_token_request(request.content_type, authorization, await request.read())
            return _json(self._grant(asked), headers=NOT_STORED)
        except RefusedError as refused:
            return self._refusal(refused)

    def _grant(self, asked: Asked) -> dict[str, Any]:
        """The answer to a request, its members in the first provider's order.

        Raises:
            RefusedError: The client, the grant or the scope is not accepted.
        """
        known = asked.client_id in self._clients
        # Compared in constant time, and also when nobody has that id.
        if not (self._clients.get(asked.client_id, self._nobody) == asked.secret and known):
            raise RefusedError("invalid_client", "no such client, or not its secret", UNAUTHORIZED)
        if asked.grant_type != "client_credentials":
            raise RefusedError("unsupported_grant_type", "only client_credentials is supported")
        scope = asked.scope or self._scope
        if not set(scope.split(" ")) <= set(self._scope.split(" ")):
            raise RefusedError("invalid_scope", f"the scopes of this server are: {self._scope}")
        token = tokens.issue(self._clock, self.issuer, asked.client_id, scope, self.lifetime)
        self.issued[asked.client_id] += 1
        return {"access_token": token, "expires_in": self.lifetime, "token_type": "Bearer", "scope": scope}

    def _refusal(self, refused: RefusedError) -> web.Response:
        headers = dict(NOT_STORED)
        if refused.status == UNAUTHORIZED:
            headers["WWW-Authenticate"] = f'Basic realm="{self.issuer}"'
        body = {"error": refused.error, "error_description": refused.why}
        return _json(body, status=refused.status, headers=headers)

    async def _jwks(self, _: web.Request) -> web.Response:
        return _json(tokens.published_keys())

    async def _hello(self, request: web.Request) -> web.Response:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            return self._challenge("", "no bearer token came with the request")
        try:
            claims = tokens.verify(self._clock, self.issuer, token)
        except tokens.InvalidTokenError as why:
            return self._challenge(f', error="invalid_token", error_description="{why}"', str(why))
        left = int(claims["exp"] - self._clock.now().wall.timestamp())
        return _json({"hello": claims["aud"], "scope": claims["scope"], "valid_for": left})

    def _challenge(self, details: str, why: str) -> web.Response:
        """RFC 6750 section 3: no error code for a request that brought no token at all."""
        challenge = f'Bearer realm="{self.issuer}"{details}'
        return _json({"refused": why}, status=UNAUTHORIZED, headers={"WWW-Authenticate": challenge})


def _json(body: dict[str, Any], status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    text = json.dumps(body, separators=(",", ":"))
    return web.Response(status=status, text=text, content_type="application/json", headers=headers)
