"""The transport to token endpoints, over real sockets, with servers that misbehave."""

from __future__ import annotations

import gzip
import json
import ssl
import tracemalloc
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from rotator.core.errors import Code, RotationError
from rotator.core.model import Secret
from rotator.engine.clock import SystemClock
from rotator.oauth.endpoint import EndpointSettings, HttpTokenEndpoint, Provider, ProviderSettings
from tests.support.hostile_provider import answering, dripping, hostile, read_request, response

if TYPE_CHECKING:
    import asyncio
    from collections.abc import AsyncIterator
    from pathlib import Path

    from rotator.core.model import Grant
    from tests.support.hostile_provider import Behaviour

GOOD = json.dumps({"access_token": "a.b.c", "expires_in": 600, "token_type": "Bearer"}).encode()
SECRET = Secret("CANARY-secret")


async def mint(url: str, times: int = 1, **settings: object) -> Grant:
    clock = SystemClock()
    provider = Provider(ProviderSettings(url, timeout=1.0, connect_timeout=0.5, **settings), clock)  # type: ignore[arg-type]  # settings of the caller's choice
    endpoint = HttpTokenEndpoint(provider, EndpointSettings(), clock)
    try:
        for _ in range(times - 1):
            await endpoint.mint("client", SECRET)
        return await endpoint.mint("client", SECRET)
    finally:
        await provider.close()


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
    writer.transport.abort()


HEAD = b"HTTP/1.1 200 OK\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
BOMB = gzip.compress(b" " * (200 << 20))

MISBEHAVIOUR: dict[str, tuple[Behaviour, Code]] = {
    "P03 accepts and never answers": (silent, Code.PROVIDER_TIMEOUT),
    "P04 drips headers": (dripping(b"X-A: b\r\n", HEAD), Code.PROVIDER_TIMEOUT),
    "P05 drips the body": (dripping(b"1\r\n \r\n", CHUNKED), Code.PROVIDER_TIMEOUT),
    "P06 resets in the body": (reset_in_the_body, Code.ANSWER_TRUNCATED),
    "P06 ends before its Content-Length": (answering(response(GOOD)[:-5]), Code.ANSWER_TRUNCATED),
    "P06 closes without an answer": (answering(b""), Code.PROVIDER_UNREACHABLE),
    "P38 sends a gzip bomb": (answering(response(BOMB, "200 OK", "Content-Encoding: gzip")), Code.ANSWER_TOO_LARGE),
    "P38 sends broken gzip": (answering(response(b"no", "200 OK", "Content-Encoding: gzip")), Code.ANSWER_NOT_JSON),
    "P39 sends two MiB": (answering(response(b" " * (2 << 20))), Code.ANSWER_TOO_LARGE),
    "P39 sends a header line of a MiB": (answering(HEAD + b"X-A: " + b"b" * (1 << 20)), Code.ANSWER_STATUS),
    "P41 redirects": (answering(response(b"", "307 R", "Location: http://127.0.0.1:1/")), Code.PROVIDER_REDIRECTED),
    "P42 speaks no HTTP": (answering(b"SSH-2.0-x\r\n\r\n"), Code.ANSWER_STATUS),
}


@pytest.mark.parametrize("case", MISBEHAVIOUR)
async def test_a_server_is_refused_that(case: str) -> None:
    behaviour, code = MISBEHAVIOUR[case]
    assert (await refusal(behaviour)).code is code


async def test_nobody_listens_p01() -> None:
    async with hostile(silent) as url:
        pass
    with pytest.raises(RotationError, match="ECONNREFUSED") as caught:
        await mint(url)
    assert caught.value.code is Code.PROVIDER_UNREACHABLE


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


async def test_compressed_answers_of_a_server_that_was_not_asked_for_them_are_read() -> None:
    async with hostile(answering(response(gzip.compress(GOOD), "200 OK", "Content-Encoding: gzip"))) as url:
        assert (await mint(url)).lifetime == 600.0


async def test_retry_after_comes_with_the_refusal_p10() -> None:
    assert (await refusal(answering(response(b"", "429 Slow", "Retry-After: 7")))).retry_after == 7.0


async def test_cookies_are_not_sent_back_p43() -> None:
    seen: list[bytes] = []

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(2):
            seen.append(await read_request(reader))
            writer.write(response(GOOD, "200 OK", "Set-Cookie: a=b"))

    async with hostile(behave) as url:
        await mint(url, times=2)
    assert len(seen) == 2
    assert b"cookie" not in seen[1].lower()


async def test_a_kept_connection_that_has_been_closed_is_replaced_once_n04() -> None:
    served: list[int] = []

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        served.append(1)
        writer.write(response(GOOD))
        await writer.drain()
        await reader.read(1)  # the next request begins: close without an answer

    async with hostile(behave) as url:
        assert (await mint(url, times=2)).lifetime == 600.0
    assert len(served) == 2


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A self-signed certificate for 127.0.0.1 with its key in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "hostile")])
    now = datetime.now(UTC)  # noqa: TID251  certificates are dated by the wall clock
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = tmp_path / "server.pem"
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain)
    file.write_bytes(made.public_bytes(pem) + private)
    return file


@pytest.fixture
async def tls_url(certificate: Path) -> AsyncIterator[str]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    async with hostile(answering(response(GOOD)), context) as url:
        yield url


async def test_a_certificate_that_nobody_vouches_for_is_refused_n05(tls_url: str) -> None:
    with pytest.raises(RotationError, match="signed by itself") as caught:
        await mint(tls_url.replace("127.0.0.1", "localhost"))
    assert caught.value.code is Code.PROVIDER_TLS


async def test_a_certificate_for_another_host_is_refused_n05(tls_url: str, certificate: Path) -> None:
    with pytest.raises(RotationError, match="another address") as caught:
        await mint(tls_url, ca_file=certificate)
    assert caught.value.code is Code.PROVIDER_TLS


async def test_a_ca_file_makes_a_private_server_trusted(tls_url: str, certificate: Path) -> None:
    assert (await mint(tls_url.replace("127.0.0.1", "localhost"), ca_file=certificate)).lifetime == 600.0
