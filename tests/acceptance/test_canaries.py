"""The installed rotator among servers that echo every secret: nothing of one comes out, whatever it is told (P44, G11).

The client secrets, the secret id, the Vault tokens and the access tokens are canaries: everything that the process
says, writes and shows of itself is searched for eight bytes of them in any form, at debug level.
"""

from __future__ import annotations

import asyncio
import json
import os
import resource
import signal
from collections import Counter
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from rotator.demo.bao import BaoServer
from rotator.demo.stage import ROTATOR_POLICY
from tests.integration.vault.relay import Relay
from tests.support.canary import Searcher, canary, thorny
from tests.support.echoing import EchoingProvider, EchoingVault
from tests.support.process import ROTATOR

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from tests.support.canary import Sighting

pytestmark = pytest.mark.timeout(180)
DEADLINE = 60.0


@dataclass
class Aviary:
    """Servers that echo, a configuration with a credential for every echo, and what is searched for.

    Attributes:
        home: Home, working, temporary and state directory of the processes.
        names: The credentials, each named like the echo of its provider.
        said: What the processes said, by what they are.
    """

    home: Path
    bao: BaoServer
    relay: Relay
    vault: EchoingVault
    provider: EchoingProvider
    names: list[str] = field(default_factory=list)
    said: dict[str, bytes] = field(default_factory=dict)
    canaries: dict[str, str] = field(default_factory=dict)

    async def prepare(self) -> Path:
        """Store a canary as the secret of each client, and as the secret id; the configuration."""
        await self.bao.enable_kv("secret", 2)
        await self.bao.write_policy("rotator", ROTATOR_POLICY)
        role_id, _ = await self.bao.create_approle("rotator", "rotator", token_ttl="1h")
        self.canaries["the secret id"] = canary("the secret id")
        secret_id = {"secret_id": self.canaries["the secret id"]}
        await self.bao.request("PUT", "auth/approle/role/rotator/custom-secret-id", secret_id)
        self.keep("role-id", role_id)
        self.keep("secret-id", self.canaries["the secret id"])
        text = f'state_dir = "{self.home}/state"\n[log]\nlevel = "debug"\n'
        text += f'[vault]\naddress = "{self.relay.address}"\ntimeout = "2s"\n[vault.auth]\nmethod = "approle"\n'
        text += 'role_id_file = "role-id"\nsecret_id_file = "secret-id"\n'
        for number, name in enumerate(self.names):
            text += await self._credential(number, name)
        return self.keep("config.toml", text)

    async def _credential(self, number: int, name: str) -> str:
        post = number % 2
        self.canaries[name] = thorny(name) if number % 3 else canary(name, length=64)
        stored = {"client_id": f"client-{number}", "client_secret": self.canaries[name]}
        await self.bao.request("POST", f"secret/data/apps/{name}", {"data": stored})
        return (
            f'[providers.{name}]\ntoken_url = "{self.provider.url(name)}"\nscope = "openid admin"\ntimeout = "1s"\n'
            f'client_auth = "client_secret_{"post" if post else "basic"}"\n'
            f'[credentials.{name}]\nprovider = "{name}"\nrecheck_interval = "1s"\n'
            f'source = {{ type = "vault", path = "secret/apps/{name}" }}\nsinks = [\n'
            f'  {{ type = "vault", path = "secret/tokens/{name}" }},\n'
            f'  {{ type = "file", path = "{self.home}/out/{name}.json", format = "json" }},\n]\n'
        )

    def keep(self, name: str, text: str) -> Path:
        """Write a file of mode 0600."""
        file = self.home / name
        file.touch(mode=0o600)
        file.write_text(text)
        return file

    @asynccontextmanager
    async def running(self, *arguments: str | Path) -> AsyncIterator[asyncio.subprocess.Process]:
        """A process in this home; what it says is kept."""
        command = " ".join(str(argument) for argument in arguments if not isinstance(argument, os.PathLike))
        process = await asyncio.create_subprocess_exec(
            ROTATOR,
            *arguments,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            cwd=self.home,
            env={"PATH": os.environ["PATH"], "HOME": str(self.home), "TMPDIR": str(self.home), "COLUMNS": "200"},
        )
        said = asyncio.create_task(process.communicate())
        try:
            yield process
            async with asyncio.timeout(DEADLINE):
                out, err = await said
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        self.said[f"{command}: standard output"] = self.said.get(f"{command}: standard output", b"") + out
        self.said[f"{command}: standard error"] = self.said.get(f"{command}: standard error", b"") + err

    async def run(self, *arguments: str | Path) -> None:
        """Run one command to its end, whatever that is."""
        async with self.running(*arguments):
            pass

    def searcher(self) -> Searcher:
        """For everything that was secret so far."""
        found = Searcher(self.canaries)
        for kind, tokens in (("Vault token", self.vault.tokens), ("access token", self.provider.tokens)):
            for number, token in enumerate(tokens):
                found.add(f"{kind} {number}", token)
        return found

    def sightings(self) -> list[Sighting]:
        """What is found in anything that was said or is left on the disk, but in the places that are for it."""
        searcher = self.searcher()
        belongs = {self.home / "secret-id", *self.home.glob("out/*.json")}
        found = [sighting for where, output in self.said.items() for sighting in searcher.look(output, where)]
        return found + searcher.look_below(self.home, belongs)

    async def echo(self, echo: str, below: str) -> None:
        """Let Vault echo the next request below a path."""
        self.vault.served.clear()
        self.vault.echo, self.vault.below = echo, below
        await self.until(self.vault.served, {echo})
        self.vault.echo = ""

    async def until(self, served: Counter[str], names: set[str]) -> None:
        """Wait until every one of these echoes was served."""
        try:
            async with asyncio.timeout(DEADLINE):
                while names - served.keys():  # noqa: ASYNC110  what is waited for is another process
                    await asyncio.sleep(0.02)
        except TimeoutError:
            pytest.fail(f"nobody asked for {', '.join(sorted(names - served.keys()))}")


@asynccontextmanager
async def aviary_at(home: Path, bao: BaoServer) -> AsyncIterator[Aviary]:
    """One in this directory."""
    await bao.enable_approle()
    (home / "out").mkdir()
    vault = EchoingVault("", "", set(), Counter())
    relay = Relay(bao.address)
    relay.meddle = vault.meddle
    async with relay.serving(), EchoingProvider().serving() as provider:
        yield Aviary(home, bao, relay, vault, provider)


@pytest.fixture
def room_for_a_core() -> Iterator[None]:
    """Lets processes write a core file, as big as they like, unless they themselves forbid it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))
    yield
    resource.setrlimit(resource.RLIMIT_CORE, (soft, hard))


@pytest_asyncio.fixture
async def aviary(tmp_path: Path) -> AsyncIterator[Aviary]:
    async with BaoServer("inmem") as bao, aviary_at(tmp_path, bao) as made:
        yield made


QUICK = ("good", "p08-500", "p12-wait", "p14-challenge", "p15-proof", "p18-both", "p20-break", "p41-host", "p42-status")
"""All of them: `make reliability ARGS=canaries`."""

QUICK_COMMANDS = ("plan -o json", "check --live", "rotate --force -o json")
COMMANDS = ("check -o json", "plan -o json", "check --live", "rotate", "rotate --force -o json")


async def test_no_command_passes_on_what_a_provider_echoes_p44(aviary: Aviary) -> None:
    aviary.names = list(QUICK)
    configuration = await aviary.prepare()
    for command in QUICK_COMMANDS:
        await aviary.run(*command.split(), "-c", configuration)
    assert set(QUICK) <= aviary.provider.served.keys()
    assert aviary.sightings() == []
    told = json.loads(aviary.said["rotate --force -o json -c: standard output"])
    assert [line["credential"] for line in told if line["error"] is None] == ["good"]
    assert aviary.searcher().look((aviary.home / "out" / "good.json").read_bytes(), "where the token belongs")


@pytest.mark.usefixtures("room_for_a_core")
async def test_the_daemon_passes_on_nothing_that_servers_echo_nor_does_it_leave_a_core_p44(aviary: Aviary) -> None:
    aviary.names = list(QUICK)
    configuration = await aviary.prepare()
    async with aviary.running("run", "-c", configuration) as daemon:
        await aviary.until(aviary.provider.served, set(QUICK))
        await aviary.echo("v09-denied", "/data/apps/")
        await aviary.echo("v04-leader", "/data/tokens/")
        assert aviary.searcher().look_at_process(daemon.pid) == []
        daemon.send_signal(signal.SIGABRT)
    assert daemon.returncode == -signal.SIGABRT
    assert aviary.sightings() == []
    assert aviary.said["run -c: standard error"].count(b"\n") > len(QUICK)


@pytest.mark.parametrize("below", ["/data/apps/", "/data/tokens/", "auth/approle/login"])
async def test_nothing_that_vault_echoes_is_passed_on_v17(aviary: Aviary, below: str) -> None:
    aviary.names = ["good"]
    configuration = await aviary.prepare()
    for aviary.vault.echo in ("v04-leader", "v16-names"):
        aviary.vault.below = below
        await aviary.run("rotate", "-o", "json", "-c", configuration)
    assert aviary.vault.served.keys() == {"v04-leader", "v16-names"}
    assert aviary.sightings() == []
