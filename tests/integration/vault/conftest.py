from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from tests.integration.vault import bao as server

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path


@pytest.fixture(scope="session")
def shared_bao(tmp_path_factory: pytest.TempPathFactory) -> Iterator[server.Bao]:
    """One server for all tests that neither seal, freeze nor stop it."""
    with server.running(tmp_path_factory.mktemp("bao")) as bao:
        yield bao


@pytest_asyncio.fixture
async def admin(shared_bao: server.Bao) -> AsyncIterator[server.Admin]:
    async with server.administrator(shared_bao) as admin:
        yield admin


@pytest.fixture
def own_bao(tmp_path: Path) -> Iterator[server.Bao]:
    """A server that a test may seal, freeze or stop."""
    with server.running(tmp_path) as bao:
        yield bao


@pytest_asyncio.fixture
async def own_admin(own_bao: server.Bao) -> AsyncIterator[server.Admin]:
    async with server.administrator(own_bao) as admin:
        yield admin
