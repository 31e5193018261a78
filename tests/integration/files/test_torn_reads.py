"""F01: whoever reads while others write finds a whole token, always. Ten million reads: `make reliability`."""

from __future__ import annotations

import errno
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from rotator.files.system import FileSystem
from tests.integration.files.harness import NAME, record, sink
from tests.reliability.torn_reads import Goal, token, trial

if TYPE_CHECKING:
    from pathlib import Path

DEADLINE = 60.0
READERS = 4


def test_f01_several_processes_write_and_no_way_of_reading_finds_a_torn_token(tmp_path: Path) -> None:
    seen = trial(tmp_path, Goal("json", reads=20_000, writes=200, deadline=DEADLINE))
    assert (seen.torn, seen.left) == (0, 0)
    assert seen.reads >= 20_000
    assert seen.writes >= 200
    assert seen.by_programs > 0


def test_f01_the_same_readers_find_a_writer_out_that_truncates(tmp_path: Path) -> None:
    goal = Goal("raw", reads=1, writes=1, torn=100, truncating=True, deadline=DEADLINE)
    assert trial(tmp_path, goal).torn >= 100


class Protected(FileSystem):
    """Counts the writes that had the file to themselves."""

    def __init__(self) -> None:
        self.protected = 0

    def lease(self, fd: int) -> None:
        super().lease(fd)
        self.protected += 1


class Unprotected(FileSystem):
    """As a file system without leases."""

    def lease(self, fd: int) -> None:
        raise OSError(errno.EINVAL, f"no leases on {fd}")


async def seen(place: Path, kind: str, fs: FileSystem, writes: int) -> tuple[int, int]:
    """How often four programs read a file while it is written in place so many times, and how often what was torn."""
    target = sink(place, kind, fs, in_place=True)
    await target.write(record(token("first")))
    command = [sys.executable, "-m", "tests.integration.files.polling", str(place / "out" / NAME), kind]
    readers = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)  # noqa: ASYNC220  they read
        for _ in range(READERS)
    ]
    try:
        for reader in readers:
            assert reader.stdout is not None
            assert reader.stdout.readline() == "ready\n"
        for number in range(writes):
            await target.write(record(token(f"{number}", shorter=number % 2 == 1), inputs=f"{number}"))
        counts = [map(int, reader.communicate(timeout=DEADLINE)[0].split()) for reader in readers]
    finally:
        for reader in readers:
            reader.kill()
            reader.wait()
    reads, torn = map(sum, zip(*counts, strict=True))
    return reads, torn


@pytest.mark.parametrize("kind", ["raw", "json"])
async def test_f01_in_place_only_a_write_that_could_not_keep_the_file_to_itself_is_seen_torn(
    tmp_path: Path, kind: str
) -> None:
    fs = Protected()
    writes = 400
    reads, torn = await seen(tmp_path, kind, fs, writes)
    assert reads > 100
    assert fs.protected > writes / 2
    assert torn <= (writes - fs.protected) * READERS * 2


async def test_f01_in_place_the_same_readers_find_a_writer_out_that_has_no_lease(tmp_path: Path) -> None:
    torn = 0
    for attempt in range(20):
        place = tmp_path / str(attempt)
        place.mkdir()
        torn += (await seen(place, "raw", Unprotected(), 400))[1]
        if torn:
            return
    pytest.fail("no read was torn: the readers would not notice one")
