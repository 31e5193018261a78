"""Servers that tell what they were told: a token endpoint, and a relay before Vault, that echo secrets in every place.

Each echo is a row of the catalogue of faults, with the secrets of the request in it. A server counts what it served, so
that nobody takes an echo that was never heard for one that was not passed on.
"""

from __future__ import annotations

import asyncio
import base64
import gzip
import json
from collections import Counter
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, quote, unquote_plus

from aiohttp import web

from tests.support.canary import TOKEN_CHARACTERS, canary
from tests.support.hostile_provider import read_request, reset, response

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from tests.integration.vault.relay import Forward

GOOD = {"token_type": "Bearer", "expires_in": 600, "scope": "openid admin"}


@dataclass(frozen=True)
class Asked:
    """A token request and the secrets in it.

    Attributes:
        name: The last segment of its path.
        proof: The client's credentials as they were sent.
        secret: The client secret in clear.
        token: An access token that could be handed out.
    """

    name: str
    proof: str
    secret: str
    token: str

    @property
    def told(self) -> str:
        """Both, as a server might write them into a page."""
        return f"client_secret={self.secret} ({self.proof}) {self.token}"


def _json(status: str, **fields: object) -> Callable[[Asked], bytes]:
    """An answer in JSON; `SECRET`, `PROOF` and `TOKEN` stand for those of the request."""

    def answer(asked: Asked) -> bytes:
        text = json.dumps(fields)
        for name, said in (("SECRET", asked.secret), ("PROOF", asked.proof), ("TOKEN", asked.token)):
            text = text.replace(name, json.dumps(said)[1:-1])
        return response(text.encode(), status)

    return answer


def _refused(status: str, error: str = "invalid_request", **fields: object) -> Callable[[Asked], bytes]:
    said = {"error_description": "PROOF is wrong: SECRET", "error_uri": "https://x/?s=SECRET", "x": ["TOKEN"]}
    return _json(status, **{"error": error, **said, **fields})


def _good(**fields: object) -> Callable[[Asked], bytes]:
    return _json("200 OK", **{**GOOD, "access_token": "TOKEN", **fields})


def _page(status: str, *headers: str) -> Callable[[Asked], bytes]:
    """A page in HTML, and headers in which `SECRET` stands for the secret as a URL has it."""

    def answer(asked: Asked) -> bytes:
        plain = quote(asked.secret, safe="")
        named = [header.replace("SECRET", plain).replace("HOST", asked.secret[:40].lower()) for header in headers]
        return response(f"<html><title>{asked.told}</title>{asked.told}</html>".encode(), status, *named)

    return answer


def _raw(start: str, body: str = "SECRET") -> Callable[[Asked], bytes]:
    return lambda asked: f"{start}{body}".replace("SECRET", asked.told).encode()


ECHOES: Mapping[str, Callable[[Asked], bytes]] = {
    "p06-cut": lambda asked: response(asked.told.encode())[:-9],
    "p08-500": _refused("500 SECRET"),
    "p08-503": _page("503 Gone", "X-Debug: SECRET", "Server: SECRET"),
    "p09-seconds": _page("503 Later", "Retry-After: 3", "X-Secret: SECRET"),
    "p10-throttled": _refused("429 Slow", "slow_down"),
    "p11-date": _page("429 Slow", "Retry-After: Tue, 24 Nov 2094 12:00:00 GMT SECRET"),
    "p12-wait": _page("429 Slow", "Retry-After: SECRET"),
    "p13-page": _page("403 SECRET"),
    "p14-client": _refused("401 SECRET", "invalid_client"),
    "p14-challenge": _page("401 No", 'WWW-Authenticate: Basic realm="SECRET", error="SECRET"'),
    "p15-grant": _refused("400 Bad", "invalid_grant"),
    "p15-scope": _refused("400 Bad", "invalid_scope"),
    "p15-secret": _refused("400 Bad", "SECRET"),
    "p15-proof": _refused("400 Bad", "PROOF"),
    "p16-page": _page("400 Bad"),
    "p16-text": lambda asked: response(asked.told.encode(), "400 Bad", "Content-Type: text/SECRET"),
    "p17-error": _refused("200 OK", "invalid_client"),
    "p18-both": _good(error="SECRET"),
    "p19-list": _good(access_token=["SECRET", "TOKEN"]),
    "p19-null": _good(access_token=None, token="SECRET"),
    "p20-break": _good(access_token="TOKEN\r\nSECRET"),
    "p20-blank": _good(access_token="TOKEN SECRET £"),
    "p21-long": _good(access_token="TOKEN" * 2000),
    "p22-no-type": _json("200 OK", access_token="TOKEN", expires_in=600, note="SECRET"),
    "p24-type": _good(token_type="SECRET"),
    "p25-no-life": _json("200 OK", access_token="TOKEN", token_type="Bearer", note="SECRET"),
    "p28-life": _good(expires_in="SECRET"),
    "p28-list": _good(expires_in=["SECRET"]),
    "p29-digits": lambda asked: response(b'{"expires_in":' + b"9" * 5000 + b',"x":"' + asked.told.encode() + b'"}'),
    "p35-scope": _good(scope="openid"),
    "p35-unreadable": _good(scope=["SECRET"]),
    "p36-refresh": _good(refresh_token="SECRET", id_token="TOKEN"),
    "p37-twice": lambda asked: response(f'{{"{asked.secret}": 1, "{asked.secret}": 2}}'.encode()),
    "p37-nested": lambda asked: response(b"[" * 50_000 + asked.told.encode()),
    "p38-bomb": lambda asked: response(gzip.compress(asked.told.encode() * 20_000), "200 OK", "Content-Encoding: gzip"),
    "p39-headers": lambda asked: response(b"{}", "200 OK", *(f"X-{n}: {asked.proof}" for n in range(5000))),
    "p39-line": _page("200 OK", f"X-Long: {'SECRET' * 400}"),
    "p40-utf16": lambda asked: response(json.dumps({"x": asked.told}).encode("utf-16")),
    "p40-latin": lambda asked: response(asked.told.encode("latin-1") + b"\xff"),
    "p40-rest": lambda asked: response(json.dumps(GOOD).encode() + asked.told.encode()),
    "p40-form": lambda asked: response(f"access_token={asked.token}&x={quote(asked.secret)}".encode()),
    "p41-query": _page("302 Found", "Location: https://127.0.0.1/?client_secret=SECRET"),
    "p41-user": _page("307 Found", "Location: https://SECRET@127.0.0.1/"),
    "p41-host": _page("308 Found", "Location: https://HOST.example/SECRET"),
    "p42-status": _raw("HTTP/1.1 ", "SECRET\r\n\r\n"),
    "p42-number": _raw("HTTP/1.1 999 SECRET\r\nContent-Length: 0\r\n\r\n", ""),
    "p42-version": _raw("SECRET/1.1 200 OK\r\n\r\n", ""),
    "p42-old": _raw(""),
    "p42-header": _raw("HTTP/1.1 200 OK\r\nSECRET\r\n\r\n", ""),
    "p42-name": _raw("HTTP/1.1 200 OK\r\n(SECRET): x\r\n\r\n", ""),
    "p42-length": _raw("HTTP/1.1 200 OK\r\nContent-Length: SECRET\r\n\r\n"),
    "p42-chunk": _raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
    "p42-coding": _raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: SECRET\r\n\r\n"),
    "p42-encoding": _page("200 OK", "Content-Encoding: SECRET"),
    "p42-206": _refused("206 SECRET"),
    "p42-304": _page("304 SECRET", "ETag: SECRET"),
    "p43-cookie": _page("400 Bad", "Set-Cookie: session=SECRET; Path=/; Domain=SECRET"),
    "p44-echo": _refused("400 Bad", error_description="You sent PROOF, that is SECRET"),
    "p03-hang": _raw("HTTP/1.1 200 OK\r\nX-Secret: SECRET\r\nContent-Length: 99999\r\n\r\n"),
    "p07-reset": _raw("HTTP/1.1 200 OK\r\nX-Secret: SECRET\r\nContent-Length: 99999\r\n\r\n"),
    "good": _good(note="SECRET"),
}
"""By the row of the catalogue, and a word."""


class EchoingProvider:
    """A token endpoint with a path for every echo.

    Attributes:
        served: How often each echo was served.
        tokens: Every access token that went out.
    """

    def __init__(self) -> None:
        self.served: Counter[str] = Counter()
        self.tokens: list[str] = []
        self._base = ""

    def url(self, name: str) -> str:
        """The token endpoint of an echo."""
        return f"{self._base}/{name}"

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[EchoingProvider]:
        """Serve while the block lasts."""
        tasks: set[asyncio.Task[None]] = set()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            tasks.add(task)
            try:
                await self._answer(reader, writer)
            except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
                pass  # the client has gone, or the test is over
            finally:
                writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        self._base = f"http://127.0.0.1:{port}"
        try:
            yield self
        finally:
            server.close()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked = self._asked(await read_request(reader))
        self.served[asked.name] += 1
        writer.write(ECHOES[asked.name](asked))
        await writer.drain()
        if asked.name == "p03-hang":
            await asyncio.Event().wait()
        if asked.name == "p07-reset":
            reset(writer)

    def _asked(self, request: bytes) -> Asked:
        head, _, body = request.decode().partition("\r\n\r\n")
        name = head.split(" ", 2)[1].strip("/")
        headers = dict(line.split(": ", 1) for line in head.split("\r\n")[1:])
        proof = headers.get("Authorization", "")
        if proof:
            secret = unquote_plus(base64.b64decode(proof.removeprefix("Basic ")).decode().partition(":")[2])
        else:
            secret = parse_qs(body)["client_secret"][0]
        self.tokens.append(canary(f"access token {len(self.tokens)}", TOKEN_CHARACTERS, 64))
        return Asked(name, proof or quote(secret), secret, self.tokens[-1])


def _kv(data: object, custom: object) -> str:
    """An answer of KV v2."""
    metadata = {"version": 1, "created_time": "", "custom_metadata": custom}
    return json.dumps({"data": {"data": data, "metadata": metadata}})


VAULT_ECHOES: Mapping[str, tuple[int, str, Mapping[str, str]]] = {
    "v01-sealed": (503, '{"errors": ["Vault is sealed: SECRET"]}', {}),
    "v03-not-initialised": (501, '{"errors": ["SECRET"]}', {"X-Secret": "SECRET"}),
    "v04-leader": (307, "", {"Location": "http://HOST.example:8200/v1/SECRET"}),
    "v04-user": (307, "", {"Location": "http://x:SECRET@127.0.0.1:1/v1/SECRET"}),
    "v04-no-address": (307, "", {"Location": "http://[SECRET/"}),
    "v05-found": (302, "<a href='SECRET'>", {"Location": "https://HOST/?SECRET"}),
    "v06-failed": (500, '{"errors": ["1 error occurred: SECRET"]}', {}),
    "v07-quota": (429, '{"errors": ["SECRET"]}', {"Retry-After": "SECRET", "X-Ratelimit-Limit": "SECRET"}),
    "v08-412": (412, '{"errors": ["SECRET"]}', {}),
    "v08-472": (472, "SECRET", {}),
    "v08-473": (473, "SECRET", {}),
    "v09-denied": (403, '{"errors": ["1 error occurred:\\n\\t* permission denied for SECRET"]}', {}),
    "v16-page": (200, "<html>SECRET</html>", {"Content-Type": "text/html"}),
    "v16-list": (200, '["SECRET"]', {}),
    "v16-text": (200, '{"data": "SECRET"}', {}),
    "v16-fields": (200, '{"data": {"data": ["SECRET"], "metadata": {"version": 1, "created_time": "SECRET"}}}', {}),
    "v16-names": (200, '{"data": {"data": {"SECRET": "SECRET"}, "metadata": {"version": 1, "created_time": ""}}}', {}),
    "v16-id": (200, _kv({"client_id": ["SECRET"], "client_secret": {"SECRET": 1}}, {"SECRET": "SECRET"}), {}),
    "v16-version": (200, '{"data": {"data": {}, "metadata": {"version": "SECRET", "created_time": ""}}}', {}),
    "v16-gone": (404, '{"data": {"data": null, "metadata": {"version": 1, "deletion_time": "SECRET"}}}', {}),
    "v16-nothing": (404, '{"errors": ["SECRET"]}', {}),
    "v17-null": (400, '{"errors": [null, "SECRET"]}', {}),
    "v17-list": (400, '["SECRET"]', {}),
    "v18-large": (200, "SECRET" * 30_000, {}),
    "v20-cas": (400, '{"errors": ["check-and-set parameter did not match the current version SECRET"]}', {}),
    "v24-owner": (200, _kv({"access_token": "SECRET"}, {"managed-by": "SECRET"}), {}),
    "v32-teapot": (418, '{"errors": ["SECRET"]}', {}),
}  # fmt: skip
"""Status, body and headers, in which `SECRET` stands for the Vault token and `HOST` for it as a host name."""


@dataclass
class EchoingVault:
    """What a relay before a real Vault does (see `tests.integration.vault.relay`): it echoes where it is told to.

    Attributes:
        echo: The key of `VAULT_ECHOES` that answers; empty to let everything pass.
        below: The paths that it answers for contain this.
        tokens: Every Vault token that was sent.
        served: How often each echo was served.
    """

    echo: str
    below: str
    tokens: set[str]
    served: Counter[str]

    async def meddle(self, request: web.Request, forward: Forward) -> web.Response:
        """See `Relay.meddle`."""
        token = request.headers.get("X-Vault-Token", "")
        if token:
            self.tokens.add(token)
        if not self.echo or self.below not in request.path:
            return await forward()
        self.served[self.echo] += 1
        # What a login sends is in its body.
        secret = token or str((await request.json()).get("secret_id", ""))
        status, body, headers = VAULT_ECHOES[self.echo]
        said = {"Content-Type": "application/json", **headers}
        host = "".join(character for character in secret.lower() if character.isalnum())
        named = {key: text.replace("SECRET", quote(secret)).replace("HOST", host) for key, text in said.items()}
        return web.Response(status=status, body=body.replace("SECRET", secret).encode(), headers=named)
