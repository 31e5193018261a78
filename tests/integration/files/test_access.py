"""Owner, group and mode: right before the file has its name, and never wider on the way."""

from __future__ import annotations

import asyncio
import json
import os
import stat
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from rotator.core.errors import Code, RotationError
from rotator.files.options import FileSinkSettings
from rotator.files.sink import FileSink
from rotator.files.state import StateDirectory
from rotator.files.system import SYSTEM
from rotator.files.writer import Access
from tests.integration.files.confined import NO_LANDLOCK
from tests.integration.files.harness import NAME, Intercepted, inodes, left_over, record, sink

if TYPE_CHECKING:
    from collections.abc import Iterator

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")

SOMEBODY, SOME_GROUP = 43210, 43211


@pytest.fixture(params=[0o000, 0o022, 0o077], ids=lambda umask: f"F13 umask {umask:03o}")
def umask(request: pytest.FixtureRequest) -> Iterator[None]:
    before = os.umask(request.param)
    yield
    os.umask(before)


@pytest.mark.usefixtures("umask")
@pytest.mark.parametrize("mode", [0o400, 0o600, 0o640], ids=lambda mode: f"mode {mode:04o}")
async def test_the_mode_is_as_configured_and_never_wider_for_an_instant(tmp_path: Path, mode: int) -> None:
    (tmp_path / "out").mkdir(mode=0o755)
    seen: set[int] = set()

    def look(_: int, __: str) -> None:
        seen.update(stat.S_IMODE(path.lstat().st_mode) for path in (tmp_path / "out").iterdir())

    await sink(tmp_path, "raw", Intercepted(after=look), mode=mode).write(record())
    assert seen == {0o600, mode}
    assert stat.S_IMODE((tmp_path / "out" / NAME).stat().st_mode) == mode
    assert stat.S_IMODE((tmp_path / "state").stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "state").iterdir()} == {0o600}


@as_root
async def test_f14_the_group_may_read_only_once_it_is_the_right_one(tmp_path: Path) -> None:
    seen: list[tuple[int, int, int]] = []

    def look(_: int, name: str) -> None:
        if name in {"write", "fchown", "fchmod", "rename"}:
            (path,) = (tmp_path / "out").iterdir()
            info = path.stat()
            seen.append((info.st_uid, info.st_gid, stat.S_IMODE(info.st_mode)))

    fs = Intercepted(after=look)
    target = sink(tmp_path, "json", fs, mode=0o640, owner=str(SOMEBODY), group=str(SOME_GROUP))
    await target.write(record())
    given = (SOMEBODY, SOME_GROUP)
    assert seen == [(0, 0, 0o600), (*given, 0o600), (*given, 0o640), (*given, 0o640)]
    assert await target.read() == record()


@as_root
async def test_an_owner_is_found_by_name(tmp_path: Path) -> None:
    await sink(tmp_path, owner="nobody", group="daemon").write(record())
    path = tmp_path / "out" / NAME
    assert (path.owner(), path.group()) == ("nobody", "daemon")


@pytest.mark.parametrize(("key", "kind"), [("owner", "user"), ("group", "group")])
async def test_f14_an_unknown_owner_or_group_is_told_by_the_check(tmp_path: Path, key: str, kind: str) -> None:
    with pytest.raises(RotationError) as caught:
        await sink(tmp_path, "raw", SYSTEM, **{key: "no-such-name"}).check()
    assert caught.value.code is Code.FILE_OWNER
    assert f"there is no {kind} 'no-such-name'" in caught.value.detail


async def test_f14_a_directory_service_that_goes_away_later_keeps_no_token_from_its_file(tmp_path: Path) -> None:
    answers = [Access(0o600)]

    class AnsweredOnce(FileSinkSettings):
        def access(self) -> Access:
            return answers.pop()

    target = FileSink(AnsweredOnce(tmp_path / NAME, "json"), "billing", StateDirectory(tmp_path / "state"))
    await target.check()
    await target.write(record())
    assert await target.read() == record()
    assert answers == []


@pytest.mark.parametrize("mode", [0o644, 0o400, 0o660])
async def test_a_file_whose_mode_was_changed_counts_as_nothing_and_is_written_anew(tmp_path: Path, mode: int) -> None:
    target = sink(tmp_path)
    await target.write(record())
    (tmp_path / "out" / NAME).chmod(mode)
    assert await target.read() is None
    await target.write(record())
    assert stat.S_IMODE((tmp_path / "out" / NAME).stat().st_mode) == 0o600
    assert await target.read() == record()


async def test_a_better_token_in_a_file_with_the_wrong_mode_stays_and_the_mode_is_mended(tmp_path: Path) -> None:
    await sink(tmp_path).write(record("theirs", 900))
    (tmp_path / "out" / NAME).chmod(0o644)
    assert await sink(tmp_path).write(record("mine")) == record("theirs", 900)
    assert await sink(tmp_path).read() == record("theirs", 900)
    assert stat.S_IMODE((tmp_path / "out" / NAME).stat().st_mode) == 0o600


async def test_a_check_leaves_nothing_behind_and_changes_nothing(tmp_path: Path) -> None:
    await sink(tmp_path).write(record())
    before = inodes(tmp_path)
    await sink(tmp_path).check()
    assert inodes(tmp_path) == before


def main() -> None:
    """Run as a program by an ordinary user: print the code that a check of a sink in argv[1] raises."""
    if os.geteuid() == 0:
        os.setgroups([])
        os.setgid(SOME_GROUP)
        os.setuid(SOMEBODY)
    try:
        asyncio.run(sink(Path(sys.argv[1]), "json", **json.loads(sys.argv[2])).check())
    except RotationError as error:
        sys.stdout.write(error.code.text)


@pytest.fixture
def ordinary_place() -> Iterator[Path]:
    """A directory that an ordinary user reaches and owns; pytest's own are closed to others."""
    with tempfile.TemporaryDirectory() as made:
        place = Path(made)
        (place / "out").mkdir()
        if os.geteuid() == 0:
            place.chmod(0o755)
            os.chown(place / "out", SOMEBODY, SOME_GROUP)
        yield place


@pytest.mark.parametrize(
    ("options", "mode", "code"),
    [
        pytest.param({}, 0o755, "", id="its own directory is good"),
        pytest.param({"owner": "root"}, 0o755, "file_owner", id="F14 an owner that it may not give to"),
        pytest.param({"group": "root"}, 0o755, "file_owner", id="F14 a group that it is no member of"),
        pytest.param({}, 0o555, "file_denied", id="F20 no right to write"),
    ],
)
def test_a_check_by_an_ordinary_user(ordinary_place: Path, options: dict[str, str], mode: int, code: str) -> None:
    (ordinary_place / "out").chmod(mode)
    command = [sys.executable, "-m", "tests.integration.files.test_access", str(ordinary_place), json.dumps(options)]
    ran = subprocess.run(command, check=True, capture_output=True, text=True, timeout=30)
    assert ran.stdout == code


async def test_f20_what_a_security_module_denies_is_told_and_the_other_files_are_written(tmp_path: Path) -> None:
    for name in ("denied", "allowed"):
        (tmp_path / name).mkdir()
        await sink(tmp_path / name, "json").write(record("old"))
    places = [str(tmp_path / "denied"), str(tmp_path / "allowed")]
    command = [sys.executable, "-m", "tests.integration.files.confined", places[1], *places]
    ran = subprocess.run(command, check=False, capture_output=True, text=True, timeout=30)  # noqa: ASYNC221  short
    if ran.returncode == NO_LANDLOCK:
        pytest.skip("this kernel has no Landlock, which any process may use to confine itself")
    assert ran.stdout == "file_denied written\n"
    assert await sink(tmp_path / "denied", "json").read() == record("old")
    assert await sink(tmp_path / "allowed", "json").read() == record("new", 700)
    assert left_over(tmp_path) == []


if __name__ == "__main__":
    main()
