"""What the process tells of itself."""

from __future__ import annotations

import asyncio
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from rotator.operate.vitals import vitals

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="memory, threads and descriptors are told on Linux only"
)


async def test_each_task_thread_and_descriptor_counts_once_r15(tmp_path: Path) -> None:
    before = vitals()
    over = threading.Event()
    thread = threading.Thread(target=over.wait)
    thread.start()
    task = asyncio.create_task(asyncio.sleep(60))
    with (tmp_path / "open").open("w"):
        during = vitals()
    over.set()
    thread.join()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    grown = {key: during[key] - before[key] for key in ("tasks", "threads", "fds")}
    assert grown == {"tasks": 1, "threads": 1, "fds": 1}


async def test_memory_that_is_held_is_seen_r15() -> None:
    before = vitals()["rss_kib"]
    held = bytearray(b"x") * (64 << 20)
    assert len(held) / 1024 * 0.9 < vitals()["rss_kib"] - before
