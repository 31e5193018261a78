"""The processes of a measurement: rotator, whose log goes to a file, and the stub; what the kernel says of them."""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import aiohttp

from tests.support.process import PASSED_ON, ROTATOR

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

ROOT = Path(__file__).resolve().parents[2]
TICK = os.sysconf("SC_CLK_TCK")
LOOK = 0.05
"""Seconds between two looks at a log."""

LONGEST_LINE = 1000
"""Bytes of a log that may hold a line of which the end is still to come."""

END = 60.0
"""Seconds for a process to end once it was told to."""


@dataclass(frozen=True)
class Usage:
    """What a process has used.

    Attributes:
        cpu: Seconds of processor time since its start, in user mode and in the kernel.
        rss: MiB that are resident now.
        peak: MiB that were resident at most.
    """

    cpu: float
    rss: float
    peak: float

    @classmethod
    def of(cls, pid: int) -> Usage:
        """Of a process that runs."""
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
        rss, peak = (int(status[name].split()[0]) / 1024 for name in ("VmRSS", "VmHWM"))
        return cls((int(fields[11]) + int(fields[12])) / TICK, rss, peak)


class Daemon:
    """The installed `rotator run`; `async with` starts it, and kills it in the end if it is still there.

    Args:
        configuration: Its file.
        log: Where its log is appended to.

    Attributes:
        started: When it was started, by the loop's clock.
    """

    def __init__(self, configuration: Path, log: Path) -> None:
        self._configuration = configuration
        self._log = log
        self._read = log.stat().st_size if log.exists() else 0
        self._unread = b""
        self.started = 0.0

    async def __aenter__(self) -> Self:
        with self._log.open("ab") as log:
            self.started = asyncio.get_running_loop().time()
            self._process = await asyncio.create_subprocess_exec(
                *(ROTATOR, "run", "-c", self._configuration),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=log,
                env=PASSED_ON,
            )
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()

    def usage(self) -> Usage:
        """What it has used."""
        return Usage.of(self._process.pid)

    def forget_peak(self) -> None:
        """Have its peak of memory counted from now on (proc_pid_clear_refs(5))."""
        Path(f"/proc/{self._process.pid}/clear_refs").write_text("5")

    def log_size(self) -> int:
        """Bytes of its log."""
        return self._log.stat().st_size

    def waited(self) -> float:
        """Seconds for which its main thread was ready to run and had no processor."""
        return int(Path(f"/proc/{self._process.pid}/schedstat").read_text().split()[1]) / 1e9

    async def says(self, event: str, within: float) -> float:
        """Wait until it tells an event for the first time; seconds from its start until then.

        Raises:
            AssertionError: It does not within so many seconds, or it has ended.
        """
        loop, mark = asyncio.get_running_loop(), f'"event": "{event}"'.encode()
        while not self._has_said(mark):
            if loop.time() - self.started > within or self._process.returncode is not None:
                raise AssertionError(
                    f"{event} did not come within {within:g} s, or it has ended; its last words: {self._unread!r}"
                )
            await asyncio.sleep(LOOK)
        return loop.time() - self.started

    def _has_said(self, mark: bytes) -> bool:
        with self._log.open("rb") as log:
            log.seek(self._read)
            text = self._unread + log.read()
            self._read = log.tell()
        _, found, after = text.partition(mark)
        self._unread = after if found else text[-LONGEST_LINE:]
        return bool(found)

    async def stop(self) -> int:
        """End it in order; its exit code."""
        with suppress(ProcessLookupError):
            self._process.terminate()
        return await asyncio.wait_for(self._process.wait(), END)


class StubProcess:
    """A stub that runs."""

    def __init__(self, address: str, pid: int, session: aiohttp.ClientSession) -> None:
        self.address = address
        self._pid = pid
        self._session = session

    def usage(self) -> Usage:
        """What it has used."""
        return Usage.of(self._pid)

    async def report(self) -> dict[str, Any]:
        """What it has seen; see `tests.bench.stub_counts.Counts.report`."""
        async with self._session.get(f"{self.address}/-/report") as answer:
            found: dict[str, Any] = await answer.json()
        return found

    async def begin(self) -> None:
        """Have it count from now on."""
        async with self._session.post(f"{self.address}/-/begin"):
            pass

    async def redate(self, lifetime: int, oldest: float) -> None:
        """See `tests.bench.stub_vault.Vault.redate`."""
        async with self._session.post(f"{self.address}/-/redate", json={"lifetime": lifetime, "oldest": oldest}):
            pass


@asynccontextmanager
async def stub(latency: float, lifetime: int) -> AsyncIterator[StubProcess]:
    """Start a stub whose tokens live so many seconds, and end it."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.bench.stub", f"--latency={latency}", f"--lifetime={lifetime}"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        cwd=ROOT,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        port = int(await process.stdout.readline())
        timeout = aiohttp.ClientTimeout(END)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            yield StubProcess(f"http://127.0.0.1:{port}", process.pid, session)
    finally:
        process.stdin.close()
        await asyncio.wait_for(process.wait(), END)


async def scrape(socket: Path) -> str:
    """What a rotator tells at /metrics of its unix socket."""
    timeout = aiohttp.ClientTimeout(END)
    async with (
        aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(socket)), timeout=timeout) as session,
        session.get("http://rotator/metrics") as answer,
    ):
        return await answer.text()
