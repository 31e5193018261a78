"""TLS to a real Vault whose certificates come and go (V30)."""

from __future__ import annotations

import asyncio
import ssl
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio
from cryptography import x509

from rotator.core.errors import Code, RotationError
from rotator.core.model import Secret
from rotator.demo.bao import BaoServer
from rotator.demo.ports import to_try
from rotator.vault.logins.token import TokenLogin
from rotator.vault.session import VaultSettings
from tests.integration.vault.certificates import Authority
from tests.integration.vault.visits import settings, until, visiting
from tests.support.fault_proxy import FaultProxy

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from rotator.vault.session import VaultSession
    from tests.integration.vault.visits import Visit


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "ca.pem")


@pytest_asyncio.fixture
async def tls_bao(tmp_path: Path, authority: Authority) -> AsyncIterator[BaoServer]:
    """A server whose certificate is in server.pem."""
    certificate = authority.issue(tmp_path / "server.pem")
    async with BaoServer("inmem", tls=certificate, ca_file=authority.file) as bao:
        yield bao


async def look(session: VaultSession) -> Any:
    return await session.call(lambda client: client.auth.token.lookup_self(), {})


async def serve(bao: BaoServer, certificate: Path) -> None:
    """Have the server show the certificate that is in its file now."""
    host, port = bao.address.removeprefix("https://").split(":")
    bao.reload()

    def served() -> bool:
        shown = ssl.get_server_certificate((host, int(port))).encode()
        return x509.load_pem_x509_certificate(shown) == x509.load_pem_x509_certificate(certificate.read_bytes())

    async with asyncio.timeout(5):
        while not await asyncio.to_thread(served):  # noqa: ASYNC110  what is waited for is in another process
            await asyncio.sleep(0.01)


async def refused_login(bao: BaoServer, ca_file: Path | None) -> RotationError:
    async with visiting(settings(bao, ca_file=ca_file)) as visit:
        return await refusal(visit.session)


async def refusal(session: VaultSession) -> RotationError:
    with pytest.raises(RotationError) as caught:
        await look(session)
    return caught.value


def port_of(bao: BaoServer) -> int:
    return int(bao.address.rpartition(":")[2])


def code(visit: Visit) -> Code | None:
    return visit.session.trouble.code if visit.session.trouble else None


async def test_v30_a_vault_of_a_private_authority_is_trusted_by_its_ca_file(
    tls_bao: BaoServer, authority: Authority
) -> None:
    async with visiting(settings(tls_bao, ca_file=authority.file)) as visit:
        assert await look(visit.session)


async def test_v30_a_vault_that_nobody_vouches_for_is_refused(tls_bao: BaoServer) -> None:
    error = await refused_login(tls_bao, None)
    assert error.code is Code.VAULT_TLS
    assert error.detail.endswith("Vault's certificate is refused: its issuer is not trusted")


@pytest.mark.parametrize(
    ("address", "hours", "why"),
    [
        pytest.param("127.0.0.2", 1, "it is for another address", id="wrong host"),
        pytest.param("127.0.0.1", -1, "it has expired", id="expired"),
    ],
)
async def test_v30_a_certificate_that_has_gone_bad_is_refused_for_what_it_is(
    tmp_path: Path, tls_bao: BaoServer, authority: Authority, address: str, hours: float, why: str
) -> None:
    await serve(tls_bao, authority.issue(tmp_path / "server.pem", address, hours=hours))
    error = await refused_login(tls_bao, authority.file)
    assert error.code is Code.VAULT_TLS
    assert error.detail.endswith(f"Vault's certificate is refused: {why}")


async def test_v30_a_running_session_fails_closed_on_an_expired_certificate_and_goes_on_with_a_new_one(
    tmp_path: Path, tls_bao: BaoServer, authority: Authority
) -> None:
    async with FaultProxy(port_of(tls_bao)) as proxy:
        where = f"https://127.0.0.1:{proxy.port}"
        login = TokenLogin(tls_bao.root_token)
        async with visiting(VaultSettings(where, login, ca_file=authority.file)) as visit:
            await look(visit.session)
            await serve(tls_bao, authority.issue(tmp_path / "server.pem", hours=-1))
            proxy.reset()
            await refusal(visit.session)
            await until(lambda: code(visit) is Code.VAULT_TLS, 5)
            await serve(tls_bao, authority.issue(tmp_path / "server.pem"))
            await until(lambda: visit.session.trouble is None, 5)
            assert visit.told() == ["vault.login", "vault.unavailable", "vault.recovered"]


async def test_v30_a_new_authority_is_refused_until_the_ca_file_is_replaced_and_needs_no_restart(
    tmp_path: Path, tls_bao: BaoServer, authority: Authority
) -> None:
    trusted = tmp_path / "trusted.pem"
    trusted.write_bytes(authority.file.read_bytes())
    successor = Authority(tmp_path / "successor.pem")
    async with FaultProxy(port_of(tls_bao)) as proxy:
        where = f"https://127.0.0.1:{proxy.port}"
        async with visiting(VaultSettings(where, TokenLogin(tls_bao.root_token), ca_file=trusted)) as visit:
            await look(visit.session)
            await serve(tls_bao, successor.issue(tmp_path / "server.pem"))
            proxy.reset()
            await refusal(visit.session)
            await until(lambda: code(visit) is Code.VAULT_TLS, 5)
            trusted.write_bytes(successor.file.read_bytes())
            await until(lambda: visit.session.trouble is None, 5)
            assert visit.told("vault.recovered") == ["vault.recovered"]


async def test_v30_a_ca_file_that_is_no_certificate_is_named(tmp_path: Path) -> None:
    ca_file = tmp_path / "ca.pem"
    ca_file.write_text("nonsense")
    nobody = VaultSettings(f"https://127.0.0.1:{to_try(0)[0]}", TokenLogin(Secret("s.token")), ca_file=ca_file)
    async with visiting(nobody) as visit:
        error = await refusal(visit.session)
    assert error.code is Code.VAULT_TLS
    assert "holds no certificates in PEM form" in error.detail
