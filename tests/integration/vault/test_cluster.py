"""A real cluster of three nodes: standbys, step-downs, a leader that dies."""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from rotator.contract import record
from rotator.core.errors import Code, RotationError
from rotator.demo.bao import BaoServer
from rotator.vault.kv_sink import KvSink
from rotator.vault.logins.token import TokenLogin
from rotator.vault.session import VaultSettings
from tests.integration.vault.visits import until, visiting

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from rotator.core.model import TokenRecord

NUMBERS = itertools.count()
ELECTION = 10.0
"""Seconds for a new leader to be there and to be noticed."""

# One worker builds the cluster, which takes 12 s, and runs all of these.
pytestmark = [pytest.mark.xdist_group("cluster"), pytest.mark.timeout(180)]


@dataclass(frozen=True)
class Cluster:
    """Three nodes."""

    nodes: tuple[BaoServer, ...]

    async def leader(self) -> BaoServer:
        """The active node, once there is one."""
        async with asyncio.timeout(ELECTION):
            while True:
                for node in self.nodes:
                    if (await node.request("GET", "sys/leader"))["is_self"]:
                        return node
                await asyncio.sleep(0.05)

    async def standby(self) -> BaoServer:
        """A node that is not active."""
        leader = await self.leader()
        return next(node for node in self.nodes if node is not leader)

    def settings(self, node: BaoServer) -> VaultSettings:
        """As an operator writes them who has rotator speak to this node."""
        others = tuple(other.address.rpartition("/")[2] for other in self.nodes if other is not node)
        return VaultSettings(node.address, TokenLogin(node.root_token), allowed_hosts=others)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def cluster() -> AsyncIterator[Cluster]:
    async with BaoServer("raft") as first:
        await first.enable_kv("secret", 2)
        # By default a new node may vote after 10 s.
        await first.request("POST", "sys/storage/raft/autopilot/configuration", {"server_stabilization_time": "1s"})
        async with BaoServer("raft", joins=first) as second, BaoServer("raft", joins=first) as third:
            await _until_all_vote(first)
            yield Cluster((first, second, third))


async def _until_all_vote(node: BaoServer) -> None:
    async with asyncio.timeout(30):
        while True:
            answer = await node.request("GET", "sys/storage/raft/configuration")
            if all(server["voter"] for server in answer["data"]["config"]["servers"]):
                return
            await asyncio.sleep(0.1)


async def insist(sink: KvSink, token: TokenRecord, within: float = ELECTION) -> int:
    """Write a record as the engine does: again while Vault is said to be away; how many tries it took."""
    async with asyncio.timeout(within):
        for tries in itertools.count(1):
            try:
                assert await sink.write(token) == token
            except RotationError as error:
                code = error.code
            else:
                return tries
            assert code is Code.VAULT_UNAVAILABLE
            await asyncio.sleep(0.1)
    raise AssertionError("never reached")


async def version(node: BaoServer, path: str) -> int:
    return int((await node.request("GET", f"secret/metadata/{path}"))["data"]["current_version"])


async def test_v28_reads_from_a_standby_right_after_writes_tell_what_was_written(cluster: Cluster) -> None:
    node = await cluster.standby()
    async with visiting(cluster.settings(node)) as visit:
        sink = KvSink(visit.session, f"secret/tokens/{next(NUMBERS)}", "billing")
        for number in range(40):
            new = record(f"n{number}", life=600 + number)
            await insist(sink, new)
            assert await sink.read() == new


async def test_v04_v06_a_step_down_amid_writes_loses_and_repeats_none_of_them(cluster: Cluster) -> None:
    node, path = await cluster.standby(), f"tokens/{next(NUMBERS)}"
    async with visiting(cluster.settings(node)) as visit:
        sink = KvSink(visit.session, f"secret/{path}", "billing")
        stepping = asyncio.create_task(_step_down_amid(cluster))
        tries = [await insist(sink, record(f"n{number}", life=600 + number)) for number in range(150)]
        await stepping
        assert max(tries) > 1, "no write met the step-down"
        leader = await cluster.leader()
        stored = await leader.request("GET", f"secret/data/{path}")
        assert stored["data"]["data"]["access_token"] == "token.n149"
        assert await version(leader, path) == 150
        assert visit.session.trouble is None


async def _step_down_amid(cluster: Cluster) -> None:
    await asyncio.sleep(0.1)  # amid the writes
    await (await cluster.leader()).request("PUT", "sys/step-down")


async def test_v06_a_leader_that_dies_is_an_outage_that_ends_with_the_election(cluster: Cluster) -> None:
    node = await cluster.standby()
    leader = await cluster.leader()
    async with visiting(cluster.settings(node)) as visit:
        sink = KvSink(visit.session, f"secret/tokens/{next(NUMBERS)}", "billing")
        await insist(sink, record("before"))
        leader.kill()
        try:
            await insist(sink, record("after", life=700), within=3 * ELECTION)
            await until(lambda: visit.session.trouble is None, 5)
            assert set(visit.told()) <= {"vault.login", "vault.unavailable", "vault.recovered"}
        finally:
            await leader.start()
