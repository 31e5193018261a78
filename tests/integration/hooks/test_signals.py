"""Signals after a write, to real processes: only to the one that the pid file means, if nobody else wrote it."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import tempfile
import textwrap
import time
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from rotator.core.errors import Code, RotationError
from rotator.core.model import Moment
from rotator.engine.clock import SystemClock
from rotator.hooks.signalling import SignalHook
from tests.integration.hooks.bench import occasion, until

if TYPE_CHECKING:
    from collections.abc import Iterator

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can run processes of other users")

SERVICE = textwrap.dedent(
    """
    import os, signal, sys
    def heard(number, frame):
        os.write(1, f"{signal.Signals(number).name}\\n".encode())
    for number in (signal.SIGHUP, signal.SIGUSR1):
        signal.signal(number, heard)
    os.write(1, b"ready\\n")
    while True:
        signal.pause()
    """
)


def whose(uid: int) -> list[str]:
    return [f"--reuid={uid}", f"--regid={uid}", "--clear-groups"]


class Service:
    """A process that says which signals it gets."""

    def __init__(self, uid: int) -> None:
        # Not the tests' own interpreter for another user, who need not get to where that lies.
        python = [sys.executable] if uid == os.geteuid() else ["/usr/bin/setpriv", *whose(uid), "/usr/bin/python3"]
        self._process = subprocess.Popen([*python, "-c", SERVICE], stdout=subprocess.PIPE, cwd="/")
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == b"ready\n"
        self.pid = self._process.pid

    def heard(self) -> str:
        """The next signal that it has got."""
        assert self._process.stdout is not None
        return self._process.stdout.readline().decode().strip()

    def end(self) -> None:
        self._process.kill()
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()


@contextmanager
def running(uid: int | None = None) -> Iterator[Service]:
    service = Service(os.geteuid() if uid is None else uid)
    try:
        yield service
    finally:
        service.end()


def pid_file(home: Path, text: object) -> Path:
    file = home / "service.pid"
    file.write_text(f"{text}\n")
    file.chmod(0o644)
    return file


def hook(file: Path, number: signal.Signals = signal.SIGHUP) -> SignalHook:
    return SignalHook(file, number, SystemClock())


async def fails(file: Path) -> RotationError:
    with pytest.raises(RotationError) as caught:
        await hook(file).run(occasion())
    return caught.value


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGUSR1])
async def test_the_process_gets_its_signal(tmp_path: Path, number: signal.Signals) -> None:
    with running() as service:
        await hook(pid_file(tmp_path, service.pid), number).run(occasion())
        assert service.heard() == number.name


async def test_the_first_line_names_the_process_as_postgresql_has_it(tmp_path: Path) -> None:
    with running() as service:
        await hook(pid_file(tmp_path, f"{service.pid}\n/var/lib/postgresql\n1700000000")).run(occasion())
        assert service.heard() == "SIGHUP"


@pytest.mark.parametrize("text", ["", "1", "0", "-1", "abc", "12 34", "0x10", "99999999999", "\u0661\u0662\u0663"])
async def test_a_file_that_names_no_process_signals_nobody(tmp_path: Path, text: str) -> None:
    error = await fails(pid_file(tmp_path, text))
    assert (error.code, "holds no process id above 1" in error.detail) == (Code.HOOK_TARGET, True)


async def test_a_number_that_no_process_can_have_signals_nobody(tmp_path: Path) -> None:
    assert (await fails(pid_file(tmp_path, 9999999))).code is Code.HOOK_TARGET


async def test_a_file_that_is_not_there_is_told_and_may_come(tmp_path: Path) -> None:
    error = await fails(tmp_path / "service.pid")
    assert (error.code, "cannot be read: ENOENT" in error.detail) == (Code.HOOK_TARGET, True)
    await hook(tmp_path / "service.pid").check()


async def test_f12_a_pipe_in_the_place_of_the_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "service.pid", 0o644)
    async with asyncio.timeout(2):
        assert (await fails(tmp_path / "service.pid")).code is Code.HOOK_TARGET


async def test_a_process_that_has_ended_is_told(tmp_path: Path) -> None:
    with running() as service:
        file = pid_file(tmp_path, service.pid)
    error = await fails(file)
    assert (error.code, "which has ended" in error.detail) == (Code.HOOK_TARGET, True)


async def test_a_number_that_was_given_to_another_process_signals_nobody(tmp_path: Path) -> None:
    with running() as service:
        file = pid_file(tmp_path, service.pid)
        before = time.time() - 3600  # noqa: TID251  the file's time is the machine's
        os.utime(file, (before, before))
        error = await fails(file)
        assert error.code is Code.HOOK_TARGET
        assert f"before process {service.pid} began" in error.detail
        await hook(pid_file(tmp_path, service.pid), signal.SIGUSR1).run(occasion())
        assert service.heard() == "SIGUSR1"


async def test_c01_a_clock_that_was_set_back_since_signals_nobody_wrong(tmp_path: Path) -> None:
    """The clock was ahead while the file was written: it only looks too young, and is believed."""

    class Behind(SystemClock):
        def now(self) -> Moment:
            now = super().now()
            return Moment(now.wall - timedelta(hours=1), now.elapsed)

    with running() as service:
        await SignalHook(pid_file(tmp_path, service.pid), signal.SIGHUP, Behind()).run(occasion())
        assert service.heard() == "SIGHUP"


@pytest.mark.parametrize("mode", [0o666, 0o664, 0o646])
async def test_a_file_that_others_may_write_signals_nobody(tmp_path: Path, mode: int) -> None:
    with running() as service:
        file = pid_file(tmp_path, service.pid)
        file.chmod(mode)
        error = await fails(file)
        assert error.code is Code.HOOK_UNSAFE
        assert f"{file} has mode {mode:04o}" in error.detail


@pytest.mark.parametrize("mode", [0o777, 0o1777])
async def test_a_directory_that_everybody_may_write_to_signals_nobody(tmp_path: Path, mode: int) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run").chmod(mode)
    with running() as service:
        error = await fails(pid_file(tmp_path / "run", service.pid))
    assert error.code is Code.HOOK_UNSAFE
    assert f"run has mode {mode:04o}" in error.detail


async def test_f08_a_link_is_not_followed(tmp_path: Path) -> None:
    with running() as service:
        (tmp_path / "link.pid").symlink_to(pid_file(tmp_path, service.pid))
        error = await fails(tmp_path / "link.pid")
    assert (error.code, "it is a symbolic link" in error.detail) == (Code.HOOK_TARGET, True)


@as_root
async def test_a_service_may_write_the_number_of_its_own_process(tmp_path: Path) -> None:
    home = tmp_path / "run"
    home.mkdir()
    with running(uid=4711) as service:
        file = pid_file(home, service.pid)
        for path in (home, file):
            os.chown(path, 4711, 4711)
        await hook(file).run(occasion())
        assert service.heard() == "SIGHUP"


@as_root
@pytest.mark.parametrize("whose", ["file", "directory"])
async def test_a_user_cannot_direct_a_signal_to_the_process_of_another(tmp_path: Path, whose: str) -> None:
    home = tmp_path / "run"
    home.mkdir()
    with running(uid=4711) as service:
        file = pid_file(home, service.pid)
        os.chown(file if whose == "file" else home, 4712, 4712)
        error = await fails(file)
    assert error.code is Code.HOOK_UNSAFE
    assert "could be made to name any process by uid 4712" in error.detail


UNPRIVILEGED = textwrap.dedent(
    """
    import asyncio, os, signal, sys
    from pathlib import Path
    os.chdir("/")
    from rotator.core.errors import RotationError
    from rotator.engine.clock import SystemClock
    from rotator.hooks.signalling import SignalHook
    from tests.integration.hooks.bench import occasion
    os.setgroups([]); os.setgid(4711); os.setuid(4711)
    try:
        asyncio.run(SignalHook(Path(sys.argv[1]), signal.SIGHUP, SystemClock()).run(occasion()))
    except RotationError as error:
        print(error.code.name, error.detail)
    """
)


@as_root
def test_a_signal_that_may_not_be_sent_is_told() -> None:
    with tempfile.TemporaryDirectory() as name, running() as service:
        home = Path(name)
        home.chmod(0o755)
        command = [sys.executable, "-c", UNPRIVILEGED, str(pid_file(home, service.pid))]
        told = subprocess.run(command, capture_output=True, text=True, check=False, env={"PYTHONPATH": "."})
    assert told.stdout.startswith("HOOK_DENIED"), told.stderr
    assert "which uid 4711 may not signal" in told.stdout


async def test_nothing_stays_open(tmp_path: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    with running() as service:
        for _ in range(5):
            await hook(pid_file(tmp_path, service.pid)).run(occasion())
            await fails(pid_file(tmp_path, "none"))
            assert service.heard() == "SIGHUP"
    await until(lambda: len(os.listdir("/proc/self/fd")) == before, "as many open files as before")  # noqa: PTH208


def test_the_name_tells_the_file(tmp_path: Path) -> None:
    assert hook(tmp_path / "x.pid").name == f"signal:{tmp_path}/x.pid"
