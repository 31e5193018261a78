"""In place: the inode stays, what was cut off is finished by the next start, and readers wait while it is written."""

from __future__ import annotations

import asyncio
import errno
import os
import stat
import subprocess
import sys
import threading
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from rotator.core.errors import Code, RotationError
from rotator.files.formats import FORMATS
from rotator.files.in_place import LEASE_TRIES, log_name
from tests.integration.files.harness import NAME, Intercepted, failing, layout, left_over, record, run, sink

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rotator.core.model import TokenRecord
    from rotator.files.sink import FileSink
    from rotator.files.system import FileSystem

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away or mount them")

STRANGER, SOME_GROUP = 54321, 43211
LOCKS = Path("/proc/locks")
NEW = record("new", 700)
OLDS = {"longer than the new one": "an-old-one", "as long": "old", "shorter": "o"}


def target(place: Path, kind: str = "raw", fs: FileSystem | None = None, **options: Any) -> FileSink:
    given = {"in_place": True, **options}
    return sink(place, kind, **given) if fs is None else sink(place, kind, fs, **given)


def rendered(kind: str, held: TokenRecord) -> bytes:
    return FORMATS[kind].render(held, layout(kind))


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("old", OLDS)
async def test_the_inode_stays_and_whoever_holds_it_has_the_new_token(tmp_path: Path, kind: str, old: str) -> None:
    await target(tmp_path, kind).write(record(OLDS[old]))
    path = tmp_path / "out" / NAME
    with path.open("rb") as held:
        before = path.stat().st_ino
        await target(tmp_path, kind).write(NEW)
        assert path.stat().st_ino == before
        assert held.read() == rendered(kind, NEW)
    assert left_over(tmp_path) == []


def content(path: Path) -> str:
    return path.read_text()


@pytest.fixture
def mounted(tmp_path: Path) -> Iterator[Path]:
    """The file bound to another name, as a container has it."""
    bound = tmp_path / "bound"
    bound.touch()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / NAME).touch(mode=0o600)
    if os.geteuid() != 0:
        pytest.skip("only root can mount a file")
    made = subprocess.run(
        ["mount", "--bind", tmp_path / "out" / NAME, bound], check=False, capture_output=True, text=True
    )
    if made.returncode != 0:
        pytest.skip(f"this root may not mount: {made.stderr.strip()}")
    yield bound
    run("umount", "--lazy", bound)


async def test_a_bind_mount_of_the_one_file_has_each_new_token(tmp_path: Path, mounted: Path) -> None:
    for name in ("one", "two", "a-third"):
        await target(tmp_path).write(record(name, 600 + len(name)))
        assert content(mounted) == f"token.{name}"


async def test_without_it_such_a_mount_keeps_what_it_had(tmp_path: Path, mounted: Path) -> None:
    await sink(tmp_path).write(record())
    assert content(mounted) == ""


@as_root
async def test_a_file_that_is_a_mount_itself_is_told_what_to_do_and_can_be_written_in_place(tmp_path: Path) -> None:
    """As in a rotator whose container has the one file bound into it."""
    path, elsewhere = tmp_path / "out" / NAME, tmp_path / "elsewhere"
    sink(tmp_path)
    path.touch()
    elsewhere.touch(mode=0o600)
    run("mount", "--bind", elsewhere, path)
    try:
        with pytest.raises(RotationError) as caught:
            await sink(tmp_path).write(record())
        assert caught.value.code is Code.FILE_UNSAFE
        assert "mount the directory instead of the file, or set in_place = true" in caught.value.detail
        await target(tmp_path).check()
        await target(tmp_path).write(record())
    finally:
        run("umount", "--lazy", path)
    assert elsewhere.read_text() == "token.one"


@pytest.mark.parametrize(("kind", "old"), [*(("json", old) for old in OLDS), ("raw", "longer than the new one")])
def test_f02_f16_r01_killed_before_any_call_the_next_start_finds_the_old_one_or_finishes_the_new_one(
    tmp_path: Path, kind: str, old: str
) -> None:
    run(sys.executable, "-m", "tests.integration.files.killed", tmp_path, kind, OLDS[old], "in_place")
    places = sorted(tmp_path.iterdir())
    whole = {rendered(kind, record(OLDS[old])), rendered(kind, NEW)}
    torn, held = 0, []

    async def start(place: Path) -> None:
        await target(place, kind).check()
        held.append(await target(place, kind).read())
        await target(place, kind).write(record("next", 800))
        assert await target(place, kind).read() == record("next", 800)

    for place in places:
        torn += (place / "out" / NAME).read_bytes() not in whole
        asyncio.run(start(place))
        assert left_over(place) == []
    assert torn > 0, "no kill fell into the middle of a write"
    assert set(held) == {record(OLDS[old]), NEW}
    assert held == sorted(held, key=(record(OLDS[old]), NEW).index), "once the new one is there it stays"


@pytest.mark.parametrize("kind", ["raw", "json"])
async def test_a_write_that_was_cut_off_is_not_taken_for_a_token(tmp_path: Path, kind: str) -> None:
    await target(tmp_path, kind).write(record("an-old-one"))
    path = tmp_path / "out" / NAME
    log = path.with_name(log_name(NAME))
    log.touch(mode=0o600)
    log.write_bytes(rendered(kind, NEW))
    path.write_bytes(rendered(kind, NEW)[:-4] + rendered(kind, record("an-old-one"))[-12:])
    assert await target(tmp_path, kind).read() is None
    await target(tmp_path, kind).check()
    assert path.read_bytes() == rendered(kind, NEW)
    assert left_over(tmp_path) == []


async def test_a_log_that_could_not_be_removed_says_nothing_else_than_the_file(tmp_path: Path) -> None:
    await target(tmp_path, "json").write(record("old"))
    await target(tmp_path, "json", failing({"unlink": errno.EIO})).write(NEW)
    assert left_over(tmp_path) != []
    assert await target(tmp_path, "json").read() == NEW
    await target(tmp_path, "json").write(record("next", 800))
    assert left_over(tmp_path) == []


@as_root
async def test_a_strangers_log_is_not_believed(tmp_path: Path) -> None:
    await target(tmp_path, "json").write(NEW)
    log = tmp_path / "out" / log_name(NAME)
    log.write_bytes(rendered("json", record("forged", 900)))
    os.chown(log, STRANGER, -1)
    await target(tmp_path, "json").check()
    assert await target(tmp_path, "json").read() == NEW


async def test_a_log_of_a_file_that_is_gone_goes_as_well(tmp_path: Path) -> None:
    file = target(tmp_path, "json")
    (tmp_path / "out" / log_name(NAME)).write_bytes(rendered("json", NEW))
    await file.check()
    assert left_over(tmp_path) == []
    assert await file.read() is None


@pytest.mark.parametrize("kind", ["raw", "json"])
@pytest.mark.parametrize(
    "number", [errno.ENOSPC, errno.EIO, errno.EDQUOT], ids=["F04 no space", "F05 disk", "F04 quota"]
)
async def test_whichever_call_fails_the_old_or_the_new_one_is_there_whole(
    tmp_path: Path, kind: str, number: int
) -> None:
    old, raised_at = record("an-old-one"), set()
    for at in count():
        place = tmp_path / str(at)
        place.mkdir()

        def fail(call: int, _: str, at: int = at) -> None:
            if call == at:
                raise OSError(number, os.strerror(number))

        await target(place, kind).write(old)
        fs = Intercepted(before=fail)
        try:
            await target(place, kind, fs).write(NEW)
        except RotationError:
            raised_at.add(fs.made[at])
            assert (place / "out" / NAME).read_bytes() in {rendered(kind, old), rendered(kind, NEW)}, fs.made[at]
        else:
            assert (place / "out" / NAME).read_bytes() == rendered(kind, NEW)
        if at >= len(fs.made):
            break
        await target(place, kind).check()
        assert left_over(place) == [], fs.made[at]
    assert raised_at >= {"open", "fstat", "pread", "ftruncate", "pwrite", "fchmod", "fsync", "close", "rename"}
    assert raised_at.isdisjoint({"lease", "release"}), "it is written without protection where there is none"


async def test_f05_what_a_failing_disk_leaves_half_written_is_finished_once_it_works_again(tmp_path: Path) -> None:
    await target(tmp_path, "json").write(record("an-old-one"))
    with pytest.raises(RotationError) as caught:
        await target(tmp_path, "json", failing({"pwrite": errno.EIO})).write(NEW)
    assert caught.value.detail.startswith(f"writing into {tmp_path / 'out' / NAME} failed: ")
    assert await target(tmp_path, "json").read() is None
    with pytest.raises(RotationError) as caught:
        await target(tmp_path, "json", failing({"pwrite": errno.EIO})).check()
    assert caught.value.detail.startswith(f"finishing {tmp_path / 'out' / NAME} failed: ")
    await target(tmp_path, "json").check()
    assert await target(tmp_path, "json").read() == NEW


async def test_f19_the_new_content_is_on_the_disk_before_the_file_is_touched_and_there_before_the_write_returns(
    tmp_path: Path,
) -> None:
    await target(tmp_path, "json").write(record("an-old-one"))
    fs = Intercepted()
    await target(tmp_path, "json", fs).write(NEW)
    steps = [name for name in fs.made if name not in {"open", "close", "fstat", "lstat", "read", "pread"}]
    log = ["write", "fchmod", "fsync", "rename", "fsync"]
    assert steps == [*log, "fchmod", "lease", "ftruncate", "pwrite", "release", "fsync", "unlink"]


async def test_a_content_of_the_same_length_is_written_by_one_call(tmp_path: Path) -> None:
    await target(tmp_path).write(record("old"))
    fs = Intercepted()
    await target(tmp_path, "raw", fs).write(NEW)
    assert (fs.made.count("pwrite"), fs.made.count("ftruncate")) == (1, 0)


def somebody_waits_for(path: Path) -> bool:
    """Whether the kernel lets somebody wait for a file that is leased (proc_locks(5)), within ten seconds."""
    inode, pause = path.stat().st_ino, threading.Event()
    for _ in range(1000):
        if any("BREAKING" in line and f":{inode} " in line for line in LOCKS.read_text().splitlines()):
            return True
        pause.wait(0.01)
    return False


async def test_f01_whoever_opens_the_file_while_it_is_written_waits_and_reads_the_new_one_whole(tmp_path: Path) -> None:
    path = tmp_path / "out" / NAME
    await target(tmp_path, "json").write(record("an-old-one"))
    seen: list[bytes] = []
    reader = threading.Thread(target=lambda: seen.append(path.read_bytes()))

    def read_meanwhile(_: int, name: str) -> None:
        if name == "ftruncate":
            assert path.stat().st_size == len(rendered("json", NEW)), "it is shortened, and nothing else yet"
            reader.start()
            assert somebody_waits_for(path)
            assert seen == []

    await target(tmp_path, "json", Intercepted(after=read_meanwhile)).write(NEW)
    reader.join(10)
    assert seen == [rendered("json", NEW)]


async def test_somebody_who_keeps_the_file_open_does_not_keep_the_token_from_it(tmp_path: Path) -> None:
    path = tmp_path / "out" / NAME
    await target(tmp_path, "json").write(record("old"))
    fs = Intercepted()
    with path.open("rb"):
        await target(tmp_path, "json", fs).write(NEW)
    assert fs.made.count("lease") == LEASE_TRIES
    assert "release" not in fs.made
    assert await target(tmp_path, "json").read() == NEW


@pytest.mark.parametrize("number", [errno.EINVAL, errno.EACCES, errno.ENOLCK])
async def test_a_file_system_without_leases_is_written_to_all_the_same(tmp_path: Path, number: int) -> None:
    await target(tmp_path, "json").write(record("old"))
    fs = failing({"lease": number})
    await target(tmp_path, "json", fs).write(NEW)
    assert fs.made.count("lease") == 1
    assert await target(tmp_path, "json").read() == NEW


async def test_another_rotator_that_looks_meanwhile_waits_its_turn(tmp_path: Path) -> None:
    """It opens without waiting, lest a FIFO hold it up, and tries again when the file is being written."""
    await target(tmp_path, "json").write(record("old"))
    tries = iter(range(3))

    def refuse(_: int, name: str) -> None:
        if name == "open" and refusing and next(tries, None) is not None:
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    refusing = False

    def begin(_: int, name: str) -> None:
        nonlocal refusing
        refusing = name == "lstat"

    assert await target(tmp_path, "json", Intercepted(refuse, begin)).read() == record("old")


async def test_f12_a_file_of_several_names_is_refused_with_the_cure(tmp_path: Path) -> None:
    await target(tmp_path).write(record("old"))
    os.link(tmp_path / "out" / NAME, tmp_path / "other")
    for attempt in (target(tmp_path).write(NEW), target(tmp_path).check()):
        with pytest.raises(RotationError) as caught:
            await attempt
        assert caught.value.code is Code.FILE_UNSAFE
        assert "has 2 names" in caught.value.detail
        assert "leave in_place out" in caught.value.detail
    assert (tmp_path / "other").read_text() == "token.old"
    assert left_over(tmp_path) == []


@as_root
async def test_f10_a_file_that_a_stranger_made_first_is_refused_for_he_may_hold_it_open(tmp_path: Path) -> None:
    file = target(tmp_path)
    path = tmp_path / "out" / NAME
    path.touch(mode=0o600)
    os.chown(path, STRANGER, -1)
    for attempt in (file.write(NEW), file.check()):
        with pytest.raises(RotationError) as caught:
            await attempt
        assert caught.value.code is Code.FILE_UNSAFE
        assert f"belongs to uid {STRANGER}, who would be shown each token" in caught.value.detail
    assert path.read_text() == ""


@as_root
async def test_owner_and_group_are_given_to_the_file_that_is_there(tmp_path: Path) -> None:
    await target(tmp_path, "json").write(record("old"))
    path = tmp_path / "out" / NAME
    before = path.stat().st_ino
    given = target(tmp_path, "json", mode=0o640, owner=str(STRANGER), group=str(SOME_GROUP))
    assert await given.read() is None
    await given.write(record("old"))
    info = path.stat()
    assert (info.st_ino, info.st_uid, info.st_gid) == (before, STRANGER, SOME_GROUP)
    assert stat.S_IMODE(info.st_mode) == 0o640
    assert await given.read() == record("old")
    await given.write(NEW)
    assert await given.read() == NEW


@as_root
async def test_a_file_is_taken_back_from_the_one_who_was_configured_before(tmp_path: Path) -> None:
    await target(tmp_path, "json", owner=str(STRANGER)).write(record("old"))
    with pytest.raises(RotationError, match="belongs to uid"):
        await target(tmp_path, "json").write(NEW)
    await target(tmp_path, "json", owner=str(STRANGER)).write(NEW)


async def test_f13_a_new_token_is_never_under_a_wider_mode_that_somebody_gave_the_file(tmp_path: Path) -> None:
    await target(tmp_path, "json").write(record("old"))
    path = tmp_path / "out" / NAME
    path.chmod(0o666)
    seen: set[tuple[bool, int]] = set()

    def look(_: int, name: str) -> None:
        if name in {"fchmod", "ftruncate", "pwrite", "release"}:
            log = path.with_name(log_name(NAME))
            seen.add((path.stat().st_size == 0, stat.S_IMODE(path.stat().st_mode)))
            assert not log.exists() or stat.S_IMODE(log.stat().st_mode) == 0o600

    fs = Intercepted(before=look)
    assert await target(tmp_path, "json").read() is None
    await target(tmp_path, "json", fs).write(NEW)
    modes_at_writing = {mode for _, mode in seen} - {0o666}
    assert modes_at_writing == {0o600}
    assert fs.made.index("pwrite") > len(fs.made) - 1 - fs.made[::-1].index("fchmod")
    assert await target(tmp_path, "json").read() == NEW


async def test_a_missing_file_is_made_whole_and_by_a_rename(tmp_path: Path) -> None:
    fs = Intercepted()
    await target(tmp_path, "json", fs).write(NEW)
    assert "pwrite" not in fs.made
    assert await target(tmp_path, "json").read() == NEW


@pytest.mark.parametrize("kind", ["raw", "json"])
async def test_f03_a_rotator_that_starts_at_any_moment_of_a_write_costs_it_nothing(tmp_path: Path, kind: str) -> None:
    for at in count():
        place = tmp_path / str(at)
        place.mkdir()
        await target(place, kind).write(record("an-old-one"))
        leased = False

        def another_starts(call: int, name: str, place: Path = place, at: int = at) -> None:
            nonlocal leased
            if call == at and not leased:  # it would wait for this very thread
                asyncio.run(target(place, kind).check())
            leased = name == "lease" or (leased and name != "release")

        fs = Intercepted(before=another_starts)
        await target(place, kind, fs).write(NEW)
        assert await target(place, kind).read() == NEW
        await target(place, kind).check()
        assert left_over(place) == []
        if at >= len(fs.made):
            break
    assert at > 30
