"""What tests do in Vault as its administrator, with the hvac that rotator itself uses."""

from __future__ import annotations

import asyncio
import os
import uuid
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Literal

from rotator.core.model import Secret
from rotator.demo.bao import find_bao
from rotator.vault import adapter
from rotator.vault.logins.approle import AppRoleLogin
from rotator.vault.transport import Transport

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from rotator.demo.bao import BaoServer

FULL = 'path "*" { capabilities = ["create", "read", "update", "delete", "list", "patch", "sudo"] }'


class Admin:
    """Holds the root token of a server that has AppRole, and KV v2 at `secret/`."""

    def __init__(self, bao: BaoServer, transport: Transport) -> None:
        self.bao = bao
        self.api = adapter.client(transport, bao.address, "", bao.root_token)

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
        data = {"token_policies": [await self.policy(policy)], "token_ttl": "1h", **role}
        await self.api.write_data(f"auth/approle/role/{name}", data=data)
        role_id = await self.api.auth.approle.read_role_id(name)
        return AppRole(self, name, Secret(role_id["data"]["role_id"]))

    async def mount(self, version: Literal[1, 2], **config: object) -> str:
        """A new KV engine; its path."""
        path = f"kv{uuid.uuid4().hex[:8]}"
        await self.bao.enable_kv(path, version)
        if config:
            await self.api.write_data(f"{path}/config", data=config)
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

    async def cli(self, *arguments: str | Path) -> str:
        """What the real command line says."""
        process = await asyncio.create_subprocess_exec(
            find_bao(),
            *arguments,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={"HOME": os.devnull, "BAO_ADDR": self.bao.address, "BAO_TOKEN": self.bao.root_token.reveal()},
        )
        said, complaint = await process.communicate()
        assert process.returncode == 0, complaint.decode()
        return said.decode()


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
async def administrator(bao: BaoServer) -> AsyncIterator[Admin]:
    """An administrator while the block lasts."""
    transport = Transport(frozenset({bao.address.rpartition("/")[2]}))
    try:
        yield Admin(bao, transport)
    finally:
        await transport.close()
