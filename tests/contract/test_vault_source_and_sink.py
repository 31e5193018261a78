"""The KV sources and sinks, in both versions of the engine, on a real server."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from rotator.contract import SinkContract, SourceContract
from rotator.vault.kv_sink import KvSink
from rotator.vault.kv_source import KvSource
from tests.integration.vault.administration import Admin, administrator
from tests.integration.vault.visits import settings, visiting

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from rotator.demo.bao import BaoServer
    from rotator.vault.session import VaultSession

NUMBERS = itertools.count()


@pytest_asyncio.fixture
async def admin(bao: BaoServer) -> AsyncIterator[Admin]:
    async with administrator(bao) as admin:
        yield admin


@pytest_asyncio.fixture
async def session(bao: BaoServer) -> AsyncIterator[VaultSession]:
    async with visiting(settings(bao)) as visit:
        yield visit.session


@dataclass
class KvStore:
    """A KV path that client credentials are written to."""

    session: VaultSession
    admin: Admin
    mount: str
    version: int
    key: str

    def open(self) -> KvSource:
        return KvSource(self.session, f"{self.mount}/{self.key}")

    def store(self, client_id: str, *secrets: str) -> Awaitable[object]:
        names = ("client_secret", "client_secret_previous")
        document = {"client_id": client_id, **dict(zip(names, secrets, strict=False))}
        body = {"data": document} if self.version == 2 else document
        where = f"{self.mount}/data/{self.key}" if self.version == 2 else f"{self.mount}/{self.key}"
        written: Awaitable[object] = self.admin.api.write_data(where, data=body)
        return written


@pytest_asyncio.fixture(params=[1, 2], ids=["v1", "v2"])
async def engine(request: pytest.FixtureRequest, admin: Admin) -> tuple[str, int]:
    version = int(request.param)
    return ("secret" if version == 2 else await admin.mount(1), version)


class TestKvSource(SourceContract):
    @pytest.fixture
    def place(self, session: VaultSession, admin: Admin, engine: tuple[str, int]) -> KvStore:
        mount, version = engine
        return KvStore(session, admin, mount, version, f"apps/contract-{next(NUMBERS)}")


class TestKvSink(SinkContract):
    @pytest.fixture
    def open_sink(self, session: VaultSession, engine: tuple[str, int]) -> Callable[[], KvSink]:
        path = f"{engine[0]}/tokens/contract-{next(NUMBERS)}"
        return lambda: KvSink(session, path, "contract")


class TestKvSinkWithRenamedFields(SinkContract):
    @pytest.fixture
    def open_sink(self, session: VaultSession, engine: tuple[str, int]) -> Callable[[], KvSink]:
        path = f"{engine[0]}/tokens/contract-{next(NUMBERS)}"
        fields = {"token": "access_token", "expiry": "expires_at"}
        return lambda: KvSink(session, path, "contract", fields)


class TestKvSinkOnAMountThatDemandsCheckAndSet(SinkContract):
    @pytest_asyncio.fixture
    async def open_sink(self, session: VaultSession, admin: Admin) -> Callable[[], KvSink]:
        mount = await admin.mount(2, cas_required=True)
        return lambda: KvSink(session, f"{mount}/token", "contract")
