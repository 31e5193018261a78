"""An API that takes a token, refuses it, fails, hangs, redirects, is somebody else or is not there."""

from __future__ import annotations

import asyncio
import socket
import ssl
from ipaddress import ip_network
from typing import TYPE_CHECKING, Any

import pytest

from rotator.core.errors import RotationError
from rotator.core.model import Grant, Secret
from rotator.engine.clock import SystemClock
from rotator.oauth.checks.commons import Commons
from rotator.oauth.checks.probe import Probe, ProbeSettings
from tests.support.api import an_api
from tests.support.certificates import self_signed
from tests.support.hostile_provider import full_backlog, hostile, reset
from tests.support.requests import NOW, client

if TYPE_CHECKING:
    from pathlib import Path

TOKEN = "CANARY.token"
GRANT = Grant(Secret(TOKEN), NOW, 600.0, "openid admin")


async def told(url: str, commons: Commons | None = None, **settings: Any) -> str:
    """What comes of a probe: `good`, or the code and the sentence of the error."""
    clock = SystemClock()
    probe = Probe(ProbeSettings(url, **{"timeout": 1.0, **settings}), commons or Commons(clock), clock)
    try:
        await probe.verify(client(), GRANT)
    except RotationError as error:
        found: BaseException | None = error
    else:
        return "good"
    said = str(found)
    while found is not None:  # what a traceback would show
        assert TOKEN not in f"{found!s} {found!r} {vars(found)!r}"
        found = found.__cause__ or found.__context__
    return said


async def test_an_api_that_takes_the_token_is_shown_it_once_as_a_bearer() -> None:
    async with an_api() as api:
        assert await told(f"{api.url}?deep=1") == "good"
        assert api.tokens == [TOKEN]
        assert api.asked == [("GET", "/health?deep=1")]


@pytest.mark.parametrize("method", ["HEAD", "POST"])
async def test_it_is_asked_as_configured(method: str) -> None:
    async with an_api() as api:
        assert await told(api.url, method=method) == "good"
        assert api.asked == [(method, "/health")]


@pytest.mark.parametrize("status", [200, 204, 299])
async def test_every_success_is_one_unless_some_are_named(status: int) -> None:
    async with an_api() as api:
        api.status = status
        assert await told(api.url) == "good"
        expected = "good" if status == 204 else f"answered the token with {status}, which says nothing good of it"
        assert expected in await told(api.url, expect=(204,))


async def test_a_token_that_is_not_taken_is_refused() -> None:
    async with an_api() as api:
        api.refuses = [TOKEN]
        assert await told(api.url) == (
            f"verify_refused: the API at {api.url} does not take the token: it answered 401; wanted 200 to 299"
        )
        api.refuses, api.status = (), 403
        assert (await told(api.url, expect=(200, 204))).endswith("it answered 403; wanted 200 or 204")


@pytest.mark.parametrize("status", [302, 307])
async def test_p41_a_redirect_is_not_followed(status: int) -> None:
    async with an_api() as api, an_api() as other:
        api.status, api.headers = status, {"Location": other.url}
        said = await told(api.url)
        assert said.startswith("verify_refused: ")
        assert f"answered the token with {status}, a redirect, which is not followed" in said
        assert other.tokens == []


@pytest.mark.parametrize("status", [400, 404, 405])
async def test_another_answer_is_no_success(status: int) -> None:
    async with an_api() as api:
        api.status = status
        assert (await told(api.url)).startswith("verify_refused: ")


@pytest.mark.parametrize("status", [500, 502, 503, 408, 425, 429])
async def test_an_api_that_fails_says_nothing_of_the_token(status: int) -> None:
    async with an_api() as api:
        api.status = status
        assert await told(api.url) == f"verify_unavailable: the API at {api.url} answered {status}"


async def test_an_api_that_hangs_is_given_up() -> None:
    async with an_api() as api:
        api.hangs = True
        said = await told(api.url, timeout=0.2)
    assert said == f"verify_unavailable: the API at {api.url} did not answer within 0.2 s"


async def test_of_a_thousand_tokens_at_an_api_that_has_hung_none_holds_anybody_up() -> None:
    commons = Commons(SystemClock())
    async with an_api() as api:
        api.hangs = True
        await told(api.url, commons, timeout=0.2)
        async with asyncio.timeout(5):
            said = await asyncio.gather(*(told(api.url, commons, timeout=60) for _ in range(1000)))
        assert len(api.tokens) == 1
    assert {one.partition(":")[0] for one in said} == {"verify_unavailable"}


async def test_an_api_that_asks_to_be_left_alone_is_for_all_credentials() -> None:
    commons = Commons(SystemClock())
    async with an_api() as api:
        api.status, api.headers = 429, {"Retry-After": "30"}
        await told(api.url, commons)
        api.status = 200
        assert "answered 429" in await told(api.url, commons)
        assert len(api.tokens) == 1


async def test_the_body_of_an_answer_is_not_read() -> None:
    async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000000\r\n\r\n")
        while True:
            writer.write(b"x" * 65536)
            await writer.drain()

    async with hostile(endless) as url, asyncio.timeout(2):
        assert await told(url, timeout=1.5) == "good"


async def broken(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    reset(writer)


async def no_http(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"SSH-2.0-OpenSSH_9.6\r\n\r\n")
    await writer.drain()


@pytest.mark.parametrize(
    ("behaviour", "words"), [(broken, "broke before an answer came"), (no_http, "not proper HTTP")]
)
async def test_a_connection_that_breaks_says_nothing_of_the_token(behaviour: Any, words: str) -> None:
    async with hostile(behaviour) as url:
        said = await told(url)
    assert said.startswith("verify_unavailable: ")
    assert words in said


async def test_nobody_who_listens_says_nothing_of_the_token() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        said = await told(f"http://127.0.0.1:{taken.getsockname()[1]}/")
    assert said.startswith("verify_unavailable: no connection to the API at http://127.0.0.1")
    assert said.endswith("ECONNREFUSED")


async def test_a_connection_that_is_not_made_is_given_up() -> None:
    with full_backlog() as url:
        assert (await told(url, timeout=0.3)).startswith("verify_unavailable: ")


async def test_a_host_that_has_no_address_says_nothing_of_the_token() -> None:
    assert (await told("https://api.invalid/", timeout=10)).endswith("has a host name that does not resolve")


async def test_n05_an_api_whose_certificate_is_not_trusted_is_not_shown_the_token(tmp_path: Path) -> None:
    pem = self_signed(tmp_path / "cert.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    served: list[bytes] = []

    async def note(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        served.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
        await writer.drain()

    async with hostile(note, context, host="localhost") as url:
        said = await told(url)
        assert said.startswith("verify_unavailable: the certificate of the API at https://localhost")
        assert served == []
        assert await told(url, ca_file=pem) == "good"
        assert TOKEN.encode() in served[0]


async def test_a_ca_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    said = await told("https://localhost:1/", ca_file=tmp_path / "none.pem")
    assert said == f"verify_unavailable: verify.probe.ca_file {tmp_path}/none.pem cannot be used: ENOENT"


async def test_n02_an_address_that_is_not_allowed_is_not_shown_the_token() -> None:
    async with an_api() as api:
        said = await told(api.url, allowed_networks=(ip_network("10.0.0.0/8"),))
        assert api.tokens == []
    assert said.startswith("verify_unavailable: ")
    assert said.endswith("allowed_networks has 10.0.0.0/8 only; the token was not sent")


async def test_an_answer_that_is_whole_is_enough() -> None:
    async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.0 200 OK\r\n\r\n")
        await writer.drain()

    async with hostile(once) as url:
        assert await told(url) == "good"
