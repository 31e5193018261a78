"""The real servers that tests talk to: one of each for a whole pytest process, and own ones for rough treatment."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import hypothesis
import pytest
import pytest_asyncio

from rotator.demo.bao import BaoServer
from tests.support.oidc import OidcProvider
from tests.support.second_server import SecondServer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from rotator.core.model import Secret

# A machine that is busy breaks no property; what hangs is ended by pytest's own deadline.
hypothesis.settings.register_profile("rotator", deadline=None)
hypothesis.settings.load_profile("rotator")


@dataclass(frozen=True)
class Admission:
    """Lets a test into Vault with rights of its own."""

    bao: BaoServer

    async def token(self, rules: str, **options: Any) -> Secret:
        """A token that may do what these rules (HCL) say; `options` are those of `auth/token/create`."""
        return await self.bao.create_token(await self._policy(rules), **options)

    async def approle(self, rules: str, **options: Any) -> tuple[str, Secret]:
        """Role id and secret id of a new role whose tokens may do what these rules say; `options` are the role's."""
        return await self.bao.create_approle(f"r-{uuid.uuid4().hex[:12]}", await self._policy(rules), **options)

    async def _policy(self, rules: str) -> str:
        name = f"p-{uuid.uuid4().hex[:12]}"
        await self.bao.write_policy(name, rules)
        return name


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def bao() -> AsyncIterator[BaoServer]:
    """The server of all tests that neither seal nor stop it, with AppRole, and KV v2 at `secret/`.

    Use keys, or mounts, of your own.
    """
    async with BaoServer("inmem") as server:
        await server.enable_approle()
        await server.enable_kv("secret", 2)
        yield server


@pytest_asyncio.fixture
async def own_bao() -> AsyncIterator[BaoServer]:
    """A server that the test may seal, stop, kill and start again without losing what it stores; ready in 2.5 s."""
    async with BaoServer("raft") as server:
        await server.enable_approle()
        yield server


@pytest.fixture
def admission(bao: BaoServer) -> Admission:
    return Admission(bao)


@pytest.fixture
def own_admission(own_bao: BaoServer) -> Admission:
    return Admission(own_bao)


@pytest_asyncio.fixture
async def kv1_mount(bao: BaoServer) -> str:
    """The path of a fresh KV v1 mount."""
    return await _mount(bao, 1)


@pytest_asyncio.fixture
async def kv2_mount(bao: BaoServer) -> str:
    """The path of a fresh KV v2 mount."""
    return await _mount(bao, 2)


async def _mount(bao: BaoServer, version: Literal[1, 2]) -> str:
    path = f"kv{version}-{uuid.uuid4().hex[:12]}"
    await bao.enable_kv(path, version)
    return path


@pytest.fixture(scope="session")
def oidc_provider() -> Iterator[OidcProvider]:
    """The authorization server of all tests that do not stop it; register clients of your own."""
    with OidcProvider() as provider:
        yield provider


@pytest.fixture(scope="session")
def second_server() -> Iterator[SecondServer]:
    """A quite different authorization server; likewise."""
    with SecondServer() as server:
        yield server


@pytest.fixture
def own_oidc_provider() -> Iterator[OidcProvider]:
    """An authorization server that the test may stop and start again; ready in 0.5 s."""
    with OidcProvider() as provider:
        yield provider
