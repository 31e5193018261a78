"""Who may ask at the local socket: those whom the configuration names, as the kernel knows them, and nobody else."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from typing import TYPE_CHECKING

import pytest

from rotator.contract import record
from rotator.core.errors import Code, RotationError
from rotator.engine.clock import SystemClock
from rotator.local.peers import Accounts, Peer, Peers
from rotator.local.server import LocalServer
from rotator.local.sink import SocketSink
from tests.integration.local.street import ME, SOMEBODY, Street, as_root, street, with_curl

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

pytestmark = with_curl

BILLING = "/token/billing?format=raw"
TOKEN = (200, "token.one")


@pytest.fixture
async def place() -> AsyncIterator[Street]:
    async with street() as opened:
        yield opened


async def test_neither_root_nor_rotators_own_user_is_let_in_without_being_named(place: Street) -> None:
    await place.sink("billing", Peers(users=("12345",))).write(record())
    status, body, _ = await place.ask("/token/billing")
    assert status == 403
    assert "token.one" not in body


@as_root
async def test_a_user_that_is_named_gets_the_token_and_another_does_not(place: Street) -> None:
    await place.sink("billing", Peers(users=("4711",))).write(record())
    assert await place.ask_as(4711, BILLING) == TOKEN
    assert (await place.ask_as(4712, BILLING))[0] == 403


@as_root
async def test_a_user_is_named_by_his_name_as_well(place: Street) -> None:
    await place.sink("billing", Peers(users=("daemon",))).write(record())
    assert await place.ask_as(1, BILLING) == TOKEN


@as_root
async def test_the_group_that_a_process_runs_with_counts(place: Street) -> None:
    await place.sink("billing", Peers(groups=("800",))).write(record())
    assert await place.ask_as(SOMEBODY, BILLING, gid=800) == TOKEN
    assert (await place.ask_as(SOMEBODY, BILLING, gid=801))[0] == 403


@as_root
async def test_further_groups_of_a_process_count(place: Street) -> None:
    await place.sink("billing", Peers(groups=("daemon", "800"))).write(record())
    assert await place.ask_as(SOMEBODY, BILLING, groups=[700, 800, 900]) == TOKEN
    assert await place.ask_as(SOMEBODY, BILLING, groups=[1]) == TOKEN
    assert (await place.ask_as(SOMEBODY, BILLING, groups=[700, 900]))[0] == 403


@as_root
async def test_a_process_in_more_groups_than_python_would_read_is_known_all_the_same(place: Street) -> None:
    await place.sink("billing", Peers(groups=("5999",))).write(record())
    assert await place.ask_as(SOMEBODY, BILLING, groups=range(5000, 6000)) == TOKEN
    assert (await place.ask_as(SOMEBODY, BILLING, groups=range(5000, 5999)))[0] == 403


@as_root
async def test_a_users_number_is_not_taken_for_a_groups(place: Street) -> None:
    await place.sink("billing", Peers(users=("800",))).write(record())
    await place.sink("other", Peers(groups=("900",))).write(record())
    assert (await place.ask_as(SOMEBODY, BILLING, gid=800))[0] == 403
    assert (await place.ask_as(900, BILLING))[0] == 403


@as_root
async def test_a_token_of_others_looks_like_one_that_does_not_exist(place: Street) -> None:
    await place.sink("billing", Peers(users=("4711",))).write(record())
    await place.sink("other", Peers(users=("4712",))).write(record())
    others, missing = await place.ask_as(4711, "/token/other"), await place.ask_as(4711, "/token/none")
    assert others == missing
    assert others[0] == 404


@as_root
@pytest.mark.parametrize("path", ["/token/billing", "/token/none", "/", "/token/billing?format=none", "/token/"])
async def test_who_may_have_nothing_is_told_the_same_whatever_he_asks(place: Street, path: str) -> None:
    await place.sink("billing", Peers(users=("4711",))).write(record())
    assert await place.ask_as(SOMEBODY + 1, path) == (
        403,
        "you may have no token: no sink names your user or one of your groups\n",
    )


async def test_a_socket_without_sinks_has_nothing_for_anybody(place: Street) -> None:
    assert await place.status("/token/billing") == 403


@pytest.mark.parametrize("peers", [Peers(users=("no-such-user",)), Peers(groups=("no-such-group",))])
async def test_f14_a_name_that_nobody_has_is_told_at_the_start_and_at_each_write(place: Street, peers: Peers) -> None:
    sink = place.sink("billing", peers)
    for work in (sink.check(), sink.write(record())):
        with pytest.raises(RotationError, match=r"there is no (user|group) 'no-such-") as caught:
            await work
        assert caught.value.code is Code.LOCAL_PEERS
    assert await sink.read() is None
    assert await place.status("/token/billing") == 403


async def test_one_sink_whose_users_are_unknown_keeps_no_other_from_being_asked(place: Street) -> None:
    place.sink("broken", Peers(users=("no-such-user",)))
    await place.sink("billing", Peers(users=(ME,))).write(record())
    assert await place.status("/token/billing") == 200
    assert await place.status("/token/none") == 404


@pytest.mark.parametrize("peers", [Peers(users=("65534",)), Peers(groups=("65534",))])
async def test_nobody_is_no_user_to_be_let_in(peers: Peers) -> None:
    with pytest.raises(RotationError, match=r"id 65534, which also stands for every (user|group)") as caught:
        await Accounts().check(peers)
    assert caught.value.code is Code.LOCAL_PEERS


def namespace(home: Path, users: str, groups: str) -> Path:
    """What /proc says in a user namespace with these maps."""
    (home / "sys/kernel").mkdir(parents=True)
    (home / "self").mkdir()
    for letter, text in (("u", users), ("g", groups)):
        (home / f"sys/kernel/overflow{letter}id").write_text("65534\n")
        (home / f"self/{letter}id_map").write_text(text)
    return home


async def test_a_user_whom_rotators_namespace_does_not_know_is_told_as_one(tmp_path: Path) -> None:
    accounts = Accounts(namespace(tmp_path, "         0          0          1\n998 998 1\n", "0 0 4294967295\n"))
    await accounts.check(Peers(users=("0", "998"), groups=("997",)))
    with pytest.raises(RotationError, match=r"uid 999, which rotator's user namespace does not know.*PrivateUsers=no"):
        await accounts.check(Peers(users=("999",)))


INSIDE = textwrap.dedent(
    """
    import asyncio, sys
    from rotator.core.errors import RotationError
    from rotator.local.peers import Accounts, Peers

    async def look(name):
        try:
            await Accounts().check(Peers(users=(name,)))
        except RotationError as error:
            return error.detail
        return "known"

    print(asyncio.run(look("0")), asyncio.run(look("1")), sep="\\n")
    """
)


def test_in_a_real_user_namespace_only_those_are_let_in_that_it_knows() -> None:
    inside = ["unshare", "--user", "--map-root-user", sys.executable, "-c", INSIDE]
    told = subprocess.run(inside, capture_output=True, text=True, check=False)
    if "unshare" in told.stderr:
        pytest.skip("user namespaces may not be made here")
    mine, another = told.stdout.splitlines()
    assert mine == "known"
    assert "uid 1, which rotator's user namespace does not know" in another


async def test_names_are_looked_up_once() -> None:
    accounts = Accounts()
    assert await accounts.admits(Peers(users=(ME,)), Peer(os.geteuid(), frozenset()))
    assert not await accounts.admits(Peers(users=(ME,)), Peer(os.geteuid() + 1, frozenset({os.geteuid()})))


def test_the_name_of_the_sink_tells_how_the_token_is_asked_for() -> None:
    assert SocketSink(LocalServer(SystemClock()), "billing", Peers(users=("0",))).name == "socket:/token/billing"
