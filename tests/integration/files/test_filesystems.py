"""Real file systems that are full, read-only or hang."""

from __future__ import annotations

import asyncio
import errno
import os
import subprocess
import tempfile
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from rotator.core.errors import Code, RotationError
from rotator.files.options import FileSinkSettings
from rotator.files.sink import FileSink
from rotator.files.state import StateDirectory
from tests.integration.files.harness import NAME, Intercepted, left_over, record, run, sink

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A tmpfs of four pages and eight inodes, mounted where the sink's file goes."""
    where = tmp_path / "out"
    where.mkdir()
    if os.geteuid() != 0:
        pytest.skip("only root can mount a file system")
    options = "size=16k,nr_inodes=8,mode=0755"
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", where], check=False, capture_output=True, text=True
    )
    if mounted.returncode != 0:
        pytest.skip(f"this root may not mount: {mounted.stderr.strip()}")
    yield where
    run("umount", "--lazy", where)


def use_up_space(where: Path) -> None:
    with (where / "filler").open("wb", buffering=0) as filler, suppress(OSError):
        while True:
            filler.write(b"x" * 4096)


def use_up_inodes(where: Path) -> None:
    with suppress(OSError):
        for number in range(100):
            (where / f"filler{number}").touch()


def remove_fillers(where: Path) -> None:
    for filler in where.glob("filler*"):
        filler.unlink()


def make_immutable(path: Path) -> None:
    made = subprocess.run(["chattr", "+i", path], check=False, capture_output=True, text=True)
    if made.returncode != 0:
        pytest.skip(f"no immutable files here: {made.stderr.strip()}")


@pytest.mark.parametrize("use_up", [use_up_space, use_up_inodes], ids=["F04 ENOSPC", "F04 no inode left"])
async def test_on_a_full_file_system_the_old_file_stays_and_the_new_one_comes_once_there_is_room(
    tmp_path: Path, small: Path, use_up: Callable[[Path], None]
) -> None:
    target = sink(tmp_path)
    await target.write(record("old"))
    use_up(small)
    with pytest.raises(RotationError) as caught:
        await target.write(record("new", 700))
    assert caught.value.code is Code.FILE_NO_SPACE
    assert await target.read() == record("old")
    assert left_over(tmp_path) == []
    remove_fillers(small)
    await target.write(record("new", 700))
    assert await target.read() == record("new", 700)


async def test_f06_on_a_read_only_file_system_the_old_file_stays_until_it_is_writable(
    tmp_path: Path, small: Path
) -> None:
    target = sink(tmp_path)
    await target.write(record("old"))
    run("mount", "-o", "remount,ro", small)
    for attempt in (target.write(record("new", 700)), target.check()):
        with pytest.raises(RotationError) as caught:
            await attempt
        assert caught.value.code is Code.FILE_READ_ONLY
    assert await target.read() == record("old")
    run("mount", "-o", "remount,rw", small)
    await target.write(record("new", 700))
    assert await target.read() == record("new", 700)


async def test_f15_a_file_on_a_file_system_of_its_own_gets_its_name_there(tmp_path: Path, small: Path) -> None:
    """A rename from anywhere else, the state's file system or TMPDIR, would be EXDEV."""
    target = sink(tmp_path)
    assert os.stat(small).st_dev not in {os.stat(path).st_dev for path in (tmp_path, tempfile.gettempdir())}  # noqa: PTH116  nothing waits
    await target.write(record("old"))
    await target.write(record("new", 700))
    assert await target.read() == record("new", 700)


async def test_f12_an_immutable_file_is_denied_and_stays(tmp_path: Path, small: Path) -> None:
    target = sink(tmp_path)
    await target.write(record("old"))
    make_immutable(small / NAME)
    with pytest.raises(RotationError) as caught:
        await target.write(record("new", 700))
    run("chattr", "-i", small / NAME)
    assert caught.value.code is Code.FILE_DENIED
    assert await target.read() == record("old")
    assert left_over(tmp_path) == []


class Hanging:
    """A file system whose calls do not return until it is released."""

    def __init__(self) -> None:
        self.released = threading.Event()
        self.entered = threading.Event()
        self.fs = Intercepted(before=self._hang)

    def _hang(self, _: int, name: str) -> None:
        if name == "fsync":
            self.entered.set()
            if not self.released.wait(30):
                raise OSError(errno.ETIMEDOUT, "never released")


@pytest.fixture
def hanging() -> Iterator[Hanging]:
    made = Hanging()
    yield made
    made.released.set()


def hanging_sink(place: Path, hanging: Hanging, deadline: float) -> FileSink:
    settings = FileSinkSettings(place / NAME, format="json")
    return FileSink(settings, "billing", StateDirectory(place / "state"), hanging.fs, deadline)


async def test_a_hanging_file_system_costs_one_deadline_and_then_works_again(tmp_path: Path, hanging: Hanging) -> None:
    target = hanging_sink(tmp_path, hanging, deadline=0.2)
    for attempt in (target.write(record("old")), target.read()):
        with pytest.raises(RotationError) as caught:
            await attempt
        assert caught.value.code is Code.FILE_IO
        assert "has not answered within 0.2 s" in caught.value.detail
    hanging.released.set()
    await target.write(record("new", 700))
    assert await target.read() == record("new", 700)


async def test_r08_the_loop_and_its_pool_go_on_while_many_files_hang(tmp_path: Path, hanging: Hanging) -> None:
    places = [tmp_path / str(number) for number in range(64)]
    for place in places:
        place.mkdir()
    writes = [asyncio.ensure_future(hanging_sink(place, hanging, 60).write(record())) for place in places]
    async with asyncio.timeout(20):
        assert await asyncio.to_thread(hanging.entered.wait, 10)
        await sink(tmp_path, "json").write(record())
        hanging.released.set()
        assert await asyncio.gather(*writes) == [record()] * len(places)


async def test_one_write_follows_the_other_also_when_the_first_is_cancelled(tmp_path: Path, hanging: Hanging) -> None:
    target = hanging_sink(tmp_path, hanging, deadline=60)
    first = asyncio.ensure_future(target.write(record("first")))
    assert await asyncio.to_thread(hanging.entered.wait, 10)
    first.cancel()
    second = asyncio.ensure_future(target.write(record("second", 700)))
    hanging.released.set()
    assert await second == record("second", 700)
    assert first.cancelled()
    assert await target.read() == record("second", 700)
    assert hanging.fs.made.count("rename") == 2
