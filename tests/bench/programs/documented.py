"""Authlib and hvac as their documentation shows them: one credential after the other, a session of Authlib's for each.

It is made from the credentials that were just read, since those may have changed. The argument says over which HTTP
library: `requests` (OAuth2Session) or `httpx` (OAuth2Client, which makes a TLS context each time).
"""

from __future__ import annotations

import os
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

import hvac

from tests.bench.programs import protocol

if TYPE_CHECKING:
    from tests.bench.programs.protocol import Task

SESSIONS = {
    "requests": ("authlib.integrations.requests_client", "OAuth2Session"),
    "httpx": ("authlib.integrations.httpx_client", "OAuth2Client"),
}
"""Where Authlib has what, by the library below it."""


class Script:
    """What a user would write.

    Args:
        task: What is to be done.
        session: Authlib's class.
    """

    def __init__(self, task: Task, session: Any) -> None:
        self._task = task
        self._session = session
        self._versions = dict.fromkeys(task.names, 0)
        self._kv = hvac.Client(url=task.vault, token=task.vault_token).secrets.kv.v2

    def refresh_all(self) -> int:
        """Every credential once; how many they are."""
        for name in self._task.names:
            self._refresh(name)
        return len(self._task.names)

    def _refresh(self, name: str) -> None:
        mount, key = protocol.key(self._task.source, name)
        read = self._kv.read_secret_version(key, mount_point=mount, raise_on_deleted_version=True)
        client = read["data"]["data"]
        with self._session(client["client_id"], client["client_secret"], scope=self._task.scope) as session:
            answer = session.fetch_token(self._task.token_url, grant_type="client_credentials")
        mount, key = protocol.key(self._task.sink, name)
        written = self._kv.create_or_update_secret(
            key, protocol.document(answer), cas=self._versions[name], mount_point=mount
        )
        self._versions[name] = written["data"]["version"]


def main() -> None:
    """Compete."""
    os.environ["AUTHLIB_INSECURE_TRANSPORT"] = "1"  # the servers are on loopback and speak plain HTTP
    module, name = SESSIONS[sys.argv[1]]
    protocol.serve(Script(protocol.read_task(), getattr(import_module(module), name)).refresh_all)


if __name__ == "__main__":
    main()
