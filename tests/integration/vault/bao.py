"""A real `bao` on loopback for tests, and an administrator who may do everything in it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import uuid
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rotator.core.model import Secret
from rotator.engine.clock import SystemClock
from rotator.testing import RecordingJournal
from rotator.vault import adapter
from rotator.vault.auth import AppRoleLogin, TokenLogin
from rotator.vault.session import VaultSession, VaultSettings
from rotator.vault.transport import Transport

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from rotator.vault.auth import Login

BAO = Path(sys.executable).parent / "bao"
ROOT = Secret("root")
FULL = 'path "*" { capabilities = ["create", "read", "update", "delete", "list", "patch", "sudo"] }'


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Bao:
    """One `bao server -dev`: in memory, unsealed, KV v2 at `secret/`."""

    def __init__(self, home: Path, port: int, tls: Path | None = None) -> None:
        self.home = home
        self.address = f"{'https' if tls else 'http'}://127.0.0.1:{port}"
        self.unseal_key = ""
        self._ready = threading.Event()
        extra = ["-dev-tls", f"-dev-tls-cert-dir={tls}"] if tls else []
        listen = [f"-dev-listen-address=127.0.0.1:{port}", "-dev-root-token-id=root", "-dev-no-store-token"]
        self._process = subprocess.Popen(
            [BAO, "server", "-dev", *listen, *extra],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={"HOME": str(home)},
        )
        self._reader = threading.Thread(target=self._read)
        self._reader.start()
        if not self._ready.wait(20):
            self.stop()
            raise RuntimeError("bao did not come up within 20 s")

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if found := re.match(r"Unseal Key: (\S+)", line):
                self.unseal_key = found[1]
            if line.startswith("Root Token:"):
                self._ready.set()

    def freeze(self) -> None:
        """Let it accept connections and answer none; return once every thread of it stands still."""
        self._process.send_signal(signal.SIGSTOP)
        os.waitpid(self._process.pid, os.WUNTRACED)

    def thaw(self) -> None:
        """Let it go on."""
        self._process.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        """End it at once."""
        self._process.kill()
        self._process.wait()
        self._reader.join()
        assert self._process.stdout is not None
        self._process.stdout.close()

    def cli(self, *arguments: str) -> str:
        """What the real command line says."""
        env = {"HOME": str(self.home), "BAO_ADDR": self.address, "BAO_TOKEN": ROOT.reveal()}
        return subprocess.run([BAO, *arguments], env=env, check=True, capture_output=True, text=True).stdout


@contextmanager
def running(home: Path, port: int | None = None, tls: Path | None = None) -> Iterator[Bao]:
    """A server while the block lasts."""
    bao = Bao(home, port or free_port(), tls)
    try:
        yield bao
    finally:
        bao.stop()


class Admin:
    """Holds the root token."""

    def __init__(self, bao: Bao, transport: Transport) -> None:
        self.bao = bao
        self.api = adapter.client(transport, bao.address, "", ROOT)

    async def policy(self, text: str) -> str:
        """A new policy; its name."""
        name = f"p{uuid.uuid4().hex[:8]}"
        await self.api.sys.create_or_update_acl_policy(name, text)
        return name

    async def token(self, policy: str = FULL, **options: object) -> Secret:
        """A new token that may do what a new policy says."""
        name = await self.policy(policy)
        options = {"ttl": "1h", "no_default_policy": False, **options}
        body = await self.api.write_data("auth/token/create", data={"policies": [name], **options})
        return Secret(body["auth"]["client_token"])

    async def approle(self, policy: str = FULL, **role: object) -> AppRole:
        """A new role that gives tokens with a new policy."""
        name = f"r{uuid.uuid4().hex[:8]}"
        if "approle/" not in (await self.api.sys.list_auth_methods())["data"]:
            await self.api.sys.enable_auth_method("approle")
        data = {"token_policies": [await self.policy(policy)], "token_ttl": "1h", **role}
        await self.api.write_data(f"auth/approle/role/{name}", data=data)
        role_id = await self.api.auth.approle.read_role_id(name)
        return AppRole(self, name, Secret(role_id["data"]["role_id"]))

    async def mount(self, version: int, **config: object) -> str:
        """A new KV engine; its path."""
        path = f"kv{uuid.uuid4().hex[:8]}"
        await self.api.write_data(f"sys/mounts/{path}", data={"type": "kv", "options": {"version": str(version)}})
        if config:
            await until_async(lambda: self.api.write_data(f"{path}/config", data=config))
        return path

    async def put(self, path: str, **fields: object) -> int:
        """Write a KV v2 document below `secret/` without check-and-set; its version."""
        answer = await self.api.write_data(f"secret/data/{path}", data={"data": fields})
        return int(answer["data"]["version"])

    async def document(self, path: str, mount: str = "secret") -> Any:
        """Data and metadata of a KV v2 key."""
        return (await self.api.adapter.get(f"/v1/{mount}/data/{path}"))["data"]

    async def metadata(self, path: str, mount: str = "secret") -> Any:
        """A KV v2 key's metadata."""
        return (await self.api.adapter.get(f"/v1/{mount}/metadata/{path}"))["data"]

    async def seal(self) -> None:
        """Seal the server."""
        await self.api.adapter.put("/v1/sys/seal")

    async def unseal(self) -> None:
        """Unseal it."""
        await self.api.write_data("sys/unseal", data={"key": self.bao.unseal_key})


class AppRole:
    """A role in AppRole."""

    def __init__(self, admin: Admin, name: str, role_id: Secret) -> None:
        self.name = name
        self.role_id = role_id
        self._admin = admin

    async def secret_id(self) -> Secret:
        """A new secret id."""
        answer = await self._admin.api.auth.approle.generate_secret_id(self.name)
        return Secret(answer["data"]["secret_id"])

    async def login(self) -> AppRoleLogin:
        """A login with a new secret id."""
        return AppRoleLogin(self.role_id, await self.secret_id())


@asynccontextmanager
async def administrator(bao: Bao) -> AsyncIterator[Admin]:
    """An administrator while the block lasts."""
    transport = Transport(frozenset({bao.address.rpartition("/")[2]}))
    try:
        yield Admin(bao, transport)
    finally:
        await transport.close()


class Visit:
    """A session with what was told about it."""

    def __init__(self, settings: VaultSettings) -> None:
        self.journal = RecordingJournal()
        self.recoveries = 0
        self.session = VaultSession(settings, SystemClock(), self.journal, self._recovered)

    def _recovered(self) -> None:
        self.recoveries += 1

    def told(self, *names: str) -> list[str]:
        """The names of the events so far; only these if some are given."""
        return [name for name, _ in self.journal.events if not names or name in names]


@asynccontextmanager
async def visiting(settings: VaultSettings) -> AsyncIterator[Visit]:
    """A session that runs while the block lasts; its first login has been tried."""
    visit = Visit(settings)
    task = asyncio.create_task(visit.session.run())
    await visit.session.tried()
    try:
        yield visit
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        await visit.session.close()


def settings(bao: Bao, login: Login | Secret, **options: Any) -> VaultSettings:
    """Settings for a server, with a login or a token handed in."""
    return VaultSettings(bao.address, TokenLogin(login) if isinstance(login, Secret) else login, **options)


async def until(condition: Callable[[], bool], within: float) -> None:
    """Wait for a condition, with a deadline in seconds."""
    async with asyncio.timeout(within):
        while not condition():  # noqa: ASYNC110  what is waited for is in another process
            await asyncio.sleep(0.01)


async def until_async(attempt: Callable[[], Any], within: float = 5) -> None:
    """Repeat what the server refuses until it is ready: a new KV v2 mount is being set up for a moment."""
    async with asyncio.timeout(within):
        while True:
            try:
                await attempt()
            except Exception:  # noqa: BLE001  any refusal; the deadline ends it
                await asyncio.sleep(0.01)
            else:
                return
