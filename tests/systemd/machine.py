"""A machine in a container: systemd boots in it, and commands are run in it as root. It shares our network."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rotator.demo import lifeline

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence

DEADLINE = 60.0
ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/opt/rotator/bin",
    "LANG": "C.UTF-8",
    "HOME": "/root",
    "DEBIAN_FRONTEND": "noninteractive",
}
HANG = Path(__file__).with_name("hang.py")


class CommandError(Exception):
    """A command in the machine failed."""


class Machine:
    """One boot of a root directory.

    Args:
        root: Spoilt by it.
        binds: What of ours it may read: our path to the machine's.
        console: Gets what is said on the console.
    """

    def __init__(self, root: Path, binds: Mapping[Path, str], console: Path) -> None:
        self._root = root
        self._binds = binds
        self._console = console
        self._process: subprocess.Popen[bytes] | None = None
        self._leader = 0

    def switch_on(self) -> None:
        """Let it boot; `off` ends it."""
        # A host that mounts the old cgroup hierarchies would hand them on, and a new systemd refuses to boot there.
        unified = {"SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1", "PATH": os.environ["PATH"]}
        with self._console.open("wb") as console:
            self._process = subprocess.Popen(
                self._command(),
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=console,
                env=unified,
                process_group=0,  # Ctrl-C is for us, who switch it off
            )

    async def booted(self) -> None:
        """Return when systemd has started everything."""
        await self.until(self._is_up, "the machine to boot")

    def _command(self) -> list[str]:
        binds = [f"--bind-ro={ours}:{theirs}" for ours, theirs in self._binds.items()]
        # It is tied to our life, and no systemd on the host is needed.
        dies_with_us = [sys.executable, "-I", "-S", lifeline.__file__, str(os.getpid())]
        nspawn = ["/usr/bin/systemd-nspawn", "--quiet", f"--directory={self._root}", "--boot", "--register=no"]
        return [*dies_with_us, *nspawn, "--keep-unit", "--console=pipe", *binds]

    async def _is_up(self) -> bool:
        self._leader = self._first_process()
        if self._leader == 0:
            return False
        code, said, _ = await self.tried("systemctl", "is-system-running")
        assert "degraded" not in said, await self.output("systemctl", "--failed", "--no-legend")
        return code == 0

    def _first_process(self) -> int:
        """The machine's PID 1, as we number it; 0 when it is not there yet."""
        assert self._process is not None
        assert self._process.poll() is None, f"the machine ended; its console: {self._console.read_text()[-3000:]}"
        pid = self._process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return int(children[0]) if len(children) == 1 else 0

    def off(self) -> None:
        """Shut it down in order, as nspawn does when it is told to end; or else at once."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(DEADLINE)
        finally:
            self._process.kill()
            self._process.wait()

    async def tried(self, *command: str, text: str = "", env: Mapping[str, str] | None = None) -> tuple[int, str, str]:
        """Run a command: exit code, standard output, standard error."""
        process = await self._start(command, env or {})
        async with asyncio.timeout(DEADLINE * 3):
            out, err = await process.communicate(text.encode())
        assert process.returncode is not None
        return process.returncode, out.decode(), err.decode()

    async def output(self, *command: str, text: str = "", env: Mapping[str, str] | None = None) -> str:
        """Standard output of a command.

        Raises:
            CommandError: It failed.
        """
        code, out, err = await self.tried(*command, text=text, env=env)
        if code:
            raise CommandError(f"{' '.join(command)} ended with {code}: {out[-2000:]}\n{err[-2000:]}")
        return out

    async def script(self, commands: str, env: Mapping[str, str] | None = None) -> str:
        """Run shell commands up to the first that fails, in the directory with the sources.

        Raises:
            CommandError: One failed.
        """
        return await self.output("bash", "-euxo", "pipefail", "-c", f"cd /usr/src/rotator\n{commands}", env=env)

    async def show(self, *properties: str, unit: str = "rotator.service") -> dict[str, str]:
        """Properties of a unit; all when none is named."""
        only = [f"--property={','.join(properties)}"] if properties else []
        lines = (await self.output("systemctl", "show", unit, *only)).splitlines()
        return dict(line.split("=", 1) for line in lines if "=" in line)

    async def main_pid(self) -> int:
        """The main process of rotator, as the machine numbers it; 0 when there is none."""
        return int((await self.show("MainPID"))["MainPID"])

    async def signal(self, name: str, pid: int) -> None:
        """Send a signal to a process."""
        assert pid > 0, "there is no such process"
        await self.output("bash", "-c", f"kill -{name} {pid}")

    async def told(self, event: str) -> list[dict[str, Any]]:
        """What rotator has logged of this name since the boot."""
        await self.output("journalctl", "--sync")
        lines = (await self.output("journalctl", "--unit=rotator", "--output=cat", "--boot")).splitlines()
        logged = [json.loads(line) for line in lines if line.startswith("{")]
        return [one for one in logged if one.get("event") == event]

    async def read(self, path: str) -> str:
        """A file's content."""
        return await self.output("cat", path)

    async def write(self, path: str, content: str, mode: str = "0644") -> None:
        """Write a file."""
        await self.output("install", "-D", "-m", mode, "/dev/stdin", path, text=content)

    @asynccontextmanager
    async def hung(self, pid: int) -> AsyncIterator[None]:
        """Hold the main thread of a process, and no other, where it is; until the block or the process ends."""
        process = await self._start(("python3", "-I", "-c", HANG.read_text(), str(pid)), {})
        assert process.stdout is not None
        try:
            async with asyncio.timeout(DEADLINE):
                assert await process.stdout.readline() == b"hung\n", await process.communicate()
            yield
        finally:
            with suppress(ProcessLookupError):  # it ended with the process that it held
                os.killpg(process.pid, signal.SIGKILL)  # nsenter waits for a child of its own
            await process.communicate()

    async def until(
        self, reached: Callable[[], Awaitable[bool]], what: str, within: float = DEADLINE, unit: str = "rotator"
    ) -> None:
        """Wait for a state of another process."""
        try:
            async with asyncio.timeout(within):
                while not await reached():  # noqa: ASYNC110  it is another process
                    await asyncio.sleep(0.05)
        except TimeoutError:
            status = (await self.tried("systemctl", "status", "--no-pager", unit))[1]
            raise AssertionError(f"waited {within:g} s for {what}, in vain:\n{status}") from None

    async def _start(self, command: Sequence[str], env: Mapping[str, str]) -> asyncio.subprocess.Process:
        pipe = asyncio.subprocess.PIPE
        enter = ("nsenter", f"--target={self._leader}", "--all", "--")
        return await asyncio.create_subprocess_exec(
            *enter,
            *command,
            stdin=pipe,
            stdout=pipe,
            stderr=pipe,
            env={**ENVIRONMENT, **env},
            cwd="/",
            start_new_session=True,
        )
