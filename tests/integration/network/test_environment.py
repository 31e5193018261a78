"""A hostile environment: proxies, netrc and foreign certificates that nobody asked rotator to use (N06, G09, N05)."""

from __future__ import annotations

import asyncio
import json
import os
import ssl
import sys
from base64 import b64encode
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest
from yarl import URL

from rotator.core.errors import Code, RotationError
from tests.support.certificates import self_signed
from tests.support.hostile_provider import GOOD, counting, hostile, mint, response
from tests.support.process import Site, rotator

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from rotator.demo.bao import BaoServer
    from tests.support.hostile_provider import Behaviour
    from tests.support.oidc import OidcProvider

OURS = b"Authorization: Basic " + b64encode(b"client:CANARY-secret")
PROXIES = ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy")

ASK = """
import asyncio, json, sys
from pathlib import Path
from rotator.core.errors import RotationError
from rotator.core.model import Secret
from rotator.vault import adapter
from rotator.vault.transport import Transport
from tests.support.hostile_provider import mint
from yarl import URL

async def ask(work):
    try:
        await work
    except RotationError as error:
        return error.code.text
    return "done"

async def main(provider, vault, ca_file):
    trusted = Path(ca_file) if ca_file else None
    transport = Transport(frozenset({URL(vault).authority}), ca_file=trusted)
    client = adapter.client(transport, vault, "", Secret("s.precious"))
    said = [await ask(mint(provider, ca_file=trusted)), await ask(client.adapter.get("/v1/secret/data/x"))]
    await transport.close()
    print(json.dumps(said))

asyncio.run(main(*sys.argv[1:]))
"""
"""A process that asks a provider, then Vault, and tells how it went."""


@dataclass
class Surroundings:
    """A proxy that answers everybody, a home with a netrc, and the variables that name both.

    Attributes:
        proxied: What reached the proxy.
    """

    home: Path
    proxy: str
    proxied: list[bytes] = field(default_factory=list)

    @property
    def variables(self) -> dict[str, str]:
        """The environment."""
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "NETRC": str(self.home / ".netrc"),
            "VAULT_TOKEN": "s.intruder",
            "REQUESTS_CA_BUNDLE": str(self.home / "foreign.pem"),
            "CURL_CA_BUNDLE": str(self.home / "foreign.pem"),
            "SSLKEYLOGFILE": str(self.home / "keys.log"),
            **dict.fromkeys(PROXIES, self.proxy),
        }

    async def ask(self, provider: str, vault: str, ca_file: Path | None) -> list[str]:
        """Ask both from a process of its own; how it went."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", ASK, provider, vault, str(ca_file or "")),
            env=self.variables,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        async with asyncio.timeout(30):
            said, complaints = await process.communicate()
        assert process.returncode == 0, complaints.decode()
        outcome: list[str] = json.loads(said)
        return outcome


@asynccontextmanager
async def surrounded(home: Path) -> AsyncIterator[Surroundings]:
    around = Surroundings(home, "")

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        around.proxied.append(await reader.read(1 << 16))
        writer.write(response(b"", "407 Proxy Authentication Required"))
        await writer.drain()

    netrc = home / ".netrc"
    netrc.touch(mode=0o600)
    for host in ("localhost", "127.0.0.1"):
        with netrc.open("a") as file:
            file.write(f"machine {host} login intruder password intruder\n")
    (home / ".vault-token").write_text("s.intruder")
    self_signed(home / "foreign.pem")
    async with hostile(behave) as url:
        around.proxy = str(URL(url).origin())
        yield around


@asynccontextmanager
async def over_tls(certificate: Path, behaviour: Behaviour) -> AsyncIterator[str]:
    """A server on localhost; its token URL."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    async with hostile(behaviour, context) as url:
        yield url.replace("127.0.0.1", "localhost")


def vault(served: list[bytes]) -> Behaviour:
    """Vault, as far as a GET goes."""

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        served.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(response(b'{"data": {}}'))
        await writer.drain()

    return behave


async def test_over_tls_neither_proxies_nor_netrc_nor_foreign_certificates_are_used_n06_g09(tmp_path: Path) -> None:
    certificate = self_signed(tmp_path / "server.pem")
    to_provider: list[bytes] = []
    to_vault: list[bytes] = []
    async with (
        surrounded(tmp_path) as around,
        over_tls(certificate, counting(to_provider, response(GOOD))) as provider,
        over_tls(certificate, vault(to_vault)) as address,
    ):
        assert await around.ask(provider, str(URL(address).origin()), certificate) == ["done", "done"]
    assert around.proxied == []
    assert [OURS in request for request in to_provider] == [True]
    assert b"X-Vault-Token: s.precious" in to_vault[0]
    assert b"Authorization" not in to_vault[0]
    # aiohttp opens the file when it is imported; no key of ours may be in it.
    assert "CLIENT" not in (tmp_path / "keys.log").read_text()


async def test_a_certificate_that_only_the_environment_vouches_for_is_refused_n05(tmp_path: Path) -> None:
    async with surrounded(tmp_path) as around:
        served: list[bytes] = []
        async with over_tls(tmp_path / "foreign.pem", counting(served, response(GOOD))) as url:
            assert await around.ask(url, str(URL(url).origin()), None) == ["provider_tls", "vault_tls"]
        assert served == []
        assert around.proxied == []


async def test_a_proxy_in_the_way_that_wants_a_login_gets_none_n06() -> None:
    served: list[bytes] = []
    wants = response(b"", "407 Proxy Authentication Required", 'Proxy-Authenticate: Basic realm="x"')
    async with hostile(counting(served, wants, wants)) as url:
        with pytest.raises(RotationError, match="status 407") as caught:
            await mint(url)
    assert caught.value.code is Code.PROVIDER_REFUSED
    assert len(served) == 1
    assert b"Proxy-Authorization" not in served[0]


async def test_the_installed_program_goes_around_a_proxy_and_netrc_n06_g09(
    tmp_path: Path, own_bao: BaoServer, own_oidc_provider: OidcProvider
) -> None:
    site = Site(tmp_path, own_bao, own_oidc_provider)
    configuration = await site.prepare(["billing"])
    async with surrounded(tmp_path) as around:
        code, _, complaints = await rotator("rotate", "-c", configuration, "--all", env=around.variables)
        assert code == 0, complaints
        assert around.proxied == []
    (received,) = own_oidc_provider.requests()
    client = site.clients["billing"]
    assert received.client_id == client.client_id
    assert received.status == 200
