"""The stage of the demo: real servers on loopback, three registered applications, and a configuration for rotator."""

from __future__ import annotations

import secrets
import shutil
import sys
import tempfile
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from rotator.core.model import Secret
from rotator.demo.authorization_server import AuthorizationServer
from rotator.demo.bao import BaoServer, find_bao

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from rotator.core.ports import Clock

APPLICATIONS = ("billing", "reporting", "search")

ROTATOR_POLICY = files(__package__).joinpath("policy.hcl").read_text()
"""What rotator needs; deploy/policy.hcl is a link to it, since only this package is installed."""

CONSUMER_POLICY = """
path "secret/data/tokens/*"      { capabilities = ["read"] }
"""

CONFIGURATION = """\
[vault]
address = "{vault}"

[vault.auth]
method = "approle"
role_id_file = "role-id"
secret_id_file = "secret-id"

[providers.demo]
token_url = "{token_url}"
scope = "openid admin"
"""

CREDENTIAL = """
[credentials.{name}]
provider = "demo"
source = {{ type = "vault", path = "secret/apps/{name}" }}

[[credentials.{name}.sinks]]
type = "vault"
path = "secret/tokens/{name}"

[[credentials.{name}.sinks]]
type = "file"
path = "{home}/{name}.{format}"
format = "{format}"
"""


@dataclass(frozen=True)
class Stage:
    """What the demo has set up.

    Attributes:
        home: A private directory with the configuration and the token files; removed at the end.
        configuration: The file to run rotator with.
        bao: The real OpenBao server.
        provider: The authorization server.
    """

    home: Path
    configuration: Path
    bao: BaoServer
    provider: AuthorizationServer

    def to_copy(self) -> list[tuple[str, str]]:
        """What it does, and a line to copy into another terminal."""
        token = f"BAO_TOKEN=$(cat {self.home}/consumer-token)"
        bao, rotator = _command("bao") or find_bao(), _command("rotator") or "rotator"
        return [
            (
                "what a consumer reads in Vault",
                f"{token} {bao} kv get -address={self.bao.address} secret/tokens/billing",
            ),
            ("call an API with the token", f"curl -s -H @{self.home}/billing.header {self.provider.hello_url}"),
            ("how it is, again and again", f"{rotator} status --watch -c {self.configuration}"),
            ("the arithmetic of one schedule", f"{rotator} explain billing -c {self.configuration}"),
            ("the logs", f"tail -f {self.home}/rotator.log"),
            ("mint one now, another process", f"{rotator} rotate billing --force -c {self.configuration}"),
        ]


def _command(name: str) -> Path | None:
    """A program that was installed beside this Python, as it is best called from here."""
    program = Path(sys.executable).with_name(name)
    if not program.exists():
        return None
    return program.relative_to(Path.cwd()) if program.is_relative_to(Path.cwd()) else program


@asynccontextmanager
async def stage(clock: Clock, lifetime: int) -> AsyncIterator[Stage]:
    """Set everything up, and remove it in the end, whatever happens.

    Args:
        clock: Dates the tokens.
        lifetime: Seconds that tokens live.

    Raises:
        BaoError: There is no `bao` program, or it does not start.
    """
    clients = {secrets.token_urlsafe(15): Secret(secrets.token_urlsafe(32)) for _ in APPLICATIONS}
    home = Path(tempfile.mkdtemp(prefix="rotator-demo-"))
    try:
        async with BaoServer("inmem") as bao, AuthorizationServer(clock, clients, lifetime=lifetime) as provider:
            await _fill(bao, clients, home)
            yield Stage(home, _configure(bao, provider, home), bao, provider)
    finally:
        shutil.rmtree(home)


async def _fill(bao: BaoServer, clients: dict[str, Secret], home: Path) -> None:
    await bao.enable_kv("secret", 2)
    for name, (client_id, secret) in zip(APPLICATIONS, clients.items(), strict=True):
        document = {"client_id": client_id, "client_secret": secret.reveal()}
        await bao.request("POST", f"secret/data/apps/{name}", {"data": document})
    await bao.write_policy("rotator", ROTATOR_POLICY)
    await bao.write_policy("consumer", CONSUMER_POLICY)
    await bao.enable_approle()
    role_id, secret_id = await bao.create_approle("rotator", "rotator", token_ttl="20m")  # noqa: S106  a duration
    _keep(home / "role-id", role_id)
    _keep(home / "secret-id", secret_id.reveal())
    _keep(home / "consumer-token", (await bao.create_token("consumer", ttl="12h")).reveal())


def _configure(bao: BaoServer, provider: AuthorizationServer, home: Path) -> Path:
    text = CONFIGURATION.format(vault=bao.address, token_url=provider.token_url)
    text += '\n[log]\nlevel = "info"\nformat = "json"\n'
    text = f'state_dir = "{home}/state"\n\n{text}'
    for name, kind in zip(APPLICATIONS, ("header", "json", "env"), strict=True):
        text += CREDENTIAL.format(name=name, format=kind, home=home)
    file = home / "config.toml"
    _keep(file, text)
    return file


def _keep(file: Path, text: str) -> None:
    file.touch(mode=0o600)
    file.write_text(text)
