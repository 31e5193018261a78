"""TLS to a real Vault."""

from __future__ import annotations

import asyncio
import shutil
from typing import TYPE_CHECKING

import pytest

from rotator.core.errors import Code, RotationError
from rotator.vault.auth import TokenLogin
from rotator.vault.session import VaultSettings
from tests.integration.vault import bao as server
from tests.integration.vault.bao import until, visiting

if TYPE_CHECKING:
    from pathlib import Path


def start(home: Path, port: int) -> server.Bao:
    """A server with a certificate authority of its own, in `home`/vault-ca.pem."""
    home.mkdir()
    return server.Bao(home, port, home)


async def test_v30_a_new_authority_is_refused_until_the_ca_file_is_replaced_and_needs_no_restart(
    tmp_path: Path,
) -> None:
    port, ca_file = server.free_port(), tmp_path / "ca.pem"
    first, second = tmp_path / "first", tmp_path / "second"
    bao = await asyncio.to_thread(start, first, port)
    try:
        shutil.copy(first / "vault-ca.pem", ca_file)
        async with visiting(VaultSettings(bao.address, TokenLogin(server.ROOT), ca_file=ca_file)) as visit:
            assert visit.session.authenticated
            bao.stop()
            bao = await asyncio.to_thread(start, second, port)
            with pytest.raises(RotationError):
                await visit.session.call(lambda client: client.auth.token.lookup_self(), {})
            await until(lambda: _code(visit) is Code.VAULT_TLS, 10)
            shutil.copy(second / "vault-ca.pem", ca_file)
            await until(lambda: visit.session.trouble is None, 5)
            assert visit.told("vault.recovered") == ["vault.recovered"]
    finally:
        bao.stop()


def _code(visit: server.Visit) -> Code | None:
    return visit.session.trouble.code if visit.session.trouble else None


async def test_v30_a_ca_file_that_is_no_certificate_is_named(tmp_path: Path) -> None:
    ca_file = tmp_path / "ca.pem"
    ca_file.write_text("nonsense")
    settings = VaultSettings(f"https://127.0.0.1:{server.free_port()}", TokenLogin(server.ROOT), ca_file=ca_file)
    async with visiting(settings) as visit:
        with pytest.raises(RotationError, match="holds no certificates in PEM form") as caught:
            await visit.session.call(lambda client: client.auth.token.lookup_self(), {})
    assert caught.value.code is Code.VAULT_TLS
