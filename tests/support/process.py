"""The installed `rotator` as a process of ours, and a place with everything that it needs."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from rotator.demo.stage import ROTATOR_POLICY

if TYPE_CHECKING:
    import signal
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from rotator.demo.bao import BaoServer
    from tests.support.oidc import Client, OidcProvider

ROTATOR = Path(sys.executable).with_name("rotator")
DEADLINE = 20.0
# The latter is how coverage.py reaches the processes that tests start.
PASSED_ON = {name: os.environ[name] for name in ("PATH", "COVERAGE_PROCESS_CONFIG") if name in os.environ}

Event = dict[str, Any]


class Rotator:
    """One running daemon; `async with` starts it, and kills it in the end if it is still there.

    Args:
        configuration: Its file.
        level: The least serious level that it logs.
        under: A command that it is run by, which turns into it: `prlimit`, `unshare`.
        env: More of its environment.

    Attributes:
        events: What it has logged.
        arrived: When each of them was read, by the loop's clock.
    """

    def __init__(
        self,
        configuration: Path,
        *,
        level: str = "info",
        under: Sequence[str | Path] = (),
        env: Mapping[str, str] | None = None,
    ) -> None:
        self.events: list[Event] = []
        self.arrived: list[float] = []
        self._configuration = configuration
        self._level = level
        self._under = under
        self._env = env or {}
        self._reading = asyncio.Event()
        self._reading.set()
        self._changed = asyncio.Event()

    async def __aenter__(self) -> Self:
        self._process = await asyncio.create_subprocess_exec(
            *self._under,
            ROTATOR,
            "run",
            "-c",
            self._configuration,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            env={**PASSED_ON, "ROTATOR_LOG__LEVEL": self._level, **self._env},
        )
        self._reader = asyncio.create_task(self._read())
        return self

    async def __aexit__(self, *_: object) -> None:
        if "COVERAGE_PROCESS_CONFIG" in PASSED_ON:
            await self._end_in_order()
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()
        self.listen()
        await self._reader

    async def _end_in_order(self) -> None:
        """What coverage.py has seen is lost in a kill."""
        if self._process.returncode is None:
            self._process.terminate()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._process.wait(), DEADLINE)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal."""
        self._process.send_signal(number)

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def stall(self) -> None:
        """Read nothing more of what it logs, until `listen`."""
        self._reading.clear()

    def listen(self) -> None:
        """Read what it logs again."""
        self._reading.set()

    @property
    def runs(self) -> bool:
        """Whether it has not ended."""
        return self._process.returncode is None

    async def ended(self) -> int:
        """Wait for its end; its exit code."""
        try:
            async with asyncio.timeout(DEADLINE):
                code = await self._process.wait()
                await self._reader
        except TimeoutError:
            raise AssertionError(f"it did not end within {DEADLINE} s; {self._doing()}") from None
        return code

    def _doing(self) -> str:
        """Its last words, and where the kernel has its threads."""
        tasks = Path(f"/proc/{self.pid}/task")
        waits = [(task / "wchan").read_text() for task in tasks.iterdir()] if tasks.exists() else ["gone"]
        last = "\n".join(json.dumps(event) for event in self.events[-15:])
        return f"its threads wait in {', '.join(waits)}; the last events:\n{last}"

    def named(self, name: str, **fields: object) -> list[Event]:
        """The events of this name so far that have these fields."""
        return [e for e in self.events if e["event"] == name and all(e.get(k) == v for k, v in fields.items())]

    async def says(self, name: str, *, count: int = 1, within: float = DEADLINE, **fields: object) -> Event:
        """Wait until it has told an event so many times; the last of them."""
        await self.until(lambda: len(self.named(name, **fields)) >= count, within=within, what=f"{name} {fields}")
        return self.named(name, **fields)[count - 1]

    async def until(self, reached: Callable[[], bool], *, within: float = DEADLINE, what: str = "") -> None:
        """Wait for a state that its events tell of."""
        try:
            async with asyncio.timeout(within):
                while not reached():
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            raise AssertionError(f"{what} did not come within {within} s; {self._doing()}") from None

    async def more(self) -> None:
        """Wait until it tells anything more."""
        self._changed.clear()
        await self._changed.wait()

    async def _read(self) -> None:
        assert self._process.stderr is not None
        async for line in self._process.stderr:
            await self._reading.wait()
            self.events.append(json.loads(line))
            self.arrived.append(asyncio.get_running_loop().time())
            self._changed.set()


async def rotator(*arguments: str | Path, env: dict[str, str] | None = None) -> tuple[int, str, str]:
    """Run one command: exit code, standard output, standard error."""
    process = await asyncio.create_subprocess_exec(
        ROTATOR,
        *arguments,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**PASSED_ON, "COLUMNS": "200", **(env or {})},
    )
    async with asyncio.timeout(DEADLINE * 2):
        out, err = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


@dataclass
class Site:
    """Applications registered at a provider, their credentials in Vault, and a configuration for them.

    Attributes:
        home: Where the configuration and the token files are.
        lifetime: Seconds that tokens live.
        extra: Appended to the configuration.
    """

    home: Path
    bao: BaoServer
    oidc: OidcProvider
    lifetime: int = 600
    extra: str = ""
    provider: str = ""
    clients: dict[str, Client] = field(default_factory=dict)

    async def prepare(self, names: Sequence[str]) -> Path:
        """Make everything for these applications; the configuration."""
        await self.bao.enable_kv("secret", 2)
        await self.bao.write_policy("rotator", ROTATOR_POLICY)
        role_id, secret_id = await self.bao.create_approle("rotator", "rotator", token_ttl="1h")
        self._keep("role-id", role_id)
        self._keep("secret-id", secret_id.reveal())
        for name in names:
            await self.register(name)
        return self.write(names)

    async def register(self, name: str) -> None:
        """Register an application and store its credentials."""
        client = self.oidc.register(lifetime=self.lifetime)
        self.clients[name] = client
        await self.store(name, client.secret.reveal())

    async def store(self, name: str, secret: str, **more: str) -> None:
        """Store a new version of an application's credentials."""
        document = {"client_id": self.clients[name].client_id, "client_secret": secret, **more}
        await self.bao.request("POST", f"secret/data/apps/{name}", {"data": document})

    def write(self, names: Sequence[str]) -> Path:
        """Write the configuration anew."""
        text = f'state_dir = "{self.home}/state"\n[vault]\naddress = "{self.bao.address}"\n[vault.auth]\n'
        text += 'method = "approle"\nrole_id_file = "role-id"\nsecret_id_file = "secret-id"\n'
        text += f'[providers.thx]\ntoken_url = "{self.oidc.token_url}"\nscope = "openid admin"\n{self.provider}\n'
        for name in names:
            text += f'[credentials.{name}]\nprovider = "thx"\nrecheck_interval = "2s"\n'
            text += f'source = {{ type = "vault", path = "secret/apps/{name}" }}\nsinks = [\n'
            text += f'  {{ type = "vault", path = "secret/tokens/{name}" }},\n'
            text += f'  {{ type = "file", path = "{self.file(name)}" }},\n]\n'
        return self._keep("config.toml", text + self.extra)

    def file(self, name: str) -> Path:
        """The token file of an application."""
        return self.home / f"{name}.token"

    async def document(self, name: str) -> dict[str, str]:
        """What consumers find at the path of an application."""
        answer = await self.bao.request("GET", f"secret/data/tokens/{name}")
        document: dict[str, str] = answer["data"]["data"]
        return document

    def requests(self) -> int:
        """Token requests that the provider has received since its last start."""
        return len(self.oidc.requests())

    def requests_of(self, names: Iterable[str]) -> int:
        """Those of these applications: others may share the provider."""
        return sum(len(self.oidc.requests(self.clients[name].client_id)) for name in names)

    def _keep(self, name: str, text: str) -> Path:
        file = self.home / name
        file.touch(mode=0o600)
        file.write_text(text)
        return file
