"""The servers that the demo and all other tests rely on are what they are taken for."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import aiohttp
import pytest
import pytest_asyncio

from rotator.demo.bao import BaoError, BaoServer, find_bao

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from tests.conftest import Admission
    from tests.support.oidc import OidcProvider


@pytest_asyncio.fixture
async def passing_bao() -> AsyncIterator[BaoServer]:
    """A server in memory that a test may do anything to; ready ten times sooner than `own_bao`."""
    async with BaoServer("inmem") as server:
        yield server


async def until(condition: Callable[[], bool], within: float = 10.0) -> None:
    async with asyncio.timeout(within):
        while not condition():  # noqa: ASYNC110  what is waited for is another process
            await asyncio.sleep(0.01)


def runs(pid: int) -> bool:
    """Whether a process, be it ours or not, is there and no zombie."""
    try:
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False


async def test_a_token_may_do_what_its_rules_say_and_no_more(
    bao: BaoServer, kv2_mount: str, admission: Admission
) -> None:
    token = await admission.token(f'path "{kv2_mount}/data/mine" {{ capabilities = ["create"] }}')
    await bao.request("POST", f"{kv2_mount}/data/mine", {"data": {"a": "b"}}, token=token)
    with pytest.raises(BaoError, match="403"):
        await bao.request("GET", f"{kv2_mount}/data/mine", token=token)


async def test_role_id_and_secret_id_log_in_with_what_the_rules_say(
    bao: BaoServer, kv1_mount: str, admission: Admission
) -> None:
    role_id, secret_id = await admission.approle(f'path "{kv1_mount}/*" {{ capabilities = ["create"] }}')
    login = {"role_id": role_id, "secret_id": secret_id.reveal()}
    answer = await bao.request("POST", "auth/approle/login", login)
    (policy,) = set(answer["auth"]["policies"]) - {"default"}
    assert policy.startswith("p-")


async def test_a_new_mount_takes_requests_at_once_also_when_the_server_is_busy(own_bao: BaoServer) -> None:
    async def mount_and_write(mount: str) -> None:
        await own_bao.enable_kv(mount, 2)
        await own_bao.request("POST", f"{mount}/data/key", {"data": {"a": "b"}})

    # A busy server refuses about three in a hundred writes that do not wait until the mount has set itself up.
    await asyncio.gather(*(mount_and_write(f"mount-{number}") for number in range(100)))


async def test_what_is_stored_outlives_a_stop_and_a_kill_and_the_address_stays(own_bao: BaoServer) -> None:
    address = own_bao.address
    await own_bao.enable_kv("kept", 2)
    await own_bao.request("POST", "kept/data/key", {"data": {"a": "b"}})
    await own_bao.stop()
    await own_bao.start()
    own_bao.kill()
    await own_bao.start()
    assert (await own_bao.request("GET", "kept/data/key"))["data"]["data"] == {"a": "b"}
    assert own_bao.address == address


async def test_a_server_in_memory_is_an_empty_one_with_another_root_token_after_a_stop(passing_bao: BaoServer) -> None:
    await passing_bao.enable_kv("lost", 2)
    before = passing_bao.root_token
    await passing_bao.stop()
    await passing_bao.start()
    assert "lost/" not in (await passing_bao.request("GET", "sys/mounts"))["data"]
    with pytest.raises(BaoError, match="403"):
        await passing_bao.request("GET", "sys/mounts", token=before)


async def test_a_sealed_server_refuses_until_it_is_unsealed_v02(passing_bao: BaoServer) -> None:
    await passing_bao.seal()
    with pytest.raises(BaoError, match="503"):
        await passing_bao.request("GET", "sys/mounts")
    await passing_bao.unseal()
    assert "sys/" in (await passing_bao.request("GET", "sys/mounts"))["data"]


async def test_a_stopped_server_is_told_by_its_address(passing_bao: BaoServer) -> None:
    await passing_bao.stop()
    with pytest.raises(BaoError, match=f"{passing_bao.address} did not answer GET /v1/sys/mounts"):
        await passing_bao.request("GET", "sys/mounts")


async def test_a_second_start_is_refused_and_the_server_goes_on(bao: BaoServer) -> None:
    with pytest.raises(BaoError, match="running already"):
        await bao.start()
    assert "sys/" in (await bao.request("GET", "sys/mounts"))["data"]


async def test_nothing_that_the_server_writes_holds_its_root_token(own_bao: BaoServer) -> None:
    await own_bao.request("GET", "auth/token/lookup-self")
    files = [file for file in own_bao.home.rglob("*") if file.is_file()]
    root_token = own_bao.root_token.reveal().encode()
    assert {"bao.log", "bao.json", "vault.db"} <= {file.name for file in files}
    assert [file for file in files if root_token in file.read_bytes()] == []
    assert own_bao.home.stat().st_mode & 0o077 == 0


async def test_nothing_is_left_at_the_end(passing_bao: BaoServer) -> None:
    pid, home = passing_bao.pid, passing_bao.home
    assert pid is not None
    assert runs(pid)
    passing_bao.close()
    assert not runs(pid)
    assert not home.exists()


async def test_nothing_is_left_of_a_start_that_is_cancelled() -> None:
    server = BaoServer("raft")

    async def enter() -> None:
        async with server:
            pytest.fail("it was cancelled before")

    start = asyncio.create_task(enter())
    await until(lambda: server.pid is not None)
    pid, home = server.pid, server.home
    assert pid is not None
    start.cancel()
    with pytest.raises(asyncio.CancelledError):
        await start
    assert not runs(pid)
    assert not home.exists()


STARTER = """
import asyncio, sys
from rotator.demo.bao import BaoServer

async def main():
    async with BaoServer() as server:
        print(server.pid, server.home, flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


async def test_the_server_dies_with_a_process_that_is_killed() -> None:
    starter = await asyncio.create_subprocess_exec(sys.executable, "-c", STARTER, stdout=asyncio.subprocess.PIPE)
    assert starter.stdout is not None
    pid, home = (await starter.stdout.readline()).decode().split()
    assert runs(int(pid))
    starter.kill()
    await starter.wait()
    await until(lambda: not runs(int(pid)))
    # Nobody was left to do it; what a restart of the machine does with a temporary directory is done here.
    await asyncio.to_thread(shutil.rmtree, home)


async def test_an_interrupt_from_the_terminal_does_not_reach_the_server(bao: BaoServer) -> None:
    assert bao.pid is not None
    assert os.getpgid(bao.pid) == bao.pid != os.getpgid(0)


async def test_a_start_that_fails_shows_the_servers_last_words(passing_bao: BaoServer) -> None:
    await passing_bao.stop()
    host, port = passing_bao.address.removeprefix("http://").split(":")
    with (
        socket.create_server((host, int(port))),
        pytest.raises(BaoError, match=rf"(?s)did not start on port {port} .*address already in use"),
    ):
        await passing_bao.start()
    await passing_bao.start()


def test_a_missing_program_is_told_with_its_cure(tmp_path: Path) -> None:
    with pytest.raises(BaoError, match=r"pip install 'rotator\[demo\]'"):
        find_bao([tmp_path])


async def test_a_program_that_ends_at_once_is_no_server(tmp_path: Path) -> None:
    program = tmp_path / "bao"
    program.write_text("#!/bin/sh\necho this is no server\n")
    program.chmod(0o755)
    with pytest.raises(BaoError, match="this is no server"):
        async with BaoServer(binary=program):
            pytest.fail("it did not start")


async def ask(provider: OidcProvider, client_id: str, secret: str) -> tuple[int, dict[str, object]]:
    """Status and body of the answer to a token request."""
    form = {"grant_type": "client_credentials", "client_id": client_id, "client_secret": secret}
    async with aiohttp.ClientSession() as session, session.post(provider.token_url, data=form) as answer:
        return answer.status, await answer.json()


async def test_oidc_provider_keeps_its_address_and_its_clients_over_a_restart(own_oidc_provider: OidcProvider) -> None:
    client, address = own_oidc_provider.register(), own_oidc_provider.issuer
    own_oidc_provider.stop()
    with pytest.raises(aiohttp.ClientConnectorError):
        await ask(own_oidc_provider, client.client_id, client.secret.reveal())
    own_oidc_provider.start()
    assert own_oidc_provider.issuer == address
    assert (await ask(own_oidc_provider, client.client_id, client.secret.reveal()))[0] == 200


async def test_oidc_provider_tells_the_requests_of_each_client_as_they_came(oidc_provider: OidcProvider) -> None:
    one, other = oidc_provider.register(), oidc_provider.register()
    await ask(oidc_provider, one.client_id, one.secret.reveal())
    await ask(oidc_provider, other.client_id, other.secret.reveal())
    await ask(oidc_provider, one.client_id, "wrong")
    right, wrong = oidc_provider.requests(one.client_id)
    assert (right.status, wrong.status) == (200, 401)
    assert wrong.body == f"grant_type=client_credentials&client_id={one.client_id}&client_secret=wrong"
    assert ("Content-Type", "application/x-www-form-urlencoded") in wrong.headers


async def test_oidc_provider_takes_another_secret_and_another_lifetime_while_it_runs(
    oidc_provider: OidcProvider,
) -> None:
    client = oidc_provider.register()
    oidc_provider.register(client.client_id, "changed", lifetime=7)
    assert (await ask(oidc_provider, client.client_id, client.secret.reveal()))[0] == 401
    assert (await ask(oidc_provider, client.client_id, "changed"))[1]["expires_in"] == 7
