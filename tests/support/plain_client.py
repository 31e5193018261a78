"""A client that asks the certified oidc-provider by plain requests, to see how it really answers."""

from __future__ import annotations

import base64
import hashlib
import json
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from joserfc import jwt

from rotator.engine.clock import SystemClock
from tests.support.oidc import Options
from tests.support.person import Person

if TYPE_CHECKING:
    import ssl

    import aiohttp
    from joserfc.jwk import Key
    from yarl import URL

    from tests.support.oidc import Client, OidcProvider

OFFLINE = "openid user offline_access"
PERSON = Options(grants=("authorization_code", "refresh_token"))
REDIRECT = "http://127.0.0.1:43210/callback"
"""Nobody listens there; clients are registered without a port."""

VERIFIER = "a-verifier-of-forty-three-characters-or-more-"

Answer = tuple[int, dict[str, Any]]


@dataclass(frozen=True)
class PlainClient:
    provider: OidcProvider
    session: aiohttp.ClientSession

    async def post(
        self, url: str, form: dict[str, str], *, tls: ssl.SSLContext | None = None, dpop: str | None = None
    ) -> Answer:
        """Status and body of an answer."""
        headers = {} if dpop is None else {"DPoP": dpop}
        async with self.session.post(url, data=form, headers=headers, ssl=tls or True) as answer:
            return answer.status, await answer.json(content_type=None) or {}

    async def token(self, client: Client, **form: str) -> Answer:
        """What the token endpoint answers a client that sends its id and its secret."""
        return await self.post(self.provider.token_url, {**self.identity(client), **form})

    def identity(self, client: Client) -> dict[str, str]:
        return {"client_id": client.client_id, "client_secret": client.secret.reveal()}

    def authorization(self, client: Client, scope: str = OFFLINE, **more: str) -> str:
        """Where a browser is sent."""
        digest = hashlib.sha256(VERIFIER.encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        asked = {
            "client_id": client.client_id,
            "response_type": "code",
            "redirect_uri": REDIRECT,
            "scope": scope,
            "state": "of-this-test",
            "prompt": "consent",
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        return f"{self.provider.authorization_url}?{urlencode({**asked, **more})}"

    async def consented(self, client: Client, scope: str = OFFLINE, *, consents: bool = True, **more: str) -> URL:
        async with Person() as person:
            return await person.answer(self.authorization(client, scope, **more), consents=consents)

    async def tokens(self, client: Client, scope: str = OFFLINE) -> dict[str, Any]:
        """What a person's consent gives."""
        code = (await self.consented(client, scope)).query["code"]
        status, answer = await self.exchange(client, code)
        assert status == 200, answer
        return answer

    async def exchange(self, client: Client, code: str, verifier: str = VERIFIER) -> Answer:
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": REDIRECT, "code_verifier": verifier}
        return await self.token(client, **form)

    async def refresh(self, client: Client, refresh_token: str) -> Answer:
        return await self.token(client, grant_type="refresh_token", refresh_token=refresh_token)

    async def introspect(self, client: Client, token: str) -> dict[str, Any]:
        status, answer = await self.post(self.provider.introspection_url, {**self.identity(client), "token": token})
        assert status == 200, answer
        return answer

    async def get(self, url: str) -> Answer:
        async with self.session.get(url) as answer:
            return answer.status, await answer.json()


def person_client(server: PlainClient, options: Options = PERSON, lifetime: int = 600) -> Client:
    return server.provider.register(method="client_secret_post", scope=OFFLINE, lifetime=lifetime, options=options)


def signed(key: Key, alg: str, *, header: dict[str, Any] | None = None, **claims: Any) -> str:
    """A JWT of now, for a minute."""
    now = int(SystemClock().now().wall.timestamp())
    dated = {"iat": now, "exp": now + 60, "jti": uuid.uuid4().hex}
    return jwt.encode({"alg": alg, **(header or {})}, {**dated, **claims}, key)


def claims(token: str) -> dict[str, Any]:
    payload = token.split(".")[1]
    found: dict[str, Any] = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return found
