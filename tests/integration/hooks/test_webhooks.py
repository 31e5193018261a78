"""Webhooks at a real server: what it is told, what it is never told, and how it fails."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest
from aiohttp import web

from rotator.contract import record
from rotator.core.errors import Code, RotationError
from rotator.core.model import Secret
from rotator.hooks.webhook import WebhookHook
from tests.integration.hooks.bench import descriptors, occasion, until
from tests.support.canary import Searcher, canary
from tests.support.certificates import self_signed

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


@dataclass
class Receiver:
    """A server that takes webhooks, and keeps what it was sent."""

    status: int = 204
    headers: dict[str, str] = field(default_factory=dict)
    bodies: list[bytes] = field(default_factory=list)
    heads: list[dict[str, str]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    hangs: bool = False
    url: str = ""

    async def take(self, request: web.BaseRequest) -> web.Response:
        self.bodies.append(await request.read())
        self.heads.append(dict(request.headers))
        self.paths.append(request.path_qs)
        if self.hangs:
            await asyncio.sleep(600)
        return web.Response(status=self.status, headers=self.headers)


@asynccontextmanager
async def receiver(context: ssl.SSLContext | None = None) -> AsyncIterator[Receiver]:
    receiver = Receiver()
    runner = web.ServerRunner(web.Server(receiver.take, handler_cancellation=True), shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
    await site.start()
    host, port = runner.addresses[0][:2]
    receiver.url = f"{'http' if context is None else 'https'}://{host}:{port}/hooks?key=value"
    try:
        yield receiver
    finally:
        await runner.cleanup()


@pytest.fixture
async def there() -> AsyncIterator[Receiver]:
    async with receiver() as opened:
        yield opened


async def fails(hook: WebhookHook) -> RotationError:
    with pytest.raises(RotationError) as caught:
        await hook.run(occasion())
    return caught.value


async def test_it_is_told_of_the_write(there: Receiver) -> None:
    await WebhookHook(there.url).run(occasion())
    assert json.loads(there.bodies[0]) == {
        "credential": "billing",
        "sink": "file:/run/rotator/billing.token",
        "fingerprint": record().fingerprint,
        "expires_at": record().metadata()["expires_at"],
    }
    assert there.paths == ["/hooks?key=value"]
    assert there.heads[0]["Content-Type"] == "application/json"
    assert "Authorization" not in there.heads[0]


async def test_it_is_never_told_the_token(there: Receiver) -> None:
    await WebhookHook(there.url).run(occasion())
    assert b"token.one" not in there.bodies[0] + repr(there.heads).encode()


async def test_it_is_shown_a_bearer_that_is_read_each_time(there: Receiver) -> None:
    bearers = iter(("first", "second"))
    hook = WebhookHook(there.url, bearer=lambda: Secret(next(bearers)))
    for _ in range(2):
        await hook.run(occasion())
    assert [head["Authorization"] for head in there.heads] == ["Bearer first", "Bearer second"]


async def test_a_bearer_that_cannot_be_read_sends_nothing(there: Receiver) -> None:
    def missing() -> Secret:
        raise RotationError(Code.HOOK_BEARER, "it is not there")

    hook = WebhookHook(there.url, bearer=missing)
    assert (await fails(hook)).code is Code.HOOK_BEARER
    assert there.bodies == []
    with pytest.raises(RotationError, match="it is not there"):
        await hook.check()


async def test_a_bearer_is_in_no_error_and_in_no_repr(there: Receiver) -> None:
    bearer = canary("bearer")
    there.status = 500
    hook = WebhookHook(there.url, bearer=lambda: Secret(bearer))
    searcher = Searcher({"bearer": bearer})
    assert searcher.look_at_error(await fails(hook), "the failure") == []
    there.hangs = True
    assert searcher.look_at_error(await fails(WebhookHook(there.url, 0.2, bearer=lambda: Secret(bearer))), "slow") == []
    assert searcher.look(repr(hook), "the hook") == []


@pytest.mark.parametrize("status", [200, 201, 202, 204])
async def test_each_status_of_success_is_one(there: Receiver, status: int) -> None:
    there.status = status
    await WebhookHook(there.url).run(occasion())


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, Code.HOOK_REFUSED),
        (401, Code.HOOK_REFUSED),
        (404, Code.HOOK_REFUSED),
        (408, Code.HOOK_UNREACHABLE),
        (429, Code.HOOK_UNREACHABLE),
        (500, Code.HOOK_UNREACHABLE),
        (503, Code.HOOK_UNREACHABLE),
    ],
)
async def test_another_status_is_a_failure_that_may_pass_or_not(there: Receiver, status: int, code: Code) -> None:
    there.status = status
    error = await fails(WebhookHook(there.url))
    assert error.code is code
    assert error.detail == f"the webhook {there.url.partition('?')[0]} answered {status}; wanted 200 to 299"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_p41_a_redirect_is_not_followed(there: Receiver, status: int) -> None:
    async with receiver() as elsewhere:
        there.status, there.headers = status, {"Location": elsewhere.url}
        error = await fails(WebhookHook(there.url, bearer=lambda: Secret("hush")))
        assert error.code is Code.HOOK_REFUSED
        assert "a redirect; it is not followed" in error.detail
        assert elsewhere.heads == []


async def test_one_that_is_not_there_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    error = await fails(WebhookHook(f"http://127.0.0.1:{port}/"))
    assert (error.code, "ECONNREFUSED" in error.detail) == (Code.HOOK_UNREACHABLE, True)


async def test_one_that_never_answers_is_cut_off(there: Receiver) -> None:
    there.hangs = True
    error = await fails(WebhookHook(there.url, 0.3))
    assert (error.code, "did not answer within 0.3 s" in error.detail) == (Code.HOOK_TIMEOUT, True)


async def test_one_that_hangs_up_is_told() -> None:
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.close()

    async with await asyncio.start_server(hang_up, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        assert (await fails(WebhookHook(f"http://127.0.0.1:{port}/"))).code is Code.HOOK_UNREACHABLE


async def test_n02_an_address_that_nobody_may_be_at_is_not_talked_to() -> None:
    error = await fails(WebhookHook("https://169.254.169.254/latest"))
    assert (error.code, "link-local" in error.detail) == (Code.HOOK_REFUSED, True)


def with_certificate(file: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context


async def test_n05_a_server_that_is_trusted_by_its_file_is_told(tmp_path: Path) -> None:
    certificate = self_signed(tmp_path / "server.pem")
    async with receiver(with_certificate(certificate)) as there:
        hook = WebhookHook(there.url.replace("127.0.0.1", "localhost"), ca_file=certificate)
        await hook.check()
        await hook.run(occasion())
        assert len(there.bodies) == 1


async def test_n05_a_server_that_nobody_vouches_for_is_sent_nothing(tmp_path: Path) -> None:
    async with receiver(with_certificate(self_signed(tmp_path / "server.pem"))) as there:
        error = await fails(WebhookHook(there.url.replace("127.0.0.1", "localhost")))
        assert (error.code, "is refused: it is signed by itself" in error.detail) == (Code.HOOK_TLS, True)
        assert there.bodies == []


async def test_v30_a_file_of_authorities_that_holds_none_is_told_by_the_check(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("none")
    hook = WebhookHook("https://localhost/", ca_file=tmp_path / "ca.pem")
    with pytest.raises(RotationError, match="holds no certificates") as caught:
        await hook.check()
    assert caught.value.code is Code.HOOK_TLS
    assert (await fails(hook)).code is Code.HOOK_TLS


async def test_nothing_stays_open(there: Receiver) -> None:
    before = descriptors()
    for _ in range(5):
        await WebhookHook(there.url).run(occasion())
    await until(lambda: descriptors() <= before, "as many open files as before")


async def test_one_that_is_cancelled_leaves_nothing_open(there: Receiver) -> None:
    before = descriptors()
    there.hangs = True
    running = asyncio.create_task(WebhookHook(there.url).run(occasion()))
    await until(lambda: bool(there.bodies), "its request")
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await until(lambda: descriptors() <= before, "as many open files as before")


def test_the_name_holds_no_query() -> None:
    assert WebhookHook("https://example.com:8443/a/b?token=hush").name == "webhook:https://example.com:8443/a/b"
