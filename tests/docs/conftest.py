"""What the how-tos talk about: rotator's work done once on real servers, and its tokens where the pages have them."""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest_asyncio

from rotator.demo.authorization_server import AuthorizationServer
from rotator.demo.stage import CONFIGURATION, CONSUMER_POLICY, ROTATOR_POLICY
from rotator.engine.clock import SystemClock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from rotator.core.model import Secret
    from rotator.demo.bao import BaoServer
    from tests.conftest import Admission

TOOLS = Path(sys.executable).parent


@dataclass(frozen=True)
class Place:
    """A configuration with one application, `billing`, at a provider whose clients can be changed.

    Attributes:
        home: Holds config.toml; it is where commands run.
        environment: Of the commands: an operator's, logged in to Vault.
        provider: The authorization server and its API.
        clients: What it knows; to be changed.
        consumer: A token that may read delivered tokens.
    """

    home: Path
    environment: Mapping[str, str]
    provider: AuthorizationServer
    clients: dict[str, Secret]
    consumer: str

    def configure(self, credential: str) -> None:
        """Write config.toml with this credential."""
        head = CONFIGURATION.format(vault=self.environment["BAO_ADDR"], token_url=self.provider.token_url)
        head = f'state_dir = "{self.home}/state"\n' + head.replace("[providers.demo]", "[providers.thx]")
        (self.home / "config.toml").write_text(head + credential)

    async def sh(self, script: str, *, code: int = 0) -> str:
        """Run commands, and return what they say; they end with this code."""
        process = await asyncio.create_subprocess_exec(
            "bash",
            "-euc",
            script,
            cwd=self.home,
            env=self.environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        told = (await asyncio.wait_for(process.communicate(), 60))[0].decode()
        assert process.returncode == code, told
        return told


@asynccontextmanager
async def place(
    home: Path, bao: BaoServer, admission: Admission, clients: dict[str, Secret], rules: str = ROTATOR_POLICY
) -> AsyncIterator[Place]:
    """Such a place, where rotator may do in Vault what these rules say."""
    role_id, secret_id = await admission.approle(rules)
    for name, text in (("role-id", role_id), ("secret-id", secret_id.reveal()), ("config.toml", "")):
        (home / name).touch(mode=0o600)
        (home / name).write_text(text)
    operator = (
        await admission.token('path "secret/*" { capabilities = ["create", "read", "update", "patch", "delete"] }')
    ).reveal()
    environment = {
        "HOME": str(home),
        "PATH": f"{TOOLS}:{os.defpath}:/usr/sbin",
        "BAO_ADDR": bao.address,
        "BAO_TOKEN": operator,
        "COLUMNS": "120",
    }
    consumer = (await admission.token(CONSUMER_POLICY)).reveal()
    async with AuthorizationServer(SystemClock(), clients) as provider:
        yield Place(home, environment, provider, clients, consumer)


@pytest_asyncio.fixture
async def site(tmp_path: Path, bao: BaoServer, admission: Admission) -> AsyncIterator[Place]:
    async with place(tmp_path, bao, admission, {}) as made:
        yield made
