"""What others on the same machine learn of the running process: seen through /proc, while it waits for Vault."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from tests.support.canary import Searcher, canary
from tests.support.process import DEADLINE, PASSED_ON, ROTATOR

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="/proc, prctl and setpriv are Linux's")

TOKEN = canary("the Vault token")
COMMANDS = [["run"], ["rotate"], ["plan"], ["check", "--live"]]
AS_A_USER = ("setpriv", "--bounding-set=-sys_ptrace,-perfmon,-sys_admin") if os.geteuid() == 0 else ()
"""Root may look into every process; without these capabilities, it is a user like others."""


@dataclass
class SilentVault:
    """Accepts, and answers nothing; it remembers what it was told."""

    address: str = ""
    told: bytes = b""
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[SilentVault]:
        server = await asyncio.start_server(self._hear, "127.0.0.1", 0)
        self.address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with server:
            yield self

    async def _hear(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.told += await reader.readuntil(b"\r\n\r\n")
        self._changed.set()
        await reader.read()
        writer.close()

    async def until_told(self, secret: str, times: int = 1) -> None:
        async with asyncio.timeout(DEADLINE):
            while self.told.count(secret.encode()) < times:
                self._changed.clear()
                await self._changed.wait()


@pytest_asyncio.fixture
async def vault() -> AsyncIterator[SilentVault]:
    async with SilentVault().serving() as silent:
        yield silent


def configuration(home: Path, vault: SilentVault, variable: str = "VAULT_TOKEN", timeout: str = "30s") -> Path:
    file = home / "config.toml"
    file.write_text(
        f'state_dir = "{home}/state"\n[vault]\naddress = "{vault.address}"\ntimeout = "{timeout}"\n'
        f'[vault.auth]\nmethod = "token"\ntoken_env = "{variable}"\n'
        '[providers.thx]\ntoken_url = "https://auth.thx.network/token"\n'
        '[credentials.billing]\nprovider = "thx"\nsource = { type = "vault", path = "secret/apps/billing" }\n'
        f'sinks = [{{ type = "file", path = "{home}/billing.token" }}]\n'
    )
    return file


@asynccontextmanager
async def waiting(command: Sequence[str], file: Path, vault: SilentVault, token: str, **env: str) -> AsyncIterator[int]:
    """The id of a process that has shown Vault its token and waits for an answer."""
    process = await asyncio.create_subprocess_exec(
        *AS_A_USER,
        ROTATOR,
        *command,
        "-c",
        file,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
        env={**PASSED_ON, **env},
    )
    try:
        await vault.until_told(token)
        yield process.pid
    finally:
        process.kill()
        await process.wait()


def of(pid: int, name: str) -> str:
    return Path(f"/proc/{pid}/{name}").read_text(errors="surrogateescape")


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
async def test_a_waiting_process_is_closed_to_others(tmp_path: Path, vault: SilentVault, command: list[str]) -> None:
    file = configuration(tmp_path, vault)
    async with waiting(command, file, vault, TOKEN, VAULT_TOKEN=TOKEN) as pid:
        limits = {line[:26].strip(): line[26:].split() for line in of(pid, "limits").splitlines()}
        assert limits["Max core file size"][:2] == ["0", "0"]
        assert "Umask:\t0077\n" in of(pid, "status")
        assert await read_by_another(f"/proc/{pid}/environ") == "refused"
        assert await read_by_another(f"/proc/{pid}/maps") == "refused"


async def test_another_may_read_a_process_that_is_not_closed() -> None:
    """Or the test above would show nothing."""
    sleeper = await asyncio.create_subprocess_exec(*AS_A_USER, "sleep", "60", env={"A": "b"})
    try:
        async with asyncio.timeout(DEADLINE):
            while of(sleeper.pid, "comm") != "sleep\n":  # noqa: ASYNC110  what is waited for is another process
                await asyncio.sleep(0.01)
        assert await read_by_another(f"/proc/{sleeper.pid}/environ") == "read"
    finally:
        sleeper.kill()
        await sleeper.wait()


async def read_by_another(path: str) -> str:
    """What a process of the same user gets, which has no right to look into others."""
    cat = await asyncio.create_subprocess_exec(
        *AS_A_USER, "cat", path, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE, env={}
    )
    _, said = await cat.communicate()
    if cat.returncode:
        assert b"Permission denied" in said
    return "refused" if cat.returncode else "read"


needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root reads /proc of a process that is closed")


@needs_root
@pytest.mark.parametrize(("command", "variable"), [(["run"], "VAULT_TOKEN"), (["rotate"], "OUR_OWN")])
async def test_g06_the_token_that_was_read_from_the_environment_is_neither_there_nor_in_the_arguments(
    tmp_path: Path, vault: SilentVault, command: list[str], variable: str
) -> None:
    file = configuration(tmp_path, vault, variable)
    async with waiting(command, file, vault, TOKEN, LAST="kept", **{variable: TOKEN}) as pid:
        assert Searcher({"the token": TOKEN}).look_at_process(pid) == []
        assert "LAST=kept\0" in of(pid, "environ")
        assert variable not in of(pid, "environ")


@needs_root
async def test_g06_g09_a_vault_token_that_nobody_asked_for_is_removed_as_well(
    tmp_path: Path, vault: SilentVault
) -> None:
    file = configuration(tmp_path, vault, "OUR_OWN")
    unused = {"VAULT_TOKEN": canary("unused"), "BAO_TOKEN": canary("unused, too")}
    async with waiting(["run"], file, vault, TOKEN, OUR_OWN=TOKEN, **unused) as pid:
        assert Searcher(unused).look_at_process(pid) == []
        assert Searcher(unused).look(vault.told, "what Vault was told") == []


@needs_root
async def test_g06_every_login_finds_the_token_again_and_a_reload_the_one_that_it_names(
    tmp_path: Path, vault: SilentVault
) -> None:
    file = configuration(tmp_path, vault, timeout="500ms")
    other = canary("another token")
    async with waiting(["run"], file, vault, TOKEN, VAULT_TOKEN=TOKEN, OTHER=other) as pid:
        await vault.until_told(TOKEN, 2)
        assert Searcher({"other": other}).look_at_process(pid) != []
        configuration(tmp_path, vault, "OTHER")
        os.kill(pid, signal.SIGHUP)
        await vault.until_told(other)
        assert Searcher({"other": other, "token": TOKEN}).look_at_process(pid) == []


async def test_a_process_that_crashes_leaves_no_core_file(tmp_path: Path, vault: SilentVault) -> None:
    """With the limit that it was given, and in the directory that it works in."""
    file = configuration(tmp_path, vault)
    work = tmp_path / "work"
    work.mkdir()
    prlimit = shutil.which("prlimit")
    assert prlimit is not None
    process = await asyncio.create_subprocess_exec(
        *(prlimit, "--core=unlimited", ROTATOR, "run", "-c", file),
        stdin=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
        cwd=work,
        env={**PASSED_ON, "VAULT_TOKEN": TOKEN},
    )
    await vault.until_told(TOKEN)
    process.send_signal(signal.SIGABRT)
    assert await process.wait() == -signal.SIGABRT
    assert list(work.iterdir()) == []
