"""The keys below a path, as the real OpenBao lists them, and a server that knows no pages."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Literal

import pytest
from aiohttp import web

from rotator.core.errors import Code, RotationError
from rotator.core.model import Secret
from rotator.vault.listing import Listing
from rotator.vault.logins.token import TokenLogin
from rotator.vault.policies import missing_capabilities, stanza
from rotator.vault.session import VaultSettings
from tests.integration.vault.visits import settings, visiting
from tests.support.http import serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable

    from rotator.demo.bao import BaoServer
    from rotator.vault.session import VaultSession
    from tests.conftest import Admission
    from tests.integration.vault.administration import Admin


@pytest.fixture
async def session(bao: BaoServer) -> AsyncIterator[VaultSession]:
    async with visiting(settings(bao)) as visit:
        yield visit.session


async def put(admin: Admin, mount: str, keys: Iterable[str], version: int = 2) -> None:
    document = {"client_id": "x"}
    turn = asyncio.Semaphore(32)

    async def one(key: str) -> None:
        path, body = (f"{mount}/data/{key}", {"data": document}) if version > 1 else (f"{mount}/{key}", document)
        async with turn:
            await admin.api.write_data(path, data=body)

    await asyncio.gather(*map(one, keys))


@asynccontextmanager
async def listing_with(said: Callable[[], object], asked: list[dict[str, str]]) -> AsyncIterator[VaultSession]:
    """A session with a server that says this to every LIST, and keeps what it is asked with."""
    lookup, mount = (
        {"data": {"ttl": 600, "renewable": False}},
        {"path": "secret/", "type": "kv", "options": {"version": "2"}},
    )

    async def answer(request: web.Request) -> web.Response:
        if "list" in request.query:
            asked.append(dict(request.query))
            return web.json_response(said())
        return web.json_response(lookup if "lookup" in request.path else {"data": mount})

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    async with serving(app) as address, visiting(VaultSettings(address, TokenLogin(Secret("t")))) as visit:
        yield visit.session


@pytest.mark.parametrize("version", [1, 2])
async def test_keys_and_not_folders_are_listed_or_all_at_any_depth(
    version: Literal[1, 2], admin: Admin, session: VaultSession
) -> None:
    mount = await admin.mount(version)
    await put(admin, mount, ["apps/a", "apps/b", "apps/team/c", "apps/team/deep/d", "elsewhere/e"], version)
    assert sorted(await Listing(session, f"{mount}/apps", at_any_depth=False).keys()) == ["a", "b"]
    assert sorted(await Listing(session, f"{mount}/apps", at_any_depth=True).keys()) == [
        "a",
        "b",
        "team/c",
        "team/deep/d",
    ]


async def test_the_keys_of_a_whole_mount_are_listed(admin: Admin, kv2_mount: str, session: VaultSession) -> None:
    await put(admin, kv2_mount, ["a", "b"])
    assert sorted(await Listing(session, kv2_mount, at_any_depth=True).keys()) == ["a", "b"]


async def test_more_keys_than_one_page_has_are_listed_once_each(
    admin: Admin, kv2_mount: str, session: VaultSession
) -> None:
    keys = [f"apps/{number:04}" for number in range(2001)] + ["apps/0999x/below", "apps/1000/below"]
    await put(admin, kv2_mount, keys)
    found = await Listing(session, f"{kv2_mount}/apps", at_any_depth=True).keys()
    assert sorted(found) == sorted(key.removeprefix("apps/") for key in keys)


async def test_nothing_below_a_path_is_no_error(kv2_mount: str, session: VaultSession) -> None:
    assert await Listing(session, f"{kv2_mount}/apps", at_any_depth=True).keys() == []


async def test_an_engine_that_is_gone_is_not_taken_for_an_empty_one(admin: Admin, session: VaultSession) -> None:
    mount = await admin.mount(2)
    await put(admin, mount, ["apps/a"])
    listing = Listing(session, f"{mount}/apps", at_any_depth=False)
    assert await listing.keys() == ["a"]
    await admin.api.adapter.delete(f"/v1/sys/mounts/{mount}")
    with pytest.raises(RotationError) as caught:
        await listing.keys()
    assert caught.value.code is Code.MOUNT_MISSING


async def test_a_key_that_was_deleted_is_still_there_until_its_metadata_are_gone(
    admin: Admin, kv2_mount: str, session: VaultSession
) -> None:
    await put(admin, kv2_mount, ["apps/a", "apps/b"])
    await admin.api.adapter.delete(f"/v1/{kv2_mount}/data/apps/a")
    listing = Listing(session, f"{kv2_mount}/apps", at_any_depth=False)
    assert sorted(await listing.keys()) == ["a", "b"]
    await admin.api.adapter.delete(f"/v1/{kv2_mount}/metadata/apps/a")
    assert await listing.keys() == ["b"]


@pytest.mark.parametrize("at_any_depth", [False, True], ids=["one folder", "at any depth"])
async def test_the_policy_that_it_asks_for_is_the_one_that_it_needs(
    at_any_depth: bool,  # noqa: FBT001  a parameter of the test
    bao: BaoServer,
    admin: Admin,
    kv2_mount: str,
    admission: Admission,
    session: VaultSession,
) -> None:
    await put(admin, kv2_mount, ["apps/a", "apps/team/c"])
    listing = Listing(session, f"{kv2_mount}/apps", at_any_depth=at_any_depth)
    needs = await listing.needs()
    reading = f'path "{kv2_mount}/data/apps/*" {{ capabilities = ["read"] }}'
    mute, allowed = await admission.token(reading), await admission.token(f"{reading}\n{stanza(needs)}")
    async with visiting(settings(bao, mute)) as visit:
        with pytest.raises(RotationError) as caught:
            await Listing(visit.session, f"{kv2_mount}/apps", at_any_depth=at_any_depth).keys()
        assert await missing_capabilities(visit.session, needs) == needs
    assert caught.value.code is Code.VAULT_DENIED
    assert f"{kv2_mount}/metadata/apps/" in caught.value.detail
    async with visiting(settings(bao, allowed)) as visit:
        found = await Listing(visit.session, f"{kv2_mount}/apps", at_any_depth=at_any_depth).keys()
        assert await missing_capabilities(visit.session, needs) == {}
    assert sorted(found) == (["a", "team/c"] if at_any_depth else ["a"])


async def test_a_server_without_pages_is_asked_once_more_and_not_for_ever() -> None:
    keys, asked = [f"{number:05}" for number in range(1000)], list[dict[str, str]]()
    async with listing_with(lambda: {"data": {"keys": keys}}, asked) as session:
        assert await Listing(session, "secret/apps", at_any_depth=False).keys() == keys
    assert asked == [{"list": "true", "limit": "1000"}, {"list": "true", "limit": "1000", "after": "00999"}]


@pytest.mark.parametrize("document", [{}, {"data": {}}, {"data": {"keys": [1]}}, {"data": {"keys": "abc"}}])
async def test_an_answer_that_is_no_list_of_keys_is_refused(document: object) -> None:
    async with listing_with(lambda: document, []) as session:
        with pytest.raises(RotationError) as caught:
            await Listing(session, "secret/apps", at_any_depth=False).keys()
    assert caught.value.code is Code.VAULT_MALFORMED


async def test_a_list_of_a_hundred_thousand_keys_that_comes_at_once_is_taken() -> None:
    keys = [f"application-{number:06}" for number in range(100_000)]
    async with listing_with(lambda: {"data": {"keys": keys}}, []) as session:
        assert await Listing(session, "secret/apps", at_any_depth=False).keys() == keys
