"""What the tests look at: a machine with rotator, and the servers that it talks to."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from rotator.demo.bao import BaoServer
    from tests.support.oidc import Client, OidcProvider
    from tests.systemd.machine import Machine
    from tests.systemd.tree import Release

CONFIGURATION = "/etc/rotator/config.toml"
TOKEN_FILE = "/run/rotator/asset-pool/token"

CONSUMER = """
[Unit]
Wants=rotator.service
After=rotator.service
[Service]
User=asset-pool
StateDirectory=asset-pool
ExecStart=sleep infinity
ExecReload=cp /run/rotator/asset-pool/token /var/lib/asset-pool/taken
"""
"""A service that reads its token when it is reloaded."""

figures: list[str] = []
"""What was measured; told at the end."""


@dataclass
class Site:
    """A machine with rotator, and the servers that it talks to.

    Attributes:
        configuration: What is in force when a test begins.
    """

    release: Release
    machine: Machine
    bao: BaoServer
    oidc: OidcProvider
    client: Client
    configuration: str = ""

    def mints(self) -> int:
        """Token requests so far."""
        return len(self.oidc.requests())

    async def store(self) -> None:
        """Store the client's credentials."""
        document = {"client_id": self.client.client_id, "client_secret": self.client.secret.reveal()}
        await self.bao.request("POST", "secret/data/apps/asset-pool", {"data": document})

    async def published(self) -> str:
        """The token in Vault."""
        answer = await self.bao.request("GET", "secret/data/tokens/asset-pool")
        token: str = answer["data"]["data"]["access_token"]
        return token

    async def state(self) -> str:
        """As systemd sees rotator: active and running, for example."""
        return " ".join((await self.machine.show("ActiveState", "SubState")).values())

    async def restarts(self) -> int:
        """How often systemd has started it again on its own."""
        return int((await self.machine.show("NRestarts"))["NRestarts"])

    @asynccontextmanager
    async def configured(self, text: str) -> AsyncIterator[None]:
        """Another configuration for the block; in the end, the one before is in force again."""
        await self.machine.write(CONFIGURATION, text)
        try:
            yield
        finally:
            await self.machine.write(CONFIGURATION, self.configuration)
            await self.machine.output("systemctl", "reload-or-restart", "rotator")

    def figure(self, text: str) -> None:
        """Tell something that was measured."""
        figures.append(f"{self.release.name}: {text}")
