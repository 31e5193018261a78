"""A command after a write: without a shell, in an environment of its own, with the token only where it is asked for."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import stat
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from rotator.core.errors import Code, RotationError
from rotator.hooks import child
from rotator.hooks.output import SHOWN, shown
from rotator.wire.threads import in_thread

if TYPE_CHECKING:
    from rotator.hooks.port import Occasion

ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"}
"""Of every command; nothing comes from rotator's own environment, in which there may be secrets."""

SYSTEMCTL = "/usr/bin/systemctl"

CHECKED_WITHIN = 5.0
"""Seconds for a look at a file."""


@dataclass(frozen=True, slots=True)
class ExecHook:
    """A command.

    It is told of the write by ROTATOR_CREDENTIAL, ROTATOR_SINK, ROTATOR_FINGERPRINT and ROTATOR_EXPIRES_AT. A process
    of the same user can read another's environment, and everybody can read its arguments: that is why the token is in
    neither of them unless `token_env` says so, and why `token_stdin` is the better choice.

    Attributes:
        command: Absolute path, and arguments.
        deadline: Seconds; then it is ended, and its process group with it.
        token_stdin: Whether its standard input is the token, with nothing before or after it; else it is empty.
        token_env: The environment variable that holds the token; None for none.
        kind: `exec`, or what this one stands for.
        target: As its name has it; the command's path when empty. Arguments may hold what is nobody's business.
    """

    command: tuple[str, ...]
    deadline: float = 10.0
    token_stdin: bool = False
    token_env: str | None = None
    kind: str = "exec"
    target: str = ""

    @property
    def name(self) -> str:
        """See `rotator.hooks.port.Hook`."""
        return f"{self.kind}:{self.target or self.command[0]}"

    async def run(self, occasion: Occasion) -> None:
        """See `rotator.hooks.port.Hook`.

        Raises:
            RotationError: HOOK_COMMAND, HOOK_UNSAFE, HOOK_FAILED, HOOK_TIMEOUT.
        """
        token = occasion.record.access_token.reveal()
        environ = ENVIRONMENT | {f"ROTATOR_{key.upper()}": value for key, value in occasion.told().items()}
        if self.token_env is not None:
            environ[self.token_env] = token
        ended: child.Ended | RotationError
        try:
            ended = await child.run(
                self.command,
                environ,
                self.deadline,
                given=token.encode() if self.token_stdin else None,
                keep=SHOWN + len(token),
                guard=partial(refuse_unsafe, self.command[0]),
            )
        except (OSError, ValueError) as error:
            ended = self._not_started(error)
        if isinstance(ended, RotationError):
            raise ended  # not above: even `from None` would carry the other one along, which holds the command
        self._judge(ended, shown(ended.said, torn=ended.torn, token=token))

    async def check(self) -> None:
        """See `rotator.hooks.port.Hook`.

        Raises:
            RotationError: HOOK_COMMAND, HOOK_UNSAFE, HOOK_TIMEOUT.
        """
        try:
            async with asyncio.timeout(CHECKED_WITHIN):
                await in_thread(partial(refuse_unsafe, self.command[0]), "check of a hook")
        except TimeoutError:
            detail = f"{self.command[0]} could not be looked at within {CHECKED_WITHIN:g} s: see whether its disk hangs"
            raise RotationError(Code.HOOK_TIMEOUT, detail) from None

    def _judge(self, ended: child.Ended, said: str) -> None:
        words = f"; it said: {said}" if said else "; it said nothing"
        who = f"{self.kind} {self.target or self.command[0]}"
        if ended.status is None:
            left = ", and could not be killed" if ended.left else ", and was killed with all that it had started"
            detail = f"{who} had not ended after {self.deadline:g} s{left}{words}"
            raise RotationError(Code.HOOK_TIMEOUT, detail)
        if ended.status:
            how = f"exit code {ended.status}" if ended.status > 0 else _signal_name(-ended.status)
            raise RotationError(Code.HOOK_FAILED, f"{who} ended with {how}{words}")

    def _not_started(self, error: Exception) -> RotationError:
        """Its words are left behind: they hold the command and its arguments."""
        path = self.command[0]
        if isinstance(error, TimeoutError):
            detail = f"{path} could not be started within {self.deadline:g} s: see whether its disk hangs"
            return RotationError(Code.HOOK_TIMEOUT, detail)
        number = error.errno if isinstance(error, OSError) else None
        if number == errno.ENOEXEC:
            return RotationError(Code.HOOK_COMMAND, f"{path} is no program; a script begins with #! and an interpreter")
        if number in {errno.ENOENT, errno.EACCES, errno.ENOTDIR, errno.ELOOP}:
            name = errno.errorcode[number]
            return RotationError(Code.HOOK_COMMAND, f"{path}, or its interpreter (#!), cannot be executed: {name}")
        name = errno.errorcode.get(number or 0, "no process or thread is to be had")
        return RotationError(Code.HOOK_FAILED, f"{path} could not be started: {name}")


def systemd_hook(unit: str, action: str, deadline: float) -> ExecHook:
    """A job for a unit, by `systemctl`, which waits until it is done and tells whether it was.

    Args:
        unit: With its suffix: `app.service`.
        action: A command of systemctl(1) that takes a unit: `reload`, `try-restart`, …
        deadline: Seconds.
    """
    command = (SYSTEMCTL, "--no-ask-password", "--quiet", action, "--", unit)
    return ExecHook(command, deadline, kind="systemd", target=unit)


def refuse_unsafe(path: str) -> None:
    """See that a file is a program which only root and rotator's own user can change.

    Raises:
        RotationError: HOOK_COMMAND, HOOK_UNSAFE.
    """
    try:
        status = Path(path).stat()
    except OSError as error:
        name = errno.errorcode.get(error.errno or 0, "no reason given")
        raise RotationError(Code.HOOK_COMMAND, f"{path} cannot be looked at: {name}; wanted a program") from None
    if not stat.S_ISREG(status.st_mode):
        raise RotationError(Code.HOOK_COMMAND, f"{path} is no plain file; wanted a program")
    if not os.access(path, os.X_OK):
        raise RotationError(
            Code.HOOK_COMMAND, f"{path} may not be executed by uid {os.geteuid()}; wanted a program: `chmod a+x {path}`"
        )
    if status.st_uid not in {0, os.geteuid()}:
        raise RotationError(
            Code.HOOK_UNSAFE,
            f"{path} belongs to uid {status.st_uid}, who could change what rotator runs; wanted root or uid "
            f"{os.geteuid()}: `chown root {path}`",
        )
    if status.st_mode & 0o022:
        raise RotationError(
            Code.HOOK_UNSAFE,
            f"{path} has mode {stat.S_IMODE(status.st_mode):04o}: others could change what rotator runs: "
            f"`chmod go-w {path}`",
        )


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
