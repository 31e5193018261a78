"""Every system call fails once, or is the last one: the old file or the new one is there, whole, and nothing else."""

from __future__ import annotations

import asyncio
import errno
import os
import shutil
import sys
from itertools import count
from pathlib import Path

import pytest

from rotator.core.errors import Code, RotationError
from rotator.files.formats import FORMATS, Layout
from rotator.files.system import FileSystem
from rotator.files.writer import TRIES
from tests.integration.files.harness import NAME, Intercepted, failing, inodes, left_over, record, run, sink

OLD, NEW = record("old"), record("new", 700)


def open_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


async def attempt(place: Path, kind: str, at: int, number: int) -> tuple[bool, list[str]]:
    """Write NEW over OLD with call `at` failing; whether that was raised, and the calls made."""

    def fail(call: int, _: str) -> None:
        if call == at:
            raise OSError(number, os.strerror(number))

    await sink(place, kind).write(OLD)
    fs = Intercepted(before=fail)
    try:
        await sink(place, kind, fs).write(NEW)
    except RotationError:
        return True, fs.made
    return False, fs.made


async def assert_whole(place: Path, kind: str, *, may_be_old: bool) -> None:
    """A state that could not be kept for a delivered file leaves the file without a record, and was told."""
    token = FORMATS[kind].extract((place / "out" / NAME).read_bytes(), Layout("billing"))
    held = await sink(place, kind).read()
    if held is None:
        assert may_be_old
        assert token == NEW.access_token
    else:
        assert held in ({OLD, NEW} if may_be_old else {NEW})


@pytest.mark.parametrize("kind", ["raw", "json"])
@pytest.mark.parametrize(
    "number",
    [
        pytest.param(errno.ENOSPC, id="F04 no space"),
        pytest.param(errno.EDQUOT, id="F04 quota"),
        pytest.param(errno.EIO, id="F05 disk error"),
        pytest.param(errno.EROFS, id="F06 read-only"),
        pytest.param(errno.EACCES, id="F20 denied"),
        pytest.param(errno.ESTALE, id="F20 stale handle"),
    ],
)
async def test_whichever_call_fails_old_or_new_is_there_whole_and_nothing_is_left_behind(
    tmp_path: Path, kind: str, number: int
) -> None:
    descriptors = open_descriptors()
    raised_at: set[str] = set()
    for at in count():
        place = tmp_path / str(at)
        place.mkdir()
        raised, made = await attempt(place, kind, at, number)
        if at >= len(made):
            break
        await assert_whole(place, kind, may_be_old=raised)
        assert left_over(place) == [], made[at]
        raised_at |= {made[at]} if raised else set()
    assert raised_at >= {"open", "fstat", "lstat", "read", "write", "fchmod", "fsync", "close", "rename"}
    assert open_descriptors() == descriptors


@pytest.mark.parametrize("kind", ["raw", "json"], ids=["with a state beside it", "by itself"])
async def test_f02_f03_r01_killed_before_any_call_old_or_new_is_there_whole_and_the_rest_is_swept(
    tmp_path: Path, kind: str
) -> None:
    run(sys.executable, "-m", "tests.integration.files.killed", tmp_path, kind, "old")
    places = [tmp_path / name for name in sorted(os.listdir(tmp_path))]  # noqa: PTH208  names are what is wanted
    held = [await sink(place, kind).read() for place in places]
    assert set(held) == {OLD, NEW}
    assert held == sorted(held, key=(OLD, NEW).index), "once the new one is there it stays"
    assert left_over(tmp_path), "no kill fell into the middle of a write"
    for place in places:
        await sink(place, kind).check()
        await sink(place, kind).write(NEW)
    assert left_over(tmp_path) == []


@pytest.mark.parametrize(
    ("call", "number", "code"),
    [
        ("write", errno.ENOSPC, Code.FILE_NO_SPACE),
        ("write", errno.EDQUOT, Code.FILE_NO_SPACE),
        ("write", errno.EIO, Code.FILE_IO),
        ("fsync", errno.EIO, Code.FILE_IO),
        ("rename", errno.EROFS, Code.FILE_READ_ONLY),
        ("rename", errno.EPERM, Code.FILE_DENIED),
        ("open", errno.ENOENT, Code.FILE_DIRECTORY_MISSING),
        ("open", errno.EACCES, Code.FILE_DENIED),
        ("open", errno.EMFILE, Code.FILE_IO),
        ("lstat", errno.ESTALE, Code.FILE_IO),
    ],
    ids=lambda value: value.text if isinstance(value, Code) else str(value),
)
async def test_the_kernels_answer_becomes_a_code_and_a_sentence_with_the_path(
    tmp_path: Path, call: str, number: int, code: Code
) -> None:
    with pytest.raises(RotationError) as caught:
        await sink(tmp_path, "json", failing({call: number})).write(NEW)
    assert caught.value.code is code
    assert str(tmp_path / "out") in caught.value.detail
    assert errno.errorcode[number] in caught.value.detail
    assert "token.new" not in str(caught.value)


@pytest.mark.parametrize("call", ["fsync", "close"])
async def test_f05_nothing_is_renamed_after_content_that_may_not_be_on_the_disk(tmp_path: Path, call: str) -> None:
    written = False

    def fail_after_writing(_: int, name: str) -> None:
        nonlocal written
        if written and name == call:
            raise OSError(errno.EIO, "")
        written = written or name == "write"

    fs = Intercepted(before=fail_after_writing)
    with pytest.raises(RotationError):
        await sink(tmp_path, "json", fs).write(NEW)
    assert written
    assert "rename" not in fs.made


async def test_f19_content_is_on_the_disk_before_its_name_and_the_name_before_the_write_returns(tmp_path: Path) -> None:
    fs = Intercepted()
    await sink(tmp_path, "json", fs).write(NEW)
    steps = [name for name in fs.made if name in {"write", "fchmod", "fsync", "rename"}]
    assert steps == ["write", "fchmod", "fsync", "rename", "fsync"]


async def test_the_file_is_delivered_although_its_state_cannot_be_kept_and_that_is_told(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("no directory")
    with pytest.raises(RotationError) as caught:
        await sink(tmp_path).write(NEW)
    assert caught.value.code is Code.FILE_DIRECTORY_MISSING
    assert str(tmp_path / "state") in caught.value.detail
    assert (tmp_path / "out" / NAME).read_text() == "token.new"


async def test_f03_temporary_files_of_other_targets_are_not_swept(tmp_path: Path) -> None:
    others = [".other.token.rotator-00000000", f".{NAME}.rotator-0000000", f".{NAME}.rotator-00000000.bak"]
    target = sink(tmp_path)
    for name in (f".{NAME}.rotator-00000000", *others):
        (tmp_path / "out" / name).touch()
    await target.check()
    assert inodes(tmp_path / "out").keys() == {tmp_path / "out" / name for name in others}


@pytest.mark.parametrize("kind", ["raw", "json"])
async def test_f03_a_rotator_that_starts_at_any_moment_of_a_write_costs_it_nothing(tmp_path: Path, kind: str) -> None:
    for at in count():
        place = tmp_path / str(at)
        place.mkdir()

        def another_starts(call: int, _: str, place: Path = place, at: int = at) -> None:
            if call == at:
                asyncio.run(sink(place, kind).check())

        fs = Intercepted(before=another_starts)
        await sink(place, kind, fs).write(NEW)
        assert await sink(place, kind).read() == NEW
        assert left_over(place) == []
        if at >= len(fs.made):
            break
    assert at > 20


async def test_f03_who_removes_every_temporary_file_is_told_of_and_the_old_file_stays(tmp_path: Path) -> None:
    removed: list[Path] = []

    def clean_up(_: int, name: str) -> None:
        if name == "rename":
            removed.extend(tmp_path.glob(f"out/.{NAME}.rotator-*"))
            removed[-1].unlink()

    await sink(tmp_path, "json").write(OLD)
    with pytest.raises(RotationError, match="see what cleans up there") as caught:
        await sink(tmp_path, "json", Intercepted(before=clean_up)).write(NEW)
    assert caught.value.code is Code.FILE_IO
    assert len(set(removed)) == TRIES
    assert await sink(tmp_path, "json").read() == OLD


async def test_f07_a_directory_that_is_removed_in_the_middle_of_a_write_is_missing(tmp_path: Path) -> None:
    def remove(_: int, name: str) -> None:
        if name == "rename":
            shutil.rmtree(tmp_path / "out")

    with pytest.raises(RotationError) as caught:
        await sink(tmp_path, "json", Intercepted(before=remove)).write(NEW)
    assert caught.value.code is Code.FILE_DIRECTORY_MISSING


async def test_f16_a_json_file_is_token_and_dates_in_one_and_gets_its_name_by_one_rename(tmp_path: Path) -> None:
    fs = Intercepted()
    await sink(tmp_path, "json", fs).write(NEW)
    assert fs.made.count("rename") == 1
    assert FORMATS["json"].extract((tmp_path / "out" / NAME).read_bytes(), Layout("billing")) == NEW
    assert inodes(tmp_path).keys() == {tmp_path / "out", tmp_path / "out" / NAME}


@pytest.mark.parametrize("kind", [kind for kind, row in FORMATS.items() if not row.carries_all])
async def test_f16_a_state_that_is_kept_beside_a_file_describes_it_at_every_moment_of_a_write(
    tmp_path: Path, kind: str
) -> None:
    await sink(tmp_path, kind).write(OLD)
    held: list[object] = []

    def look(_: int, __: str) -> None:
        held.append(asyncio.run(sink(tmp_path, kind).read()))

    await sink(tmp_path, kind, Intercepted(after=look)).write(NEW)
    assert set(held) == {OLD, NEW}
    assert held == sorted(held, key=(OLD, NEW).index)


async def test_f10_a_temporary_file_that_a_stranger_made_first_is_not_written_to(tmp_path: Path) -> None:
    prey = tmp_path / "prey"
    prey.write_text("precious")

    class Planting(FileSystem):
        """Somebody guesses each temporary file's name and is quicker."""

        def open(self, name: str, flags: int, mode: int = 0o600, *, dir_fd: int | None = None) -> int:
            if flags & os.O_CREAT:
                os.symlink(prey, name, dir_fd=dir_fd)
            return super().open(name, flags, mode, dir_fd=dir_fd)

    with pytest.raises(RotationError) as caught:
        await sink(tmp_path, "json", Planting()).write(NEW)
    assert "EEXIST" in caught.value.detail
    assert prey.read_text() == "precious"
