"""The transport to token endpoints, over real sockets, with servers that misbehave."""

from __future__ import annotations

import gzip
import json
import tracemalloc
from base64 import b64encode
from typing import TYPE_CHECKING

import pytest

from rotator import __version__
from rotator.core.errors import Code, RotationError
from rotator.core.model import ClientCredentials, CredentialSpec
from rotator.core.observation import Surroundings
from rotator.core.rotation import Rotation
from rotator.engine.clock import SystemClock
from rotator.oauth.endpoint import EndpointSettings, HttpTokenEndpoint
from rotator.oauth.provider import LARGEST_ANSWER, Provider, ProviderSettings
from rotator.testing import FakeClock, MemorySink, MemorySource, RecordingJournal
from tests.support.hostile_provider import (
    CLIENT,
    GOOD,
    SECRET,
    answering,
    counting,
    dripping,
    full_backlog,
    hostile,
    mint,
    read_request,
    reset,
    response,
)

if TYPE_CHECKING:
    import asyncio

    from tests.support.hostile_provider import Behaviour


async def refusal(behaviour: Behaviour) -> RotationError:
    async with hostile(behaviour) as url:
        with pytest.raises(RotationError) as caught:
            await mint(url)
    assert "CANARY" not in f"{caught.value!r}{caught.value.__cause__!r}"
    return caught.value


async def silent(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    await reader.read()


async def reset_in_the_body(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await read_request(reader)
    writer.write(response(GOOD)[:-5])
    await writer.drain()
    reset(writer)


HEAD = b"HTTP/1.1 200 OK\r\n"
GO_ON = b"HTTP/1.1 100 Continue\r\n\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
BOMB = gzip.compress(b" " * (200 << 20))

MISBEHAVIOUR: dict[str, tuple[Behaviour, Code]] = {
    "P03 accepts and never answers": (silent, Code.PROVIDER_TIMEOUT),
    "P04 drips headers": (dripping(b"X-A: b\r\n", HEAD), Code.PROVIDER_TIMEOUT),
    "P05 drips the body": (dripping(b"1\r\n \r\n", CHUNKED), Code.PROVIDER_TIMEOUT),
    "P06 resets in the body": (reset_in_the_body, Code.ANSWER_TRUNCATED),
    "P06 ends before its Content-Length": (answering(response(GOOD)[:-5]), Code.ANSWER_TRUNCATED),
    "P06 closes without an answer": (answering(b""), Code.PROVIDER_UNREACHABLE),
    "P28 sends a token that ends now": (answering(response(GOOD.replace(b"600", b"0"))), Code.EXPIRED_ON_ARRIVAL),
    "P28 sends a token without a life": (answering(response(GOOD.replace(b"600", b"-1"))), Code.LIFETIME_INVALID),
    "P38 sends a gzip bomb": (answering(response(BOMB, "200 OK", "Content-Encoding: gzip")), Code.ANSWER_TOO_LARGE),
    "P38 sends broken gzip": (answering(response(b"no", "200 OK", "Content-Encoding: gzip")), Code.ANSWER_NOT_JSON),
    "P39 sends two MiB": (answering(response(b" " * (2 << 20))), Code.ANSWER_TOO_LARGE),
    "P39 sends a header line of a MiB": (answering(HEAD + b"X-A: " + b"b" * (1 << 20)), Code.ANSWER_STATUS),
    "P39 sends chunks for ever": (
        dripping(b"1000\r\n" + b" " * 4096 + b"\r\n", CHUNKED, pause=0),
        Code.ANSWER_TOO_LARGE,
    ),
    "P39 sends 100,000 headers": (answering(HEAD + b"X-A: b\r\n" * 100_000 + b"\r\n"), Code.ANSWER_STATUS),
    "P39 sends headers for ever": (dripping(b"X-A: b\r\n" * 100, HEAD, pause=0), Code.ANSWER_STATUS),
    "P42 switches protocols": (
        answering(b"HTTP/1.1 101 S\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n"),
        Code.ANSWER_STATUS,
    ),
    "P42 answers with nothing": (answering(b"HTTP/1.1 204 N\r\n\r\n"), Code.ANSWER_STATUS),
    "P42 answers with a part": (answering(response(GOOD, "206 Partial")), Code.ANSWER_STATUS),
    "P42 says that nothing has changed": (answering(b"HTTP/1.1 304 N\r\n\r\n"), Code.ANSWER_STATUS),
    "P42 says for ever that it goes on": (dripping(GO_ON * 10, GO_ON, pause=0), Code.PROVIDER_TIMEOUT),
    "P42 speaks HTTP 0.9": (answering(GOOD), Code.ANSWER_STATUS),
    "P42 speaks no HTTP": (answering(b"SSH-2.0-x\r\n\r\n"), Code.ANSWER_STATUS),
}


@pytest.mark.parametrize("case", MISBEHAVIOUR)
async def test_a_server_is_refused_that(case: str) -> None:
    behaviour, code = MISBEHAVIOUR[case]
    assert (await refusal(behaviour)).code is code


LEFT_OPEN: dict[str, Behaviour] = {
    "the answer never comes": silent,
    "the connection ends before the answer": answering(b""),
    "the answer is cut": answering(response(GOOD)[:-5]),
    "the answer is reset": reset_in_the_body,
    "the answer drips": dripping(b"1\r\n \r\n", CHUNKED),
}


@pytest.mark.parametrize("case", LEFT_OPEN)
async def test_nobody_knows_whether_a_token_was_minted_when_p07(case: str) -> None:
    assert (await refusal(LEFT_OPEN[case])).ambiguous


CERTAIN: dict[str, Behaviour] = {
    "it is refused": answering(response(b"", "400 Bad")),
    "the server cannot serve": answering(response(b"", "503 Busy")),
    "the answer is whole and no use": answering(response(b"{}")),
}


@pytest.mark.parametrize("case", CERTAIN)
async def test_an_answer_leaves_nothing_open_p07(case: str) -> None:
    assert not (await refusal(CERTAIN[case])).ambiguous


async def test_a_request_that_could_not_be_sent_leaves_nothing_open_p07() -> None:
    with full_backlog() as url, pytest.raises(RotationError) as caught:
        await mint(url)
    assert not caught.value.ambiguous


async def test_nobody_listens_p01() -> None:
    async with hostile(silent) as url:
        pass
    with pytest.raises(RotationError, match="ECONNREFUSED") as caught:
        await mint(url)
    assert caught.value.code is Code.PROVIDER_UNREACHABLE


async def test_a_connection_that_is_not_answered_is_given_up_before_the_deadline_p02() -> None:
    with full_backlog() as url, pytest.raises(RotationError, match=r"no connection to .* within 0\.5 s") as caught:
        await mint(url)
    assert caught.value.code is Code.PROVIDER_TIMEOUT


async def test_a_message_names_host_and_path_and_no_query() -> None:
    async with hostile(answering(response(b"", "400 Bad"))) as url:
        with pytest.raises(RotationError) as caught:
            await mint(f"{url}?tenant=CANARY")
    assert caught.value.detail == f"the token endpoint {url} answered with status 400"


async def test_a_host_name_that_does_not_resolve_n01() -> None:
    with pytest.raises(RotationError) as caught:
        await mint("http://nobody.invalid/token")
    assert caught.value.code is Code.PROVIDER_UNREACHABLE


async def test_a_gzip_bomb_costs_little_memory_p38() -> None:
    tracemalloc.start()
    try:
        await refusal(answering(response(BOMB, "200 OK", "Content-Encoding: gzip")))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 5 << 20


def padded(size: int) -> bytes:
    """A good answer of so many bytes."""
    return GOOD + b" " * (size - len(GOOD))


async def test_an_answer_of_128_kib_is_read_and_none_that_is_larger_p39() -> None:
    async with hostile(answering(response(padded(LARGEST_ANSWER)))) as url:
        assert (await mint(url)).lifetime == 600.0
    assert (await refusal(answering(response(padded(LARGEST_ANSWER + 1))))).code is Code.ANSWER_TOO_LARGE


async def test_compressed_answers_of_a_server_that_was_not_asked_for_them_are_read() -> None:
    async with hostile(answering(response(gzip.compress(GOOD), "200 OK", "Content-Encoding: gzip"))) as url:
        assert (await mint(url)).lifetime == 600.0


@pytest.mark.parametrize(
    ("status", "header", "seconds"),
    [
        pytest.param("503 Busy", "7", 7.0, id="P09 503 with seconds"),
        pytest.param("429 Slow", "7", 7.0, id="P10 429 with seconds"),
        pytest.param("429 Slow", "Tue, 24 Nov 2020 12:00:00 GMT", 0.0, id="P11 a date that is over"),
        pytest.param("429 Slow", "Wed, 24 Nov 2094 12:00:00 GMT", 300.0, id="P11 a date far ahead"),
        pytest.param("429 Slow", "soon", None, id="P12 no time"),
    ],
)
async def test_retry_after_comes_with_the_refusal(status: str, header: str, seconds: float | None) -> None:
    assert (await refusal(answering(response(b"", status, f"Retry-After: {header}")))).retry_after == seconds


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("elsewhere", ["the same host", "another name"])
async def test_a_redirect_is_not_followed_p41(status: int, elsewhere: str) -> None:
    followed: list[bytes] = []
    async with hostile(counting(followed, response(GOOD))) as other:
        location = other if elsewhere == "the same host" else other.replace("127.0.0.1", "localhost")
        error = await refusal(answering(response(b"", f"{status} R", f"Location: {location}")))
    assert error.code is Code.PROVIDER_REDIRECTED
    assert followed == []


@pytest.mark.parametrize("kind", ["text/html; charset=utf-16", "application/problem+json", ""])
async def test_good_json_is_read_whatever_it_is_called_p40(kind: str) -> None:
    label = f"Content-Type: {kind}\r\n".encode() if kind else b""
    raw = HEAD + label + f"Content-Length: {len(GOOD)}\r\n\r\n".encode() + GOOD
    async with hostile(answering(raw)) as url:
        assert (await mint(url)).lifetime == 600.0


async def test_a_secret_that_the_server_echoes_is_not_repeated_p44() -> None:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = (await read_request(reader)).decode()
        said = {"error": "invalid_client", "error_description": f"{SECRET.reveal()} {request}"}
        writer.write(response(json.dumps(said).encode(), "401 No"))

    error = await refusal(echo)
    assert error.code is Code.INVALID_CLIENT
    assert b64encode(b"client:CANARY-secret").decode() not in f"{error!r}{error.detail}"


async def test_a_request_says_who_asks_and_what_is_understood() -> None:
    served: list[bytes] = []
    async with hostile(counting(served, response(GOOD))) as url:
        await mint(url)
    line, *headers = served[0].decode().partition("\r\n\r\n")[0].split("\r\n")
    assert line == "POST /token HTTP/1.1"
    assert dict(header.split(": ", 1) for header in headers) == {
        "Host": url.removeprefix("http://").removesuffix("/token"),
        "Accept": "application/json",
        "Accept-Encoding": "identity",
        "Authorization": f"Basic {b64encode(b'client:CANARY-secret').decode()}",
        "Content-Length": "29",
        "Content-Type": "application/x-www-form-urlencoded",
        "User-Agent": f"rotator/{__version__}",
    }


async def test_the_credentials_of_one_provider_share_its_connections() -> None:
    connections: list[int] = []

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(1)
        await counting([], response(GOOD), response(GOOD))(reader, writer)

    clock = SystemClock()
    async with hostile(behave) as url:
        provider = Provider(ProviderSettings(url), clock)
        try:
            for name in ("one", "two"):
                endpoint = HttpTokenEndpoint(provider, EndpointSettings(), clock)
                await endpoint.mint(ClientCredentials(name, (SECRET,), "v1"))
        finally:
            await provider.close()
    assert len(connections) == 1


def slow(clock: FakeClock, seconds: float) -> Behaviour:
    """An answer that takes its time, on a clock that the test turns."""

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        clock.advance(seconds)
        writer.write(response(GOOD))
        await writer.drain()

    return behave


async def test_a_life_is_counted_from_before_the_request_was_sent_p32() -> None:
    clock = FakeClock()
    sent = clock.now()
    async with hostile(slow(clock, 5.0)) as url:
        provider = Provider(ProviderSettings(url), clock)
        try:
            grant = await HttpTokenEndpoint(provider, EndpointSettings(), clock).mint(CLIENT)
        finally:
            await provider.close()
    assert grant.issued == sent


async def test_a_token_whose_life_ended_on_the_way_is_not_delivered_p32() -> None:
    clock = FakeClock()
    journal, sink = RecordingJournal(), MemorySink("memory:0")
    async with hostile(slow(clock, 600.0)) as url:
        provider = Provider(ProviderSettings(url), clock)
        endpoint = HttpTokenEndpoint(provider, EndpointSettings(), clock)
        spec = CredentialSpec("billing", "thx", ())
        try:
            await Rotation(spec, MemorySource(), endpoint, [sink], clock, journal).run(Surroundings())
        finally:
            await provider.close()
    assert [fields["error"] for fields in journal.named("token.rejected")] == [Code.EXPIRED_ON_ARRIVAL.text]
    assert sink.record is None


async def test_cookies_are_not_sent_back_p43() -> None:
    seen: list[bytes] = []
    answer = response(GOOD, "200 OK", "Set-Cookie: a=b")
    async with hostile(counting(seen, answer, answer)) as url:
        await mint(url, times=2)
    assert len(seen) == 2
    assert b"cookie" not in seen[1].lower()
