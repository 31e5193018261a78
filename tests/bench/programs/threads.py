"""hvac and requests as they come, in 16 threads: a client of each for every thread."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import hvac
import requests

from tests.bench.programs import protocol

if TYPE_CHECKING:
    from tests.bench.programs.protocol import Task

THREADS = 16


class Workers:
    """The threads, and which version each token has."""

    def __init__(self, task: Task) -> None:
        self._task = task
        self._versions = dict.fromkeys(task.names, 0)
        self._mine = threading.local()
        self._pool = ThreadPoolExecutor(THREADS, initializer=self._equip)

    def refresh_all(self) -> int:
        """Every credential once; how many they are."""
        return sum(self._pool.map(self._refresh, self._task.names))

    def _equip(self) -> None:
        self._mine.kv = hvac.Client(url=self._task.vault, token=self._task.vault_token).secrets.kv.v2
        self._mine.web = requests.Session()

    def _refresh(self, name: str) -> int:
        mount, key = protocol.key(self._task.source, name)
        read = self._mine.kv.read_secret_version(key, mount_point=mount, raise_on_deleted_version=True)
        client = read["data"]["data"]
        response = self._mine.web.post(
            self._task.token_url,
            data={"grant_type": "client_credentials", "scope": self._task.scope},
            auth=(client["client_id"], client["client_secret"]),
            timeout=30,
        )
        response.raise_for_status()
        mount, key = protocol.key(self._task.sink, name)
        written = self._mine.kv.create_or_update_secret(
            key, protocol.document(response.json()), cas=self._versions[name], mount_point=mount
        )
        self._versions[name] = written["data"]["version"]
        return 1


if __name__ == "__main__":
    protocol.serve(Workers(protocol.read_task()).refresh_all)
