"""Where refresh tokens are kept, in memory and in a real Vault: replaced by check-and-set only, and never half."""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from rotator.core.errors import Code, RotationError
from rotator.core.model import Consent, Secret
from rotator.testing import MemoryConsentStore
from rotator.vault.consent_store import VaultConsentStore
from tests.integration.vault.visits import settings, visiting

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from rotator.core.ports import ConsentStore
    from rotator.demo.bao import BaoServer

    Open = Callable[[], ConsentStore]

NUMBERS = itertools.count()

FIRST = Consent(Secret("rt-1"), "login", datetime(2026, 1, 1, tzinfo=UTC))


@pytest_asyncio.fixture(params=["memory", "vault"])
async def open_store(request: pytest.FixtureRequest, bao: BaoServer) -> AsyncIterator[Open]:
    """Each call opens the same place anew, as another process would."""
    if request.param == "memory":
        shelf: list[Consent] = []
        yield lambda: MemoryConsentStore(shelf)
        return
    path = f"secret/logins/contract-{next(NUMBERS)}"
    async with visiting(settings(bao)) as visit:
        yield lambda: VaultConsentStore(visit.session, path)


async def test_a_place_that_was_never_written_holds_nothing(open_store: Open) -> None:
    assert await open_store().read() is None


async def test_what_is_written_is_what_another_process_reads(open_store: Open) -> None:
    written = await open_store().write(FIRST)
    assert written == replace(FIRST, version=written.version)
    assert await open_store().read() == written


async def test_a_write_over_what_was_read_replaces_it(open_store: Open) -> None:
    first = await open_store().write(FIRST)
    second = await open_store().write(replace(first, refresh_token=Secret("rt-2"), claimed_by="me"))
    assert (await open_store().read()) == second
    assert second.version > first.version


@pytest.mark.parametrize("behind", [0, 1], ids=["as if nothing were there", "one version behind"])
async def test_a_write_over_what_is_not_there_any_more_changes_nothing(open_store: Open, behind: int) -> None:
    first = await open_store().write(FIRST)
    second = await open_store().write(first)
    stale = replace(first, refresh_token=Secret("stale"), version=first.version if behind else 0)
    with pytest.raises(RotationError) as caught:
        await open_store().write(stale)
    assert caught.value.code is Code.GRANT_CLAIMED
    assert await open_store().read() == second


async def test_of_many_writers_at_once_one_wins(open_store: Open) -> None:
    first = await open_store().write(FIRST)
    claims = [replace(first, claimed_by=f"process-{number}") for number in range(8)]
    results = await asyncio.gather(*(open_store().write(claim) for claim in claims), return_exceptions=True)
    won = [result for result in results if isinstance(result, Consent)]
    assert len(won) == 1
    assert await open_store().read() == won[0]


async def test_its_place_is_told_and_its_token_is_not(open_store: Open) -> None:
    store = open_store()
    await store.write(FIRST)
    assert store.place
    assert "rt-1" not in repr(await store.read()) + repr(store)


async def test_something_else_at_its_place_is_left_alone(bao: BaoServer) -> None:
    path = f"logins/foreign-{next(NUMBERS)}"
    await bao.request("POST", f"secret/data/{path}", {"data": {"theirs": "x"}})
    async with visiting(settings(bao)) as visit:
        store = VaultConsentStore(visit.session, f"secret/{path}")
        for ask in (store.read, store.vacant):
            with pytest.raises(RotationError) as caught:
                await ask()
            assert caught.value.code is Code.SINK_FOREIGN


async def test_a_deleted_one_counts_as_nothing_and_is_written_over(bao: BaoServer) -> None:
    path = f"logins/deleted-{next(NUMBERS)}"
    async with visiting(settings(bao)) as visit:
        store = VaultConsentStore(visit.session, f"secret/{path}")
        await store.write(FIRST)
        await bao.request("DELETE", f"secret/data/{path}")
        assert await store.read() is None
        assert (await store.write(replace(FIRST, version=await store.vacant()))).version == 2


async def test_an_engine_that_knows_no_check_and_set_is_refused(bao: BaoServer, kv1_mount: str) -> None:
    async with visiting(settings(bao)) as visit:
        with pytest.raises(RotationError, match="KV v1 engine, which knows no check-and-set") as caught:
            await VaultConsentStore(visit.session, f"{kv1_mount}/logins/x").read()
    assert caught.value.code is Code.MOUNT_MISSING
