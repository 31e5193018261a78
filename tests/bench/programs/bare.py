"""The floor: hvac's API classes over the least adapter that can be awaited, and nothing that makes a program of it.

No policy, no schedule, no deadlines, no reading of refusals, no logs, no metrics: what the libraries themselves cost.
"""

from __future__ import annotations

import asyncio
import base64
from typing import TYPE_CHECKING, Any

import aiohttp
import hvac
import hvac.adapters

from tests.bench.programs import protocol

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.bench.programs.protocol import Task


class FloorAdapter(hvac.adapters.Adapter):  # type: ignore[misc]  # hvac ships no types
    """An adapter whose requests are coroutines. hvac's own constructor would open a requests.Session."""

    def __init__(self, session: aiohttp.ClientSession, base_uri: str, token: str) -> None:
        self.base_uri = base_uri
        self._session = session
        self._headers = {"X-Vault-Token": token, "X-Vault-Request": "true"}

    async def request(self, method: str, url: str, **kwargs: Any) -> Any:
        """One request; the answer's document."""
        kwargs.pop("raise_exception", None)
        whole = self.urljoin(self.base_uri, url)
        async with self._session.request(method, whole, headers=self._headers, **kwargs) as response:
            response.raise_for_status()
            return await response.json()

    def get_login_token(self, response: Any) -> str:
        """Part of hvac's interface; nobody logs in here."""
        raise NotImplementedError


class Pipeline:
    """Read, mint, write; for one credential after the other in so many tasks."""

    def __init__(self, task: Task, session: aiohttp.ClientSession) -> None:
        self._task = task
        self._session = session
        adapter = FloorAdapter(session, task.vault, task.vault_token)
        self._kv = hvac.Client(url=task.vault, token=task.vault_token, adapter=lambda **_: adapter).secrets.kv.v2
        self._versions = dict.fromkeys(task.names, 0)

    async def refresh_all(self) -> int:
        """Every credential once; how many they are."""
        names = iter(self._task.names)
        async with asyncio.TaskGroup() as group:
            for _ in range(self._task.concurrency):
                group.create_task(self._work(names))
        return len(self._task.names)

    async def _work(self, names: Iterator[str]) -> None:
        for name in names:
            await self._refresh(name)

    async def _refresh(self, name: str) -> None:
        mount, key = protocol.key(self._task.source, name)
        read = await self._kv.read_secret_version(key, mount_point=mount, raise_on_deleted_version=True)
        answer = await self._mint(read["data"]["data"])
        mount, key = protocol.key(self._task.sink, name)
        cas = self._versions[name]
        document = protocol.document(answer)
        written = await self._kv.create_or_update_secret(key, document, cas=cas, mount_point=mount)
        self._versions[name] = written["data"]["version"]

    async def _mint(self, client: dict[str, str]) -> Any:
        pair = base64.b64encode(f"{client['client_id']}:{client['client_secret']}".encode()).decode()
        form = {"grant_type": "client_credentials", "scope": self._task.scope}
        headers = {"Authorization": f"Basic {pair}"}
        async with self._session.post(self._task.token_url, data=form, headers=headers) as response:
            response.raise_for_status()
            return await response.json()


async def main() -> None:
    """Compete."""
    task = protocol.read_task()
    async with aiohttp.ClientSession() as session:
        await protocol.serve_loop(Pipeline(task, session).refresh_all)


if __name__ == "__main__":
    asyncio.run(main())
