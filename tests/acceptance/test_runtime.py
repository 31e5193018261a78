"""The process in want: of descriptors, memory, threads, a reader of its log, a part of itself; and as PID 1."""

from __future__ import annotations

import asyncio
import json
import os
import resource
import signal
import sys
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.alone import BREAKS
from tests.support.fault_proxy import Fault, FaultProxy, port_of
from tests.support.process import DEADLINE, PASSED_ON, ROTATOR, Rotator

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import AsyncIterator, Callable, Iterator

    from tests.support.process import Site

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="prlimit, /proc and namespaces are Linux's")


@pytest.mark.parametrize(
    ("part", "error"),
    [
        ("sentinel", "ZeroDivisionError"),
        ("sentinel", "MemoryError"),
        ("sentinel", "SystemExit(0)"),
        ("sentinel", "GeneratorExit"),
        ("vault session", "ZeroDivisionError"),
        ("gate thx", "ZeroDivisionError"),
    ],
)
async def test_a_part_that_dies_ends_the_process_with_a_line_and_code_1_whatever_it_dies_of_r06(
    site: Site, part: str, error: str
) -> None:
    configuration, broken = await site.prepare(["billing"]), site.home / "broken"
    told, code = await _run_until_broken(BREAKS.format(act=f"raise {error}", at=part), configuration, broken)
    assert code == 1
    details = [event["detail"] for event in told if event["event"] == "process.error"]
    assert any(detail.startswith(f"{error.partition('(')[0]} at ") for detail in details), told[-5:]


async def test_a_loop_that_stands_still_ends_the_process_with_a_line_that_says_where_and_code_1_r06_r09(
    site: Site,
) -> None:
    configuration, broken = await site.prepare(["billing"]), site.home / "broken"
    hangs = BREAKS.format(act="threading.Event().wait()", at="sentinel").replace(
        "Breaking())", "Breaking(), patience=2.4)"
    )
    told, code = await _run_until_broken(hangs, configuration, broken)
    assert code == 1
    assert (told[-1]["event"], told[-1]["where"]) == ("process.error", "event loop")
    assert told[-1]["detail"].startswith("no progress for 2.4 s, at ")
    assert "threading.py" in told[-1]["detail"]


async def _run_until_broken(code: str, configuration: Path, broken: Path) -> tuple[list[dict[str, Any]], int]:
    """Run this code, break it once it is ready; what it told, and its exit code."""
    running = _running(sys.executable, "-c", code, configuration, broken, stderr=asyncio.subprocess.PIPE)
    told = []
    async with running as process, asyncio.timeout(DEADLINE):
        assert process.stderr is not None
        async for line in process.stderr:
            told.append(json.loads(line))
            if told[-1]["event"] == "daemon.ready":
                broken.touch()  # noqa: ASYNC240  an instant
        return told, await process.wait()


@asynccontextmanager
async def _running(*command: str | Path, stderr: int, **env: str) -> AsyncIterator[Process]:
    """A process that does not outlive its test."""
    process = await asyncio.create_subprocess_exec(*command, stderr=stderr, env={**PASSED_ON, **env})
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


class Descriptors:
    """No more file descriptors than it has."""

    def __init__(self, rotator: Rotator) -> None:
        self._pid = rotator.pid
        self._enough = resource.prlimit(self._pid, resource.RLIMIT_NOFILE)

    def deny(self) -> None:
        """From now on there is no more."""
        used = {int(link.name) for link in Path(f"/proc/{self._pid}/fd").iterdir()}
        free = next(number for number in range(len(used) + 1) if number not in used)
        resource.prlimit(self._pid, resource.RLIMIT_NOFILE, (free, self._enough[1]))

    def grant(self) -> None:
        """From now on there is enough."""
        resource.prlimit(self._pid, resource.RLIMIT_NOFILE, self._enough)


class Threads:
    """No more threads than it needs to stand still: a control group of its own, which takes a root to make."""

    def __init__(self, rotator: Rotator) -> None:
        self._group = _groups() / f"rotator-test-{rotator.pid}"
        self._group.mkdir()
        (self._group / "cgroup.procs").write_text(str(rotator.pid))

    def deny(self) -> None:
        """From now on there is none."""
        (self._group / "pids.max").write_text("1")

    def grant(self) -> None:
        """From now on there are enough."""
        (self._group / "pids.max").write_text("max")


def _groups() -> Path:
    """Where control groups that count threads are made: version 1 or 2."""
    old = Path("/sys/fs/cgroup/pids")
    return old if old.is_dir() else Path("/sys/fs/cgroup")


@pytest.fixture(autouse=True)
def _no_groups_left() -> Iterator[None]:
    yield
    for group in _groups().glob("rotator-test-*"):
        with suppress(OSError):  # one that is in use belongs to a test that runs beside this one
            group.rmdir()


def _may_group() -> bool:
    return os.access(_groups(), os.W_OK) and (_groups() / "cgroup.procs").exists()


needs_groups = pytest.mark.skipif(
    not _may_group(), reason="this user may not make control groups, and root's threads are limited by nothing else"
)


@pytest.mark.parametrize(
    "want",
    [
        pytest.param(Descriptors, id="r10 no descriptors"),
        pytest.param(Threads, id="r10 no threads", marks=needs_groups),
    ],
)
async def test_in_want_it_tells_so_keeps_what_is_there_and_goes_on_within_5_s_of_having_enough(
    site: Site, want: type[Descriptors | Threads]
) -> None:
    configuration = await site.prepare(["billing"])
    async with Rotator(configuration) as rotator:
        await rotator.says("token.delivered", count=2)
        first = site.file("billing").read_text()
        resources = want(rotator)
        resources.deny()
        # A new secret wants a new token; wherever that is held up, it is told.
        await site.store("billing", site.clients["billing"].secret.reveal())
        await rotator.until(lambda: any(event["level"] in {"warning", "error"} for event in rotator.events))
        assert rotator.runs
        assert site.file("billing").read_text() == first
        resources.grant()
        await rotator.says("token.delivered", sink=f"file:{site.file('billing')}", count=2, within=5)
        assert site.file("billing").read_text() != first
        rotator.signal(signal.SIGTERM)
        assert await rotator.ended() == 0


@needs_groups
async def test_without_a_thread_for_it_a_reload_is_refused_and_the_old_configuration_stays_r10_r05(site: Site) -> None:
    configuration = await site.prepare(["billing"])
    async with Rotator(configuration) as rotator:
        await rotator.says("daemon.ready")
        threads = Threads(rotator)
        threads.deny()
        rotator.signal(signal.SIGHUP)
        refused = await rotator.says("process.error", where="reload")
        assert refused["detail"].startswith("RuntimeError at ")
        threads.grant()
        rotator.signal(signal.SIGHUP)
        await rotator.says("config.reloaded", changed=[], within=5)


async def test_a_log_that_nobody_reads_holds_up_no_mint_and_what_does_not_fit_is_told_of_r12(site: Site) -> None:
    configuration = await site.prepare(["billing"])
    reading, writing = os.pipe()
    process = await asyncio.create_subprocess_exec(
        ROTATOR, "run", "-c", configuration, stderr=writing, env={**PASSED_ON, "ROTATOR_LOG__LEVEL": "debug"}
    )
    try:
        # Whoever shares the pipe has filled it to the brim: not one line of rotator's fits.
        os.set_blocking(writing, False)
        filled = _fill(writing)
        os.set_blocking(writing, True)
        await _until(lambda: site.file("billing").exists())
        await site.store("billing", site.clients["billing"].secret.reveal())
        await _until(lambda: site.requests() >= 2)
    finally:
        process.terminate()
        os.close(writing)
        with os.fdopen(reading, "rb") as log:
            told = await asyncio.to_thread(log.read)
        code = await process.wait()
    lines = [json.loads(line) for line in told[told.index(b"{") :].splitlines() if line.startswith(b"{")]
    assert filled > 0
    assert [line["event"] for line in lines].count("token.minted") == 2
    assert (lines[-1]["event"], code) == ("daemon.stopped", 0)


async def test_a_reader_of_the_log_who_leaves_and_comes_back_misses_lines_and_is_told_how_many_r12(site: Site) -> None:
    configuration = await site.prepare(["billing"])
    fifo = site.home / "log"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    writer = os.open(fifo, os.O_WRONLY)
    process = await asyncio.create_subprocess_exec(
        ROTATOR, "run", "-c", configuration, stderr=writer, env={**PASSED_ON}
    )
    os.close(writer)
    os.close(reader)
    try:
        await _until(lambda: site.file("billing").exists() and site.requests() == 1)
        told = os.fdopen(os.open(fifo, os.O_RDONLY | os.O_NONBLOCK), "rb", buffering=0)
        await site.store("billing", site.clients["billing"].secret.reveal())
        await _until(lambda: site.requests() == 2)
    finally:
        process.terminate()
        code = await process.wait()
    lines = [json.loads(line) for line in told.read().splitlines()]
    told.close()
    dropped = [line["total"] for line in lines if line["event"] == "log.dropped"]
    assert code == 0
    assert dropped[-1] >= 5, "started, loaded, logged in, minted, delivered"
    assert [line["reason"] for line in lines if line["event"] == "token.minted"] == ["inputs_changed"]


async def test_a_log_that_has_gone_for_good_spoils_neither_a_mint_nor_the_exit_code_r12_r04(site: Site) -> None:
    configuration = await site.prepare(["billing"])
    reading, writing = os.pipe()
    async with _running(ROTATOR, "run", "-c", configuration, stderr=writing) as process:
        os.close(writing)
        os.close(reading)
        await _until(lambda: site.file("billing").exists())
        process.terminate()
        assert await asyncio.wait_for(process.wait(), DEADLINE) == 0


async def test_a_sigterm_in_the_middle_of_a_mint_loses_no_token_r04(site: Site) -> None:
    configuration = await site.prepare(["billing"])
    async with FaultProxy(port_of(site.oidc.token_url)) as proxy:
        proxy.fault = Fault(latency=1.0)
        text = configuration.read_text().replace(site.oidc.issuer, f"http://127.0.0.1:{proxy.port}")
        configuration.write_text(text)
        async with Rotator(configuration) as rotator:
            await _until(lambda: proxy.accepted > 0)
            rotator.signal(signal.SIGTERM)
            assert await rotator.ended() == 0
            assert rotator.named("daemon.draining")
            assert len(rotator.named("token.delivered")) == 2
    assert site.file("billing").read_text() == (await site.document("billing"))["access_token"]


async def test_it_starts_no_process_and_as_pid_1_it_ends_on_sigterm_r14(site: Site) -> None:
    tried = await asyncio.create_subprocess_exec(
        "unshare", "--pid", "--fork", "true", stderr=asyncio.subprocess.DEVNULL
    )
    if await tried.wait() != 0:
        pytest.skip("this user may not make process namespaces (unshare --pid), so nothing can be PID 1")
    configuration = await site.prepare(["billing"])
    async with Rotator(configuration, under=["unshare", "--pid", "--fork", "--kill-child"]) as unshare:
        started = await unshare.says("daemon.started")
        await unshare.says("token.delivered", count=2)
        (pid,) = _children(unshare.pid)
        assert (started["pid"], _children(pid)) == (1, [])
        os.kill(pid, signal.SIGTERM)
        assert await unshare.ended() == 0
        assert unshare.events[-1]["event"] == "daemon.stopped"


def _children(pid: int) -> list[int]:
    threads = Path(f"/proc/{pid}/task").iterdir()
    return [int(child) for thread in threads for child in (thread / "children").read_text().split()]


def _fill(descriptor: int) -> int:
    filled = 0
    while True:
        try:
            filled += os.write(descriptor, b"\n")
        except BlockingIOError:
            return filled


async def _until(reached: Callable[[], Any]) -> None:
    async with asyncio.timeout(DEADLINE):
        while not reached():  # noqa: ASYNC110  files and other processes set no event
            await asyncio.sleep(0.05)
