"""A local socket in a directory that everybody gets to, and those who ask at it: this process, and other users'."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import tempfile
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from rotator.contract import record
from rotator.local.connections import USUAL, Limits
from rotator.local.listening import LocalSettings
from rotator.local.server import LocalServer
from rotator.local.sink import SocketSink
from rotator.testing import FakeClock
from rotator.wire.unix_socket import near
from tests.support.http import ask

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Sequence

    from rotator.core.ports import Clock
    from rotator.local.peers import Peers

ME = str(os.geteuid())
SOMEBODY = 4711
"""A user that no machine has."""

DEADLINE = 20.0

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can ask as another user")
with_curl = pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed here")


class Tally:
    """Keeps what became of each request."""

    def __init__(self) -> None:
        self.results: list[str] = []

    def asked(self, result: str) -> None:
        self.results.append(result)


@dataclass
class Street:
    """A server that listens, and its sinks."""

    server: LocalServer
    path: Path
    tally: Tally
    sinks: dict[str, SocketSink] = field(default_factory=dict)

    def sink(self, name: str, peers: Peers, fields: dict[str, str] | None = None) -> SocketSink:
        """One more sink, or another one in its place."""
        self.sinks[name] = SocketSink(self.server, name, peers, fields)
        self.server.offer(self.sinks.values())
        return self.sinks[name]

    def remove(self, name: str) -> None:
        del self.sinks[name]
        self.server.offer(self.sinks.values())

    async def ask(self, path: str, method: str = "GET", **headers: str) -> tuple[int, str, dict[str, str]]:
        """Status, body and headers, as this process gets them."""
        return await ask(self.path, path, method, {name.replace("_", "-"): value for name, value in headers.items()})

    async def status(self, path: str) -> int:
        return (await self.ask(path))[0]

    async def ask_as(self, uid: int, path: str, gid: int = SOMEBODY, groups: Sequence[int] = ()) -> tuple[int, str]:
        """Status and body, as curl gets them for another user."""
        process = await asyncio.create_subprocess_exec(
            "curl",
            "-sS",
            "-w",
            "\n%{http_code}",
            "--unix-socket",
            self.path,
            f"http://rotator{path}",
            stdout=asyncio.subprocess.PIPE,
            user=uid,
            group=gid,
            extra_groups=list(groups),
            cwd="/",
        )
        async with asyncio.timeout(DEADLINE):
            out, _ = await process.communicate()
        body, _, status = out.decode().rpartition("\n")
        return int(status), body

    @contextmanager
    def connection(self) -> Iterator[socket.socket]:
        """A connection on which nothing has been said."""
        with near(self.path) as place, socket.socket(socket.AF_UNIX) as opened:
            opened.connect(str(place))
            opened.setblocking(False)
            yield opened


async def hear(opened: socket.socket, within: float = DEADLINE) -> bytes:
    """All that comes on a connection, until its end, which must come within so many seconds."""
    heard = bytearray()
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(within):
        try:
            while chunk := await loop.sock_recv(opened, 1 << 16):
                heard += chunk
        except ConnectionResetError:
            heard += b"(reset)"
    return bytes(heard)


def _open(home: Path) -> None:
    home.chmod(0o755)


@asynccontextmanager
async def street(clock: Clock | None = None, limits: Limits = USUAL, **settings: Any) -> AsyncIterator[Street]:
    """A server that listens as long as the block lasts."""
    home = Path(tempfile.mkdtemp(prefix="street-"))
    try:
        _open(home)
        path = home / "tokens.sock"
        tally = Tally()
        server = LocalServer(clock or FakeClock(record().issued_at), tally, limits)
        await server.listen(LocalSettings(path, **settings))
        try:
            yield Street(server, path, tally)
        finally:
            await server.stop()
    finally:
        shutil.rmtree(home)
