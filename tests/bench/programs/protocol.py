"""What a contender speaks with the driver, a line of JSON at a time, over its standard input and output.

    ← the task: where the servers are, with which token, and the credentials' names
    → {"ready": true}                                              once everything is started that stays
    ← {"round": 1}
    → {"refreshes": 500, "wall_s": 0.61, "cpu_s": 0.32}            after every credential has been refreshed once

It ends when its standard input does. The CPU is that of the whole process, with all its threads.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


@dataclass(frozen=True)
class Task:
    """What a contender is given.

    Attributes:
        vault: Address of the server.
        vault_token: What it may be asked with.
        token_url: The token endpoint.
        scope: What is asked for there.
        source: Path, as the HTTP API has it, below which the client credentials are.
        sink: Path below which this contender's tokens belong, likewise.
        names: The credentials.
        concurrency: How many are refreshed at once by those who can choose.
        configuration: rotator's file, for this contender's paths.
    """

    vault: str
    vault_token: str = field(repr=False)
    token_url: str
    scope: str
    source: str
    sink: str
    names: tuple[str, ...]
    concurrency: int
    configuration: str


def key(path: str, name: str) -> tuple[str, str]:
    """Mount and key, as hvac wants them, of `secret/data/apps` and a name."""
    mount, _, folder = path.partition("/data/")
    return mount, f"{folder}/{name}"


def document(answer: dict[str, Any]) -> dict[str, str]:
    """What is stored of a token endpoint's answer."""
    ends = datetime.now(UTC) + timedelta(seconds=answer["expires_in"])
    return {
        "access_token": answer["access_token"],
        "token_type": answer["token_type"],
        "scope": answer["scope"],
        "expires_at": ends.isoformat(),
    }


def read_task() -> Task:
    """The first line."""
    given = json.loads(sys.stdin.readline())
    return Task(**{**given, "names": tuple(given["names"])})


def serve(refresh_all: Callable[[], int]) -> None:
    """Obey until standard input ends.

    Args:
        refresh_all: Refreshes every credential once; how many that were.
    """
    _say({"ready": True})
    while sys.stdin.readline():
        watch = _Watch()
        _say(watch.seen(refresh_all()))


async def serve_loop(refresh_all: Callable[[], Awaitable[int]]) -> None:
    """The same for what runs on an event loop, which goes on meanwhile."""
    _say({"ready": True})
    while await asyncio.to_thread(sys.stdin.readline):
        watch = _Watch()
        _say(watch.seen(await refresh_all()))


class _Watch:
    """Wall and CPU time since it was made, seconds."""

    def __init__(self) -> None:
        self._wall, self._cpu = time.perf_counter(), time.process_time()

    def seen(self, refreshes: int) -> dict[str, float]:
        wall, cpu = time.perf_counter() - self._wall, time.process_time() - self._cpu
        return {"refreshes": refreshes, "wall_s": wall, "cpu_s": cpu}


def _say(answer: dict[str, Any]) -> None:
    print(json.dumps(answer), flush=True)
