"""A cluster's TokenReview API, for Vault's Kubernetes method to ask.

No Kubernetes can be had here. This is a real HTTPS server that keeps to the contract of
https://kubernetes.io/docs/reference/kubernetes-api/authentication-resources/token-review-v1/ as far as Vault uses it:
`POST /apis/authentication.k8s.io/v1/tokenreviews` by a caller with a bearer that the cluster knows, answered 201 with a
status that names the account of a token that the cluster signed, that has not ended, and whose account still exists.
Its tokens have the claims of projected service account tokens. What it is not: an API server with RBAC, or with
tokens bound to pods.
"""

from __future__ import annotations

import asyncio
import ssl
import uuid
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from aiohttp import web
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey

from rotator.engine.clock import SystemClock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

AUDIENCE = "https://kubernetes.default.svc.cluster.local"
KIND = {"kind": "TokenReview", "apiVersion": "authentication.k8s.io/v1"}


class Cluster:
    """The accounts of a cluster, and what it is asked about them.

    Attributes:
        address: Where its API listens.
        reviews: How often it was asked.
        away: Whether it answers 503, as one whose API server is overloaded.
    """

    def __init__(self) -> None:
        self.address = ""
        self.reviews = 0
        self.away = False
        self._key = ECKey.generate_key("P-256")
        self._accounts: dict[str, str] = {}
        self._revoked: set[str] = set()
        self._connections: set[asyncio.BaseTransport] = set()

    def token(self, account: str, namespace: str = "apps", ttl: float = 3600) -> str:
        """A projected token of a service account, which exists from then on, good for so many seconds."""
        name = f"system:serviceaccount:{namespace}:{account}"
        uid = self._accounts.setdefault(name, str(uuid.uuid4()))
        now = int(SystemClock().now().wall.timestamp())
        claims = {
            "iss": AUDIENCE,
            "sub": name,
            "aud": [AUDIENCE],
            "iat": now - 10,
            "nbf": now - 10,
            "exp": int(now + ttl),
            "jti": str(uuid.uuid4()),
            "kubernetes.io": {"namespace": namespace, "serviceaccount": {"name": account, "uid": uid}},
        }
        return jwt.encode({"alg": "ES256", "kid": "cluster"}, claims, self._key)

    def delete(self, account: str, namespace: str = "apps") -> None:
        """Delete a service account; its tokens are worth nothing any more."""
        del self._accounts[f"system:serviceaccount:{namespace}:{account}"]

    def revoke(self, token: str) -> None:
        """Have this one token count as ended."""
        self._revoked.add(token)

    async def review(self, request: web.Request) -> web.Response:
        """Answer one TokenReview."""
        self.reviews += 1
        self._connections |= {request.transport} if request.transport else set()
        if self.away:
            return web.json_response({"kind": "Status", "apiVersion": "v1", "code": 503}, status=503)
        caller = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if self._status(caller).get("authenticated") is not True:
            return web.json_response({"kind": "Status", "apiVersion": "v1", "code": 401}, status=401)
        asked = await request.json()
        # Vault leaves kind and apiVersion out; an API server takes them from the URL.
        assert {**KIND, **asked}.items() >= KIND.items(), "the caller asks for something else than a TokenReview"
        answer = {**KIND, "metadata": {}, "spec": asked["spec"], "status": self._status(asked["spec"]["token"])}
        return web.json_response(answer, status=201)

    def hang_up(self) -> None:
        """End every connection without waiting for Vault's farewell, which it sends when it likes."""
        for connection in self._connections:
            if isinstance(connection, asyncio.Transport):
                connection.abort()

    def _status(self, token: str) -> dict[str, Any]:
        now = SystemClock().now().wall.timestamp()
        try:
            claims = jwt.decode(token, self._key, algorithms=["ES256"]).claims
        except (JoseError, ValueError):
            return {"user": {}, "error": "[invalid bearer token, square/go-jose: error in cryptographic primitive]"}
        name = claims["sub"]
        if claims["exp"] <= now or token in self._revoked:
            return {"user": {}, "error": "[invalid bearer token, service account token has expired]"}
        if name not in self._accounts:
            return {"user": {}, "error": "[invalid bearer token, service account has been deleted]"}
        _, _, namespace, _ = name.split(":")
        groups = ["system:serviceaccounts", f"system:serviceaccounts:{namespace}", "system:authenticated"]
        user = {"username": name, "uid": self._accounts[name], "groups": groups}
        return {"authenticated": True, "user": user, "audiences": claims["aud"]}


@asynccontextmanager
async def running(certificate: Path) -> AsyncIterator[Cluster]:
    """A cluster whose API listens on loopback while the block lasts, with the certificate and key in this file."""
    cluster = Cluster()
    application = web.Application()
    application.router.add_post("/apis/authentication.k8s.io/v1/tokenreviews", cluster.review)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    runner = web.AppRunner(application)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
        await site.start()
        host, port = runner.addresses[0][:2]
        cluster.address = f"https://{host}:{port}"
        yield cluster
    finally:
        await runner.cleanup()
        cluster.hang_up()
        await asyncio.sleep(0)  # the loop closes the sockets in its next round
