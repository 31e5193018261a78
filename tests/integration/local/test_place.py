"""Where the local socket stands: in nobody's place, in a safe directory, and not longer than its server."""

from __future__ import annotations

import os
import socket
import stat
from typing import TYPE_CHECKING

import pytest

from rotator.contract import record
from rotator.engine.clock import SystemClock
from rotator.local.listening import LocalSettings, listen
from rotator.local.peers import Peers
from rotator.local.server import LocalServer
from rotator.local.sink import SocketSink
from rotator.testing import FakeClock
from tests.integration.local.street import ME, as_root
from tests.support.http import ask

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


@pytest.fixture
async def server() -> AsyncIterator[LocalServer]:
    server = LocalServer(FakeClock(record().issued_at))
    sink = SocketSink(server, "billing", Peers(users=(ME,)))
    server.offer([sink])
    await sink.write(record())
    yield server
    await server.stop()


async def answers(path: Path) -> bool:
    return (await ask(path, "/token/billing"))[0] == 200


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("mode", [0o600, 0o660, 0o666])
async def test_the_socket_has_its_mode_whatever_the_umask(server: LocalServer, tmp_path: Path, mode: int) -> None:
    before = os.umask(0o077)
    try:
        await server.listen(LocalSettings(tmp_path / "tokens.sock", mode))
    finally:
        os.umask(before)
    assert mode_of(tmp_path / "tokens.sock") == mode


async def test_a_directory_that_is_made_lets_consumers_through_whatever_the_umask(
    server: LocalServer, tmp_path: Path
) -> None:
    before = os.umask(0o077)
    try:
        await server.listen(LocalSettings(tmp_path / "rotator" / "tokens.sock"))
    finally:
        os.umask(before)
    assert mode_of(tmp_path / "rotator") == 0o755
    assert await answers(tmp_path / "rotator" / "tokens.sock")


async def test_a_directory_that_is_there_keeps_its_mode(server: LocalServer, tmp_path: Path) -> None:
    (tmp_path / "rotator").mkdir(mode=0o750)
    await server.listen(LocalSettings(tmp_path / "rotator" / "tokens.sock"))
    assert mode_of(tmp_path / "rotator") == 0o750


async def test_f11_a_directory_that_everybody_may_write_to_is_refused(server: LocalServer, tmp_path: Path) -> None:
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    with pytest.raises(OSError, match=r"everybody may write to the directory .* \(mode 0777\): `chmod o-w"):
        await server.listen(LocalSettings(tmp_path / "open" / "tokens.sock"))
    assert list((tmp_path / "open").iterdir()) == []


@as_root
async def test_f11_a_directory_of_somebody_else_is_refused(server: LocalServer, tmp_path: Path) -> None:
    (tmp_path / "theirs").mkdir()
    os.chown(tmp_path / "theirs", 4711, -1)
    with pytest.raises(OSError, match="belongs to uid 4711, who could replace the socket"):
        await server.listen(LocalSettings(tmp_path / "theirs" / "tokens.sock"))


async def test_f07_a_directory_whose_parent_is_missing_is_told_by_the_system(
    server: LocalServer, tmp_path: Path
) -> None:
    with pytest.raises(FileNotFoundError):
        await server.listen(LocalSettings(tmp_path / "no" / "such" / "tokens.sock"))


async def test_a_socket_that_a_killed_process_left_behind_is_replaced(server: LocalServer, tmp_path: Path) -> None:
    path = tmp_path / "tokens.sock"
    listen(LocalSettings(path)).close()
    await server.listen(LocalSettings(path))
    assert await answers(path)


async def test_another_rotator_that_listens_there_stays(server: LocalServer, tmp_path: Path) -> None:
    path = tmp_path / "tokens.sock"
    await server.listen(LocalSettings(path))
    with pytest.raises(OSError, match=r"another rotator listens at .*tokens\.sock; wanted one .*set local\.socket"):
        await LocalServer(SystemClock()).listen(LocalSettings(path))
    assert await answers(path)


async def test_what_is_no_socket_is_left_alone(server: LocalServer, tmp_path: Path) -> None:
    path = tmp_path / "tokens.sock"
    path.write_text("mine")
    with pytest.raises(OSError, match="is no socket"):
        await server.listen(LocalSettings(path))
    assert path.read_text() == "mine"


async def test_the_socket_is_gone_when_the_server_has_stopped(server: LocalServer, tmp_path: Path) -> None:
    path = tmp_path / "tokens.sock"
    await server.listen(LocalSettings(path))
    await server.stop()
    assert not path.exists()
    await server.stop()


async def test_a_server_that_stops_leaves_the_socket_of_the_next_one_alone(server: LocalServer, tmp_path: Path) -> None:
    path = tmp_path / "tokens.sock"
    await server.listen(LocalSettings(path))
    path.unlink()
    with socket.socket(socket.AF_UNIX) as following:
        following.bind(str(path))
        await server.listen(LocalSettings(tmp_path / "elsewhere.sock"))
    assert await answers(tmp_path / "elsewhere.sock")


async def test_a_server_moves_to_another_place(server: LocalServer, tmp_path: Path) -> None:
    before, after = tmp_path / "before.sock", tmp_path / "after.sock"
    await server.listen(LocalSettings(before))
    await server.listen(LocalSettings(after))
    assert await answers(after)
    assert not before.exists()


async def test_a_place_that_cannot_be_had_costs_nobody_the_one_before(server: LocalServer, tmp_path: Path) -> None:
    before = tmp_path / "before.sock"
    (tmp_path / "after.sock").write_text("mine")
    await server.listen(LocalSettings(before))
    with pytest.raises(OSError, match="is no socket"):
        await server.listen(LocalSettings(tmp_path / "after.sock"))
    assert await answers(before)


async def test_the_mode_is_changed_in_place(server: LocalServer, tmp_path: Path) -> None:
    path = tmp_path / "tokens.sock"
    await server.listen(LocalSettings(path, 0o600))
    await server.listen(LocalSettings(path, 0o666))
    assert mode_of(path) == 0o666
    assert await answers(path)


async def test_a_path_longer_than_an_address_may_be_is_listened_at(server: LocalServer, tmp_path: Path) -> None:
    path = tmp_path / ("d" * 120) / "tokens.sock"
    await server.listen(LocalSettings(path))
    assert await answers(path)
    await server.stop()
    assert not path.exists()
