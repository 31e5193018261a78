"""Fixtures: an API server, fake, and real where there is one; its administrator; and sinks on it."""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio

from rotator.engine.clock import SystemClock
from rotator.kubernetes.cluster import Cluster, ClusterSettings
from rotator.kubernetes.secret import Layout
from rotator.kubernetes.sink import SecretSink
from tests.support.certificates import self_signed
from tests.support.kubernetes import administrator, token_of
from tests.support.kubernetes_fake import FakeApiServer
from tests.support.kubernetes_real import RealApiServer, assets

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from rotator.core.ports import Clock
    from tests.support.kubernetes import Administrator

KINDS = ["fake", "real"] if assets() else ["fake"]


@pytest_asyncio.fixture
async def fake(tmp_path: Path) -> AsyncIterator[FakeApiServer]:
    async with FakeApiServer(self_signed(tmp_path / "apiserver.pem", hours=9)) as server:
        yield server


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def real(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RealApiServer]:
    certificate = self_signed(tmp_path_factory.mktemp("kubernetes") / "apiserver.pem", hours=9)
    async with RealApiServer(certificate, assets() or Path()) as server:
        yield server


@pytest.fixture(params=KINDS)
def api_server(request: pytest.FixtureRequest) -> FakeApiServer | RealApiServer:
    server: FakeApiServer | RealApiServer = request.getfixturevalue(request.param)
    return server


@pytest_asyncio.fixture
async def admin(api_server: FakeApiServer | RealApiServer) -> AsyncIterator[Administrator]:
    async with administrator(api_server.url, api_server.ca_file) as administers:
        yield administers


@dataclass
class Place:
    """A Secret that may be kept by a user of its own, with sinks on it.

    Attributes:
        token_file: What the sinks are let in with.
    """

    admin: Administrator
    namespace: str
    name: str
    token_file: Path
    clock: Clock = field(default_factory=SystemClock)
    stack: AsyncExitStack = field(default_factory=AsyncExitStack)

    async def as_user(self, *verbs: str) -> str:
        """Let the sinks in as a new user who may do this."""
        user = await self.admin.user(self.namespace, self.name, verbs)
        self.token_file.write_text(token_of(user))
        return user

    def cluster(self, **settings: Any) -> Cluster:
        wanted = {"api_server": self.admin.url, "token_file": self.token_file, "ca_file": self.admin.ca_file}
        made = Cluster(ClusterSettings(**{**wanted, **settings}), self.clock)
        self.stack.push_async_callback(made.close)
        return made

    def sink(self, cluster: Cluster | None = None, credential: str = "billing", **layout: Any) -> SecretSink:
        made = cluster or self.cluster()
        return SecretSink(made, Layout(self.namespace, self.name, credential, **layout))

    async def secret(self) -> Any:
        return await self.admin.get(self.namespace, self.name)


@pytest_asyncio.fixture
async def place(admin: Administrator, tmp_path: Path) -> AsyncIterator[Place]:
    made = Place(admin, await admin.namespace(), "billing", tmp_path / "token")
    await made.as_user("get", "patch", "create")
    async with made.stack:
        yield made
