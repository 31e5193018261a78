"""A configuration for very many credentials, and the same reads without rotator."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.bench.stub import SLOW_PATH, TOKEN_PATH
from tests.bench.stub_session import TOKEN

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

STEADY, SLOW = "steady", "slow"
"""The providers, which are the groups that the stub tells apart: one answers at once, the other after seconds."""

PATHS = {STEADY: TOKEN_PATH, SLOW: SLOW_PATH}
READERS = 32
"""Requests under way at once, as many as rotator has to one Vault."""


@dataclass(frozen=True)
class Fleet:
    """What is configured.

    Attributes:
        counts: Credentials of each provider.
        recheck: Between two looks at an unchanged source, as configured.
    """

    counts: Mapping[str, int] = field(default_factory=dict)
    recheck: str = "24h"

    def names(self) -> Iterator[tuple[str, str]]:
        """Each credential's provider and name."""
        return ((group, f"{group}-{number:06}") for group, count in self.counts.items() for number in range(count))


def configure(home: Path, address: str, fleet: Fleet) -> Path:
    """Write everything that rotator needs to keep this fleet fresh at a stub; its configuration."""
    text = f'state_dir = "{home}/state"\n[vault]\naddress = "{address}"\n[vault.auth]\nmethod = "approle"\n'
    text += 'role_id_file = "role-id"\nsecret_id_file = "secret-id"\n[log]\nformat = "json"\n'
    text += "".join(_provider(group, address) for group in fleet.counts)
    text += "".join(_credential(group, name, fleet.recheck) for group, name in fleet.names())
    for file, content in {"role-id": "role", "secret-id": "secret", "config.toml": text}.items():
        (home / file).touch(mode=0o600)
        (home / file).write_text(content)
    return home / "config.toml"


def _provider(group: str, address: str) -> str:
    return (
        f'[providers.{group}]\ntoken_url = "{address}{PATHS[group]}"\nclient_auth = "client_secret_post"\n'
        'rate_limit = "1000/s"\nmax_in_flight = 64\ntimeout = "10s"\n'
    )


def _credential(group: str, name: str, recheck: str) -> str:
    return (
        f'[credentials.{name}]\nprovider = "{group}"\nrecheck_interval = "{recheck}"\n'
        f'source = {{ type = "vault", path = "secret/apps/{name}" }}\n'
        f'sinks = [{{ type = "vault", path = "secret/tokens/{name}" }}]\n'
    )


async def read_alike(address: str, fleet: Fleet) -> float:
    """Read what a restart reads, source and sink of every credential, by bare sockets; seconds that it took."""
    paths = iter([f"/v1/secret/data/{part}/{name}" for _, name in fleet.names() for part in ("apps", "tokens")])
    host, _, port = address.removeprefix("http://").partition(":")
    loop = asyncio.get_running_loop()
    began = loop.time()
    await asyncio.gather(*(_reader(host, int(port), paths) for _ in range(READERS)))
    return loop.time() - began


async def _reader(host: str, port: int, paths: Iterator[str]) -> None:
    """One connection that reads what is left to read."""
    reader, writer = await asyncio.open_connection(host, port)
    for path in paths:
        writer.write(f"GET {path} HTTP/1.1\r\nHost: stub\r\nX-Vault-Token: {TOKEN}\r\n\r\n".encode())
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        await reader.readexactly(int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0]))
    writer.close()
    await writer.wait_closed()
