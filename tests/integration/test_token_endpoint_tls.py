"""Whom the transport to token endpoints trusts, over real TLS (N05)."""

from __future__ import annotations

import ssl
from contextlib import asynccontextmanager
from shutil import copyfile
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from rotator.core.errors import Code, RotationError
from rotator.engine.clock import SystemClock
from rotator.oauth.endpoint import EndpointSettings, HttpTokenEndpoint
from rotator.oauth.provider import Provider, ProviderSettings
from tests.support.certificates import self_signed
from tests.support.hostile_provider import CLIENT, GOOD, answering, hostile, mint, response

if TYPE_CHECKING:
    import asyncio
    from collections.abc import AsyncIterator
    from pathlib import Path


@asynccontextmanager
async def hostile_over_tls(
    certificate: Path, host: str = "localhost", versions: ssl.TLSVersion = ssl.TLSVersion.MAXIMUM_SUPPORTED
) -> AsyncIterator[str]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    if versions < ssl.TLSVersion.TLSv1_2:
        # OpenSSL would not even offer such a version by default.
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version = versions
    context.maximum_version = versions
    context.load_cert_chain(certificate)
    async with hostile(answering(response(GOOD)), context) as url:
        yield url.replace("127.0.0.1", host)


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    return self_signed(tmp_path / "server.pem")


async def test_a_ca_file_makes_a_private_server_trusted(certificate: Path) -> None:
    async with hostile_over_tls(certificate) as url:
        assert (await mint(url, ca_file=certificate)).lifetime == 600.0


async def untrusted(url: str, ca_file: Path | None = None) -> str:
    with pytest.raises(RotationError) as caught:
        await mint(url, ca_file=ca_file)
    assert caught.value.code is Code.PROVIDER_TLS
    return caught.value.detail


async def test_a_certificate_that_nobody_vouches_for_is_refused_n05(certificate: Path) -> None:
    async with hostile_over_tls(certificate) as url:
        assert "signed by itself" in await untrusted(url)


async def test_a_certificate_for_another_host_is_refused_n05(certificate: Path) -> None:
    async with hostile_over_tls(certificate, host="127.0.0.1") as url:
        assert "another address" in await untrusted(url, certificate)


async def test_a_certificate_that_has_expired_is_refused_n05(tmp_path: Path) -> None:
    expired = self_signed(tmp_path / "server.pem", hours=-1)
    async with hostile_over_tls(expired) as url:
        assert "expired" in await untrusted(url, expired)


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")  # that is the point
@pytest.mark.parametrize("version", ["TLSv1", "TLSv1_1"])
async def test_a_server_that_speaks_an_outdated_tls_only_is_refused_n05(certificate: Path, version: str) -> None:
    async with hostile_over_tls(certificate, versions=ssl.TLSVersion[version]) as url:
        assert "handshake" in await untrusted(url, certificate)


async def test_a_certificate_with_a_weak_key_is_refused_n05(tmp_path: Path) -> None:
    weak = self_signed(tmp_path / "server.pem", key=rsa.generate_private_key(65537, 1024))  # noqa: S505  that is the point
    async with hostile_over_tls(weak) as url:
        assert "refused" in await untrusted(url, weak)


async def test_a_server_without_tls_is_not_spoken_to_in_the_clear_n05() -> None:
    received: list[bytes] = []

    async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        received.append(await reader.read(1 << 16))
        writer.write(response(GOOD))

    async with hostile(plain) as url:
        assert "handshake" in await untrusted(url.replace("http:", "https:"))
    assert all(b"CANARY" not in data and b"Authorization" not in data for data in received)


async def test_a_handshake_that_stalls_ends_with_the_deadline_n05() -> None:
    async def stall(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read()

    async with hostile(stall) as url:
        with pytest.raises(RotationError) as caught:
            await mint(url.replace("http:", "https:"))
    assert caught.value.code is Code.PROVIDER_TIMEOUT


async def test_a_ca_file_that_is_missing_or_empty_is_named(certificate: Path, tmp_path: Path) -> None:
    other = tmp_path / "ca.pem"
    async with hostile_over_tls(certificate) as url:
        assert f"ca_file {other} cannot be used: ENOENT" in await untrusted(url, other)
        other.write_text("")
        assert f"ca_file {other} cannot be used: it holds no certificates" in await untrusted(url, other)


async def test_a_ca_file_that_is_replaced_is_used_from_the_next_connection_on_n05(
    certificate: Path, tmp_path: Path
) -> None:
    ca_file = self_signed(tmp_path / "ca.pem")
    clock = SystemClock()
    async with hostile_over_tls(certificate) as url:
        provider = Provider(ProviderSettings(url, ca_file=ca_file), clock)
        endpoint = HttpTokenEndpoint(provider, EndpointSettings(), clock)
        try:
            with pytest.raises(RotationError) as caught:
                await endpoint.mint(CLIENT)
            copyfile(certificate, ca_file)
            grant = await endpoint.mint(CLIENT)
        finally:
            await provider.close()
    assert caught.value.code is Code.PROVIDER_TLS
    assert grant.lifetime == 600.0
