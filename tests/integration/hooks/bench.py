"""Programs that hooks run, and what becomes of them."""

from __future__ import annotations

import asyncio
import os
import re
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from rotator.contract import record
from rotator.hooks.port import Occasion

if TYPE_CHECKING:
    from collections.abc import Callable

    from rotator.core.model import TokenRecord

DEADLINE = 20.0


def occasion(of: TokenRecord | None = None) -> Occasion:
    return Occasion("billing", "file:/run/rotator/billing.token", of or record())


def script(home: Path, text: str, name: str = "hook", mode: int = 0o755) -> str:
    """A shell script; its path. What it writes belongs into its directory, which it knows as $HOME_OF_TEST."""
    file = home / name
    file.write_text(f"#!/bin/sh\nHOME_OF_TEST={home}\n{text}\n")
    file.chmod(mode)
    return str(file)


async def until(reached: Callable[[], bool], what: str) -> None:
    """Wait for what another process does."""
    try:
        async with asyncio.timeout(DEADLINE):
            while not reached():  # noqa: ASYNC110  nobody tells us but the file system
                await asyncio.sleep(0.01)
    except TimeoutError:
        raise AssertionError(f"{what} did not come within {DEADLINE:g} s") from None


async def written(file: Path) -> str:
    """What another process writes into a file, once there is a line of it."""

    def read() -> str:
        return file.read_text() if file.exists() else ""

    await until(lambda: read().endswith("\n"), f"a line in {file.name}")
    return read().strip()


def lives(pid: int) -> bool:
    """Whether a process runs: it is there, and no zombie that somebody else has to reap."""
    with suppress(FileNotFoundError, ProcessLookupError):
        return re.search(r"^State:\s+Z", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE) is None
    return False


def children() -> set[int]:
    """Processes that this one has started and not reaped."""
    found = set()
    for task in Path("/proc/self/task").iterdir():
        with suppress(FileNotFoundError, ProcessLookupError):  # a thread that has ended meanwhile
            found |= {int(pid) for pid in (task / "children").read_text().split()}
    return found


def descriptors() -> int:
    """Files that this process has open."""
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208  without one of its own
