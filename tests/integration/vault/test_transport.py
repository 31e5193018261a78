"""What the transport does with servers that misbehave: a small server on loopback plays them."""

from __future__ import annotations

import asyncio
import gzip
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
from aiohttp import web

from rotator.core.errors import Code, RotationError
from rotator.core.model import Secret
from rotator.demo.ports import to_try
from rotator.vault import adapter
from rotator.vault.answers import DoubtError, DownError
from rotator.vault.transport import Transport
from rotator.wire.session import MAX_BODY

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

TOKEN = Secret("s.precious")


@asynccontextmanager
async def serving(handler: Handler) -> AsyncIterator[tuple[str, list[web.Request]]]:
    """A server that answers every request with `handler`; its address, and the requests it got."""
    seen: list[web.Request] = []

    async def handle(request: web.Request) -> web.StreamResponse:
        seen.append(request)
        return await handler(request)

    runner = web.AppRunner(_app(handle), shutdown_timeout=0)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        host, port = runner.addresses[0][:2]
        yield f"http://{host}:{port}", seen
    finally:
        await runner.cleanup()


def _app(handler: Handler) -> web.Application:
    app = web.Application(client_max_size=1 << 22)
    app.router.add_route("*", "/{tail:.*}", handler)
    return app


async def ask(address: str, *, hosts: tuple[str, ...] = (), timeout: float = 5.0, method: str = "get") -> object:  # noqa: ASYNC109  the transport's own
    transport = Transport(frozenset((address.rpartition("/")[2], *hosts)), timeout)
    try:
        client = adapter.client(transport, address, "team", TOKEN)
        return await getattr(client.adapter, method)("/v1/secret/data/x")
    finally:
        await transport.close()


async def refusal(address: str, **options: object) -> RotationError:
    with pytest.raises(RotationError) as caught:
        await ask(address, **options)  # type: ignore[arg-type]  # passed through as they came
    assert "precious" not in str(caught.value)
    assert caught.value.__cause__ is None
    return caught.value


def answering(body: bytes, status: int = 200, **headers: str) -> Handler:
    async def handle(_: web.Request) -> web.Response:
        return web.Response(body=body, status=status, headers=headers)

    return handle


async def test_a_request_carries_token_namespace_and_the_mark_against_request_forgery() -> None:
    async with serving(answering(b'{"data": {}}')) as (address, seen):
        assert await ask(address) == {"data": {}}
    sent = seen[0].headers
    assert (sent["X-Vault-Token"], sent["X-Vault-Namespace"], sent["X-Vault-Request"]) == ("s.precious", "team", "true")


@pytest.mark.parametrize(
    ("body", "status"),
    [
        pytest.param(b"[]", 200, id="V16 a list"),
        pytest.param(b"<html>", 200, id="V16 HTML"),
        pytest.param(b"", 200, id="nothing"),
        pytest.param(b"x" * (MAX_BODY + 1), 200, id="V18 too large"),
    ],
)
async def test_a_malformed_answer_is_no_success(body: bytes, status: int) -> None:
    async with serving(answering(body, status)) as (address, _):
        assert (await refusal(address)).code is Code.VAULT_MALFORMED


async def test_v18_an_encoded_body_unfolds_no_further_than_its_bound() -> None:
    bomb = gzip.compress(b"0" * (64 << 20))
    async with serving(answering(bomb, 200, **{"Content-Encoding": "gzip"})) as (address, seen):
        assert "more than 1048576 bytes" in (await refusal(address)).detail
        assert seen[0].headers["Accept-Encoding"] == "identity"


async def test_v18_an_endless_body_ends_at_the_cap() -> None:
    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b" " * 65536)

    async with serving(endless) as (address, _):
        assert f"more than {MAX_BODY} bytes" in (await refusal(address)).detail


async def test_v26_a_body_that_drips_is_cut_off_at_the_total_deadline() -> None:
    async def drip(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b" ")
            await asyncio.sleep(0.05)

    async with serving(drip) as (address, _), asyncio.timeout(2):
        error = await refusal(address, timeout=0.4)
    assert isinstance(error, DoubtError)


async def test_v01_a_closed_port_is_a_vault_that_is_down() -> None:
    error = await refusal(f"http://127.0.0.1:{to_try(0)[0]}")
    assert isinstance(error, DownError)
    assert "ECONNREFUSED" in error.detail


async def test_n01_an_unknown_host_is_a_vault_that_is_down() -> None:
    assert isinstance(await refusal("http://no-such-host.invalid:8200"), DownError)


async def test_a_connection_that_breaks_leaves_the_outcome_in_doubt() -> None:
    async def cut(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    async with serving(cut) as (address, _):
        assert isinstance(await refusal(address, method="post"), DoubtError)


async def test_v04_one_redirect_of_a_standby_to_a_named_node_is_followed_with_method_and_body() -> None:
    async with serving(answering(b'{"data": {"from": "leader"}}')) as (leader, led):
        there = answering(b"", 307, Location=f"{leader}/v1/secret/data/x")
        async with serving(there) as (standby, _):
            answer = await ask(standby, hosts=(leader.rpartition("/")[2],), method="post")
    assert answer == {"data": {"from": "leader"}}
    assert (led[0].method, led[0].headers["X-Vault-Token"]) == ("POST", "s.precious")


async def test_v04_a_redirect_to_another_host_is_an_error_and_the_token_stays_here() -> None:
    async with serving(answering(b"{}")) as (elsewhere, got):
        async with serving(answering(b"", 307, Location=f"{elsewhere}/v1/x")) as (address, _):
            error = await refusal(address)
        assert got == []
    assert error.code is Code.VAULT_REDIRECTED
    assert elsewhere in error.detail


async def test_v04_a_second_redirect_is_not_followed() -> None:
    async def around(request: web.Request) -> web.Response:
        return web.Response(status=307, headers={"Location": str(request.url)})

    async with serving(around) as (address, seen):
        assert (await refusal(address)).code is Code.VAULT_REDIRECTED
        assert len(seen) == 2


@pytest.mark.parametrize(
    ("location", "requests"),
    [
        pytest.param("https://127.0.0.1:{port}/v1/x", 1, id="another scheme"),
        pytest.param("http://u:p@127.0.0.1:{port}/v1/x", 1, id="a login in the address"),
        pytest.param("//elsewhere.invalid/v1/x", 1, id="another host"),
        pytest.param("http://[", 1, id="no address"),
        pytest.param("", 2, id="none, which means here"),
    ],
)
async def test_v04_a_redirect_that_changes_more_than_the_node_is_refused(location: str, requests: int) -> None:
    async def redirect(request: web.Request) -> web.Response:
        return web.Response(status=307, headers={"Location": location.format(port=request.url.port)})

    async with serving(redirect) as (address, seen):
        assert (await refusal(address)).code in {Code.VAULT_REDIRECTED, Code.VAULT_MALFORMED}
        assert len(seen) == requests


@pytest.mark.parametrize("status", [301, 302, 303, 308])
async def test_v05_no_other_redirect_is_followed(status: int) -> None:
    async def redirect(request: web.Request) -> web.Response:
        if request.path == "/v1/there":
            return web.json_response({"data": {}})
        return web.Response(status=status, headers={"Location": "/v1/there"})

    async with serving(redirect) as (address, seen):
        assert (await refusal(address, method="post")).code is Code.VAULT_REDIRECTED
        assert len(seen) == 1


async def test_g09_proxies_netrc_and_vault_variables_have_no_say(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login user password secret\n")
    (tmp_path / ".vault-token").write_text("s.other")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("VAULT_TOKEN", "s.other")
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{to_try(0)[0]}")
    async with serving(answering(b'{"data": {}}')) as (address, seen):
        await ask(address)
    assert "Authorization" not in seen[0].headers
    assert seen[0].headers["X-Vault-Token"] == "s.precious"


async def test_cookies_are_not_kept() -> None:
    async with serving(answering(b"{}", 200, **{"Set-Cookie": "route=node1"})) as (address, seen):
        transport = Transport(frozenset({address.rpartition("/")[2]}))
        client = adapter.client(transport, address, "", TOKEN)
        await client.adapter.get("/v1/x")
        await client.adapter.get("/v1/x")
        await transport.close()
    assert [request.headers.get("Cookie") for request in seen] == [None, None]
