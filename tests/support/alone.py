"""A rotator that nobody serves: neither its Vault nor its provider is there. It lives, and can be asked how it is."""

from __future__ import annotations

import asyncio
import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import aiohttp

from tests.support.http import ask
from tests.support.process import DEADLINE, PASSED_ON, ROTATOR

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

CONFIGURATION = """\
state_dir = "{home}/state"
[vault]
address = "http://127.0.0.1:1"
[vault.auth]
method = "approle"
role_id_file = "role-id"
secret_id_file = "secret-id"
[providers.thx]
token_url = "http://127.0.0.1:1/token"
[credentials.billing]
provider = "thx"
source = {{ type = "vault", path = "secret/apps/billing" }}
sinks = [{{ type = "file", path = "{home}/billing.token" }}]
"""

BREAKS = """
import asyncio, sys, threading
from pathlib import Path
from rotator import process
from rotator.engine.clock import SystemClock

def cancel(name):
    next(task for task in asyncio.all_tasks() if task.get_name() == name).cancel()

class Breaking(SystemClock):
    broken = False

    def now(self):
        wanted = not self.broken and Path(sys.argv[2]).exists()
        if wanted and (task := asyncio.current_task()) and task.get_name() == {at!r}:
            self.broken = True
            {act}
        return super().now()

    def elapsed(self):
        return self.now().elapsed

process.run(Path(sys.argv[1]), {{}}, Breaking())
"""
"""The daemon with a clock that does something else once a file is there and a certain part asks for the time."""


def configured(home: Path, extra: str = "") -> Path:
    """A configuration for it."""
    for name in ("role-id", "secret-id"):
        _keep(home / name, "x")
    return _keep(home / "config.toml", CONFIGURATION.format(home=home) + extra)


def _keep(file: Path, text: str) -> Path:
    file.touch(mode=0o600)
    file.write_text(text)
    return file


class Alone:
    """One that runs.

    Attributes:
        process: It.
        socket: Where it listens.
    """

    def __init__(self, process: Process, socket: Path) -> None:
        self.process = process
        self.socket = socket

    @property
    def pid(self) -> int:
        """Its process id."""
        return self.process.pid

    async def health(self, path: str = "/-/healthy", within: float = 2.0) -> str:
        """What a probe finds: `200`, `503: a reason`, `no answer`, or `ended with` its exit code."""
        if self.process.returncode is not None:
            return f"ended with {self.process.returncode}"
        try:
            code, body, _ = await ask(self.socket, path, within=within)
        except (OSError, TimeoutError, aiohttp.ClientError):
            return "no answer"
        return str(code) if code == 200 else f"{code}: {body.strip()}"

    async def until(self, wanted: Callable[[str], bool], path: str = "/-/healthy") -> tuple[str, float]:
        """Ask until a probe finds what is wanted; that, and the seconds until then."""
        began, found = asyncio.get_running_loop().time(), ""
        try:
            async with asyncio.timeout(DEADLINE):
                while not wanted(found := await self.health(path)):  # noqa: ASYNC110  it is another process
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise AssertionError(f"within {DEADLINE:g} s probes found nothing else than: {found}") from None
        return found, asyncio.get_running_loop().time() - began


@asynccontextmanager
async def running(home: Path, extra: str = "", stderr: int = asyncio.subprocess.DEVNULL) -> AsyncIterator[Alone]:
    """The installed one, once it is healthy; it does not outlive the block."""
    async with _started(home, extra, (ROTATOR, "run", "-c"), (), stderr) as alone:
        yield alone


@asynccontextmanager
async def breaking(home: Path, act: str, at: str) -> AsyncIterator[tuple[Alone, Path]]:
    """One whose part `at` does `act` as soon as the file is there that comes along with it."""
    breaks = home / "breaks"
    code = BREAKS.format(act=act, at=at)
    async with _started(home, "", (sys.executable, "-c", code), (breaks,), asyncio.subprocess.DEVNULL) as alone:
        yield alone, breaks


@asynccontextmanager
async def _started(
    home: Path, extra: str, before: tuple[str | Path, ...], after: tuple[Path, ...], stderr: int
) -> AsyncIterator[Alone]:
    process = await asyncio.create_subprocess_exec(
        *before, configured(home, extra), *after, stderr=stderr, env=PASSED_ON
    )
    try:
        alone = Alone(process, home / "state" / "rotator.sock")
        await alone.until(lambda found: found == "200")
        yield alone
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
