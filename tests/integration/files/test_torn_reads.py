"""F01: whoever reads while others write finds a whole token, always."""

from __future__ import annotations

import subprocess
import sys
import threading
from typing import TYPE_CHECKING

from tests.integration.files.harness import NAME, left_over, record, sink
from tests.integration.files.writing import is_whole, token_name

if TYPE_CHECKING:
    from pathlib import Path

WRITERS = ("a", "b", "c")
READERS = 3


def read_while(writers: list[subprocess.Popen[bytes]], path: Path) -> tuple[int, int, set[str]]:
    """Read until the writers end: reads, torn ones among them, and the different whole contents."""
    reads, torn, seen = [0] * READERS, [0] * READERS, set[str]()

    def read(number: int) -> None:
        while any(writer.poll() is None for writer in writers):
            for _ in range(50):
                content = path.read_text()
                whole = is_whole(content)
                reads[number] += 1
                torn[number] += not whole
                if whole:
                    seen.add(content)

    readers = [threading.Thread(target=read, args=[number]) for number in range(READERS)]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()
    return sum(reads), sum(torn), seen


def start(*command: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(command)


async def reads_during(place: Path, how: str, many: int) -> tuple[int, int, set[str]]:
    await sink(place).write(record(token_name("first", 0)))
    command = [sys.executable, "-m", "tests.integration.files.writing", str(place)]
    writers = [start(*command, name, str(many), how) for name in WRITERS]
    try:
        result = read_while(writers, place / "out" / NAME)
    finally:
        for writer in writers:
            writer.kill()
            writer.wait()
    assert how == "truncating" or [writer.returncode for writer in writers] == [0] * len(WRITERS)
    return result


async def test_f01_three_processes_write_and_no_reader_sees_a_torn_token(tmp_path: Path) -> None:
    reads, torn, seen = await reads_during(tmp_path, "whole", 150)
    assert torn == 0
    assert reads > 1_000
    assert len(seen) > 50
    assert left_over(tmp_path) == []


async def test_f01_the_readers_would_notice_a_writer_that_truncates(tmp_path: Path) -> None:
    _, torn, _ = await reads_during(tmp_path, "truncating", 1000)
    assert torn > 0
