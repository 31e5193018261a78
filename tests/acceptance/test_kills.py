"""Ends that nobody asked for, and starts after them; a thousand kills: `make reliability`."""

from __future__ import annotations

import asyncio
import signal
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from rotator.demo.bao import BaoServer
from tests.reliability import kills
from tests.reliability.victim import look, sinks
from tests.support.process import Rotator, Site

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from tests.support.oidc import OidcProvider

SEED = 20
RATE = 2
"""Token requests a second."""


@pytest_asyncio.fixture
async def place(tmp_path: Path, oidc_provider: OidcProvider) -> AsyncIterator[Site]:
    """A site whose Vault forgets everything in the end, and is ready the sooner for it."""
    async with BaoServer("inmem") as bao:
        await bao.enable_approle()
        yield Site(tmp_path, bao, oidc_provider)


async def test_r01_f03_after_kill_9_at_random_moments_nothing_is_lost_nothing_moves_back_and_no_storm_comes(
    oidc_provider: OidcProvider,
) -> None:
    found = await kills.killed(oidc_provider, SEED, 10, names=["billing", "search"])
    assert (found.wrong, found.late) == ([], [])
    assert found.kills.total() == 10
    assert len(found.recoveries) == 6
    assert 0 <= found.unheard <= 10 * 2
    assert found.requests <= found.allowed


async def test_f21_a_rotator_that_is_stopped_leaves_the_tokens_to_those_who_read_them(place: Site) -> None:
    configuration = await place.prepare(["billing"])
    async with Rotator(configuration) as running:
        await running.says("daemon.ready")
        before = await look(place)
        running.signal(signal.SIGTERM)
        assert await running.ended() == 0
    assert await look(place) == before
    assert before.keys() == set(sinks(place, "billing"))


LIFETIMES = {"expired-4": 4, "due": 14, "expired-1": 1, "fresh": 600, "expired-3": 3, "expired-2": 2, "expired-5": 5}
"""Seconds for which tokens live that are all issued at once; who expired is named so that the first comes first."""

RATE = 2
"""Token requests a second."""


async def test_r03_after_a_long_time_down_what_expired_first_is_minted_first_at_the_providers_rate(place: Site) -> None:
    """Those of the first second go to whoever has looked first, and those of any one second are under way at once."""
    await place.prepare([])
    for name, place.lifetime in LIFETIMES.items():
        await place.register(name)
    async with Rotator(place.write(list(LIFETIMES))) as first:
        await first.says("token.delivered", count=2 * len(LIFETIMES))
        (minted,) = first.named("token.minted", credential="due")
        first.signal(signal.SIGKILL)
        await first.ended()
    due = datetime.fromisoformat(minted["next_mint_at"]) - datetime.now(UTC)  # noqa: TID251  a token's end is waited for
    await asyncio.sleep(due.total_seconds())
    place.provider = f'rate_limit = "{RATE}/s"'
    async with Rotator(place.write(list(LIFETIMES))) as second:
        await second.says("token.minted", count=len(LIFETIMES) - 1)
        served = second.named("token.minted")
    names = [event["credential"] for event in served]
    assert sorted(names) == sorted(LIFETIMES.keys() - {"fresh"})
    queued = [(name == "due", name) for name in names[RATE:]]
    assert all(earlier < later for earlier, later in zip(queued, queued[RATE:], strict=False)), names
    at = [datetime.fromisoformat(event["timestamp"]) for event in served]
    assert all((later - earlier).total_seconds() > 0.8 for earlier, later in zip(at, at[RATE:], strict=False))


MEMORY_CGROUPS = Path("/sys/fs/cgroup/memory")


@pytest.fixture
def starving() -> Iterator[Path]:
    """A control group whose members get no more memory: the kernel kills them when they ask for some."""
    group = MEMORY_CGROUPS / f"rotator-test-{uuid.uuid4().hex}"
    try:
        group.mkdir()
    except OSError as error:
        pytest.skip(f"no memory control groups can be made here: {error.strerror}")
    (group / "memory.limit_in_bytes").write_text("4096")
    yield group
    group.rmdir()


async def test_r11_a_rotator_that_the_kernel_kills_for_memory_goes_on_where_it_was(place: Site, starving: Path) -> None:
    configuration = await place.prepare(["billing", "search"])
    async with Rotator(configuration) as running:
        await running.says("daemon.ready")
        before = await look(place)
        (starving / "cgroup.procs").write_text(str(running.named("daemon.started")[0]["pid"]))
        assert await running.ended() == -signal.SIGKILL
    assert "oom_kill 1" in (starving / "memory.oom_control").read_text()
    async with Rotator(configuration) as running:
        await running.says("token.adopted", count=2)
        await running.says("daemon.ready")
    assert await look(place) == before
    assert [len(place.oidc.requests(client.client_id)) for client in place.clients.values()] == [1, 1]
