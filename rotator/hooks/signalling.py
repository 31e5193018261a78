"""A signal to the process that a pid file names, once it is certain that it names the right one.

A pid file is a number that somebody wrote down. Whoever can write it decides who is signalled, so only root, rotator's
own user and the process's own user may. And the number may have been given to another process since: that one then
began after the file was written.
"""

from __future__ import annotations

import asyncio
import errno
import os
import re
import signal
import stat
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, NoReturn

from rotator.core.errors import Code, RotationError
from rotator.core.model import rfc3339
from rotator.wire.threads import in_thread

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from rotator.core.ports import Clock
    from rotator.hooks.port import Occasion

DEADLINE = 5.0
"""Seconds for all of it; more than this takes only a disk that hangs."""

LARGEST = 4096
"""Bytes of a pid file; PostgreSQL's has several lines, of which the first is the process."""

WRITTEN_BEFORE_IT_BEGAN = 2.0
"""Seconds by which a process may seem to have begun after its file was written: clocks of files and processes tick."""

_START_TIME = 19
"""Fields between the program's name and `starttime` in /proc/PID/stat (proc_pid_stat(5), field 22)."""


class _PidFile(NamedTuple):
    """What a pid file says, and who could have written it."""

    pid: int
    writers: frozenset[int]
    written: float


class _Process(NamedTuple):
    """Whose a process is, and when it began, in seconds on CLOCK_BOOTTIME."""

    uid: int
    began: float


@dataclass(frozen=True, slots=True)
class SignalHook:
    """A signal to a process.

    Attributes:
        pid_file: Absolute path.
        signal: Which one.
        clock: Time; its elapsed clock is CLOCK_BOOTTIME, as that of processes is.
    """

    pid_file: Path
    signal: signal.Signals
    clock: Clock = field(repr=False)
    kind = "signal"

    @property
    def name(self) -> str:
        """See `rotator.hooks.port.Hook`."""
        return f"signal:{self.pid_file}"

    async def run(self, occasion: Occasion) -> None:  # noqa: ARG002  a signal carries no news
        """See `rotator.hooks.port.Hook`.

        Raises:
            RotationError: HOOK_TARGET, HOOK_UNSAFE, HOOK_DENIED, HOOK_TIMEOUT.
        """
        try:
            async with asyncio.timeout(DEADLINE):
                await in_thread(self._send, "signal of a hook")
        except TimeoutError:
            detail = f"{self.pid_file} could not be read within {DEADLINE:g} s: see whether its disk hangs"
            raise RotationError(Code.HOOK_TIMEOUT, detail) from None

    async def check(self) -> None:
        """See `rotator.hooks.port.Hook`. There may be no process yet, and no file; both come with the service."""

    def _send(self) -> None:
        file = _read(self.pid_file)
        try:
            process = os.pidfd_open(file.pid)
        except ProcessLookupError:
            self._refuse(Code.HOOK_TARGET, f"names process {file.pid}, which has ended: the service does not run")
        except OSError as error:
            self._refuse(Code.HOOK_TARGET, f"names {file.pid}, which cannot be signalled: {_reason(error)}")
        try:
            self._check(file, self._look(file.pid))
            # To the one that was there when it was opened: if that has ended since, nobody is signalled.
            signal.pidfd_send_signal(process, self.signal)
        except ProcessLookupError:
            self._refuse(Code.HOOK_TARGET, f"names process {file.pid}, which has just ended")
        except PermissionError:
            what = f"names process {file.pid}, which uid {os.geteuid()} may not signal; wanted its own user or CAP_KILL"
            self._refuse(Code.HOOK_DENIED, what)
        finally:
            os.close(process)

    def _look(self, pid: int) -> _Process:
        try:
            fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
            said = Path(f"/proc/{pid}/status").read_bytes()
        except OSError as error:
            what = f"names process {pid}, at which uid {os.geteuid()} cannot look ({_reason(error)})"
            self._refuse(Code.HOOK_DENIED, f"{what}; wanted a process below /proc: hidepid or ProtectProc= hides it")
        found = re.search(rb"^Uid:\s+[0-9]+\s+([0-9]+)", said, re.MULTILINE)
        uid = int(found[1]) if found else -1
        return _Process(uid, int(fields[_START_TIME]) / os.sysconf("SC_CLK_TCK"))

    def _check(self, file: _PidFile, process: _Process) -> None:
        """See that nobody directs the signal to somebody else's process, and that the file is about this one."""
        if strangers := file.writers - {0, os.geteuid(), process.uid}:
            self._refuse(
                Code.HOOK_UNSAFE,
                f"could be made to name any process by uid {min(strangers)}; wanted a file and a directory of root, of "
                f"uid {os.geteuid()} or of uid {process.uid}, whose process {file.pid} is",
            )
        now = self.clock.now()
        began = now.at(process.began)
        written = now.wall + timedelta(seconds=file.written - now.wall.timestamp())
        if began > written + timedelta(seconds=WRITTEN_BEFORE_IT_BEGAN):
            self._refuse(Code.HOOK_TARGET, _stale(file.pid, written, began))

    def _refuse(self, code: Code, what: str) -> NoReturn:
        raise RotationError(code, f"the pid file {self.pid_file} {what}") from None


def _stale(pid: int, written: datetime, began: datetime) -> str:
    return (
        f"was written at {rfc3339(written)}, before process {pid} began at {rfc3339(began)}: the number has been given "
        "to another process, or the clock was set since; start the service again"
    )


def _read(path: Path) -> _PidFile:
    """What the file says.

    Raises:
        RotationError: HOOK_TARGET when it says nothing of use; HOOK_UNSAFE when everybody could write it.
    """
    try:
        directory = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            opened = os.open(path.name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=directory)
            around = os.fstat(directory)
        finally:
            os.close(directory)
        with os.fdopen(opened, "rb") as file:
            status = os.fstat(opened)
            text = file.read(LARGEST) if stat.S_ISREG(status.st_mode) else b""
    except OSError as error:
        why = "it is a symbolic link" if error.errno == errno.ELOOP else _reason(error)
        raise RotationError(Code.HOOK_TARGET, f"the pid file {path} cannot be read: {why}") from None
    _refuse_open(path, ((path, status), (path.parent, around)))
    # Linux gives no number above 4194304 (proc_sys_kernel(5), pid_max).
    found = re.match(rb"\s*([1-9][0-9]{0,6})\s*(?:\n|\Z)", text)
    if found is None or int(found[1]) == 1:
        raise RotationError(Code.HOOK_TARGET, f"the pid file {path} holds no process id above 1 in its first line")
    return _PidFile(int(found[1]), frozenset({status.st_uid, around.st_uid}), status.st_mtime)


def _refuse_open(path: Path, parts: Iterable[tuple[Path, os.stat_result]]) -> None:
    for part, status in parts:
        # A directory's group is often that of those who administrate the service; its file's has no reason to write.
        open_to = 0o002 if stat.S_ISDIR(status.st_mode) else 0o022
        if status.st_mode & open_to:
            mode = f"{stat.S_IMODE(status.st_mode):04o}"
            raise RotationError(
                Code.HOOK_UNSAFE,
                f"the pid file {path} could be made to name any process: {part} has mode {mode}, so that others can "
                f"write to it; `chmod go-w {part}`, or let the service write its pid file elsewhere",
            )


def _reason(error: OSError) -> str:
    return errno.errorcode.get(error.errno or 0, "the system gave no reason")
