"""The installed rotator tells a service manager what goes on, over a real datagram socket."""

from __future__ import annotations

import asyncio
import signal
import socket
from typing import TYPE_CHECKING

from tests.support.alone import configured
from tests.support.process import DEADLINE, Rotator

if TYPE_CHECKING:
    from pathlib import Path


class Manager:
    """The other end."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.heard: list[str] = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._socket.bind(str(place))

    async def hears(self, word: str) -> list[str]:
        """Wait for a datagram that says this; its lines."""
        async with asyncio.timeout(DEADLINE):
            while True:
                text = (await asyncio.get_running_loop().sock_recv(self._socket, 1 << 16)).decode()
                self.heard += text.split("\n")
                if word in self.heard[-text.count("\n") - 1 :]:
                    return text.split("\n")

    def close(self) -> None:
        self._socket.close()


async def test_ready_reloading_and_stopping_are_told_in_their_order_also_when_a_reload_is_refused_r05_r04(
    tmp_path: Path,
) -> None:
    configuration = configured(tmp_path)
    manager = Manager(tmp_path / "notify")
    env = {"NOTIFY_SOCKET": str(manager.place), "WATCHDOG_USEC": "1000000"}
    async with Rotator(configuration, env=env) as daemon:
        ready = await manager.hears("READY=1")
        assert ready[1].startswith("STATUS=0 of 1 credentials served")
        await manager.hears("WATCHDOG=1")
        for offered, event in (("", "config.reloaded"), ("[nonsense]\n", "config.rejected")):
            configured(tmp_path, offered)
            daemon.signal(signal.SIGHUP)
            began = await manager.hears("RELOADING=1")
            assert began[1].startswith("MONOTONIC_USEC=")
            await daemon.says(event)
            await manager.hears("READY=1")
        daemon.signal(signal.SIGTERM)
        ending = await manager.hears("STOPPING=1")
        assert ending[1].startswith("EXTEND_TIMEOUT_USEC=")
        assert await daemon.ended() == 0
    manager.close()
    words = [line for line in manager.heard if line in {"READY=1", "RELOADING=1", "STOPPING=1"}]
    assert words == ["READY=1", "RELOADING=1", "READY=1", "RELOADING=1", "READY=1", "STOPPING=1"]
