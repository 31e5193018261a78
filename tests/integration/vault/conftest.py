from __future__ import annotations

from typing import TYPE_CHECKING

import pytest_asyncio

from rotator.demo.bao import BaoServer
from tests.integration.vault.administration import Admin, administrator

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@pytest_asyncio.fixture
async def admin(bao: BaoServer) -> AsyncIterator[Admin]:
    """The administrator of the shared server."""
    async with administrator(bao) as admin:
        yield admin


@pytest_asyncio.fixture
async def passing_admin() -> AsyncIterator[Admin]:
    """The administrator of a server in memory that a test may seal, freeze or stop; ready in 0.3 s."""
    async with BaoServer("inmem", configuration={"unsafe_allow_api_audit_creation": True}) as bao:
        await bao.enable_approle()
        await bao.enable_kv("secret", 2)
        async with administrator(bao) as admin:
            yield admin
