"""What people are told when a file cannot be written: which file, what was found, what was wanted, how to mend it."""

from __future__ import annotations

import errno
import os
import stat
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from rotator.core.errors import Code, RotationError
from rotator.files.directory import opened
from rotator.files.formats import FORMATS
from rotator.files.lane import Lane
from rotator.files.options import FileSinkSettings
from rotator.files.plain import Found
from rotator.files.system import SYSTEM, meaning
from rotator.files.writer import temporary_name
from tests.integration.files.harness import NAME, Intercepted, failing, record, sink

if TYPE_CHECKING:
    from rotator.files.sink import FileSink

PATH = Path("/run/rotator/billing.token")
NEW = record("new")


async def _told(file: FileSink, **changes: Any) -> str:
    with pytest.raises(RotationError) as caught:
        await file.write(NEW if not changes else record(**changes))
    return caught.value.detail


SETTINGS: dict[str, tuple[dict[str, Any], str]] = {
    "a relative path": (
        {"path": Path("billing.token")},
        "'billing.token' is no path for a file; wanted an absolute one without `..`",
    ),
    "a name that leaves no room": (
        {"path": Path("/run", "x" * 238)},
        f"the name '{'x' * 238}' is too long; a temporary file beside it adds 18 bytes, of 255 in all",
    ),
    "an unknown format": ({"format": "yaml"}, f"there is no format 'yaml'; wanted one of {', '.join(FORMATS)}"),
    "a mode for everybody": (
        {"mode": 0o644},
        (
            "mode 0644 is not safe for a token; wanted 0400 to 0640, without write for the group and without anything "
            "for others: put the consumers into a group, and set group and mode 0640"
        ),
    ),
    "fields of a format without any": (
        {"fields": {"token": "access_token"}},
        "the format raw has no fields to rename; wanted json",
    ),
    "a field that no record has": (
        {"format": "json", "fields": {"a": "b"}},
        (
            "there is no field 'b' to rename; wanted one of access_token, expires_at, expires_in, fingerprint, inputs, "
            "issued_at, scope, token_type"
        ),
    ),
    "a name that another field has": (
        {"format": "json", "fields": {"scope": "access_token"}},
        "the new name 'scope' is taken by another field; rename that one as well",
    ),
}


@pytest.mark.parametrize("setting", SETTINGS)
def test_a_setting_is_refused_word_by_word(setting: str) -> None:
    settings, told = SETTINGS[setting]
    with pytest.raises(ValueError, match=r"wanted|rename|18 bytes") as caught:
        FileSinkSettings(**{"path": PATH, **settings})
    assert str(caught.value) == told


def test_the_longest_name_that_leaves_room_for_a_temporary_one_is_accepted(tmp_path: Path) -> None:
    name = "x" * 237
    assert FileSinkSettings(tmp_path / name).path.name == name
    (tmp_path / temporary_name(name)).touch()


@pytest.mark.parametrize("kind", ["user", "group"])
def test_an_owner_that_does_not_exist_is_told_with_what_to_do(kind: str) -> None:
    settings = FileSinkSettings(PATH, **{"owner" if kind == "user" else "group": "nobody-here"})  # type: ignore[arg-type]  # one key of two
    with pytest.raises(RotationError) as caught:
        settings.access()
    assert caught.value.code is Code.FILE_OWNER
    assert caught.value.detail == (
        f"there is no {kind} 'nobody-here' on this machine: create it, or name another one as {kind}"
    )


RECEIVERS = {
    "an owner": ({"owner": "54321"}, "uid 54321"),
    "a group": ({"group": "54322"}, "gid 54322"),
    "both": ({"owner": "54321", "group": "54322"}, "uid 54321 and gid 54322"),
    "a number that no system has": ({"owner": "9" * 20}, f"uid {'9' * 20}"),
}


@pytest.mark.parametrize("receiver", RECEIVERS)
async def test_a_file_that_may_not_be_given_away_is_told_with_the_cure_and_the_old_one_stays(
    tmp_path: Path, receiver: str
) -> None:
    options, named = RECEIVERS[receiver]
    refusing = Intercepted() if "9" * 20 in named else failing({"fchown": errno.EPERM})
    assert await _told(sink(tmp_path, "json", refusing, **options)) == (
        f"uid {os.geteuid()} may not give {tmp_path / 'out' / NAME} to {named}: let rotator's user be a member of the "
        "group and leave owner out, or run rotator with CAP_CHOWN"
    )
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize(
    ("options", "asked"), [({"owner": "54321"}, (54321, -1)), ({"group": "54322"}, (-1, 54322))], ids=["owner", "group"]
)
async def test_who_is_not_configured_is_left_as_he_is(
    tmp_path: Path, options: dict[str, str], asked: tuple[int, int]
) -> None:
    given: list[tuple[int, int]] = []

    class Noting(Intercepted):
        def fchown(self, fd: int, uid: int, gid: int) -> None:  # noqa: ARG002  as the system call has it
            given.append((uid, gid))

    await sink(tmp_path, "json", Noting(), **options).write(NEW)
    assert given == [asked]


async def test_a_file_that_is_not_ours_is_told_with_the_cure(tmp_path: Path) -> None:
    file = sink(tmp_path)
    (tmp_path / "out" / NAME).write_text("somebody's\nnotes\n")
    assert await _told(file) == (
        f"{tmp_path / 'out' / NAME} holds something that rotator did not write; wanted a token file, or none: "
        "configure another path, or move the file away"
    )


async def test_what_takes_a_files_place_is_told_with_the_cure(tmp_path: Path) -> None:
    file = sink(tmp_path)
    (tmp_path / "out" / NAME).mkdir()
    assert await _told(file) == (
        f"{tmp_path / 'out' / NAME} is a directory; wanted a plain file or nothing: remove it, or configure another "
        "path"
    )


async def test_who_removes_every_temporary_file_is_told_of_f03(tmp_path: Path) -> None:
    def remove(_: int, name: str) -> None:
        if name == "rename":
            for temporary in (tmp_path / "out").glob(".*"):
                temporary.unlink()

    fs = Intercepted(before=remove)
    assert await _told(sink(tmp_path, "json", fs)) == (
        f"somebody removed each of 8 temporary files for {tmp_path / 'out' / NAME} before it could get its name; "
        "wanted them left alone: see what cleans up there"
    )
    assert fs.made.count("rename") == 8


async def test_a_token_that_no_bearer_is_is_told_and_nothing_is_written_p20(tmp_path: Path) -> None:
    assert await _told(sink(tmp_path), name="\r\nX-Evil: 1") == (
        "the access token has characters that no bearer token has; nothing was written"
    )
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize(
    ("number", "told"),
    [(errno.ENOSPC, "No space left on device (ENOSPC)"), (None, f"{os.strerror(0)} (an unknown error)")],
    ids=["full", "unknown"],
)
def test_the_kernels_answer_is_told_in_words_and_by_its_name(number: int | None, told: str) -> None:
    error = OSError() if number is None else OSError(number, "CANARY")
    assert meaning(error, f"writing {PATH}").detail == f"writing {PATH} failed: {told}"


@pytest.mark.parametrize(("call", "doing"), [("lstat", "reading"), ("write", "writing")])
async def test_what_was_being_done_is_told_with_its_path(tmp_path: Path, call: str, doing: str) -> None:
    told = await _told(sink(tmp_path, "json", failing({call: errno.EIO})))
    assert told == f"{doing} {tmp_path / 'out' / NAME} failed: {os.strerror(errno.EIO)} (EIO)"


async def test_a_check_tells_what_it_tried(tmp_path: Path) -> None:
    place = tmp_path / "out"
    tried = {
        "listdir": f"looking for left-over files in {place}",
        "fchmod": f"trying to write {place / NAME}",
    }
    for call, doing in tried.items():
        with pytest.raises(RotationError) as caught:
            await sink(tmp_path, "json", failing({call: errno.EIO})).check()
        assert caught.value.detail == f"{doing} failed: {os.strerror(errno.EIO)} (EIO)"


async def test_a_state_directory_that_cannot_be_made_is_told_with_its_path(tmp_path: Path) -> None:
    told = await _told(sink(tmp_path, "raw", failing({"mkdir": errno.EROFS})))
    assert told == f"making the state directory {tmp_path / 'state'} failed: {os.strerror(errno.EROFS)} (EROFS)"
    assert (tmp_path / "out" / NAME).read_text() == "token.new", "consumers come first"


async def test_a_state_directory_and_what_is_in_it_are_for_rotators_user_alone(tmp_path: Path) -> None:
    await sink(tmp_path).write(NEW)
    (entry,) = (tmp_path / "state").iterdir()
    assert stat.S_IMODE((tmp_path / "state").stat().st_mode) == 0o700
    assert stat.S_IMODE(entry.stat().st_mode) == 0o600
    assert entry.suffix == ".json"


@pytest.mark.parametrize(("call", "doing"), [("open", "opening"), ("close", "closing")])
def test_a_directory_that_cannot_be_held_open_is_told_with_its_path(tmp_path: Path, call: str, doing: str) -> None:
    with pytest.raises(RotationError) as caught, opened(tmp_path, failing({call: errno.EIO})):
        pass
    assert caught.value.detail == f"{doing} the directory {tmp_path} failed: {os.strerror(errno.EIO)} (EIO)"


def test_no_descriptor_of_the_way_to_a_directory_stays_open(tmp_path: Path) -> None:
    before = os.listdir("/proc/self/fd")  # noqa: PTH208  numbers are what is wanted
    with opened(tmp_path, SYSTEM):
        assert len(os.listdir("/proc/self/fd")) == len(before) + 1  # noqa: PTH208  likewise
    assert os.listdir("/proc/self/fd") == before  # noqa: PTH208  likewise


def test_a_loop_of_links_is_told_with_the_link_f09(tmp_path: Path) -> None:
    (tmp_path / "here").symlink_to("there")
    (tmp_path / "there").symlink_to("here")
    with pytest.raises(RotationError) as caught, opened(tmp_path / "here", SYSTEM):
        pass
    assert caught.value.code is Code.FILE_UNSAFE
    assert caught.value.detail.startswith(f"the way to {tmp_path / 'here'} goes through more than 40 symbolic links: ")
    assert caught.value.detail.endswith("here is a loop")


@pytest.mark.parametrize(("links", "followed"), [(40, True), (41, False)])
def test_as_many_links_are_followed_as_the_kernel_follows_f09(tmp_path: Path, links: int, *, followed: bool) -> None:
    (tmp_path / "0").mkdir()
    for number in range(links):
        (tmp_path / str(number + 1)).symlink_to(str(number))
    try:
        with opened(tmp_path / str(links), SYSTEM):
            reached = True
    except RotationError:
        reached = False
    assert reached is followed


async def test_a_file_system_that_hangs_is_told_with_the_deadline() -> None:
    go = threading.Event()
    with pytest.raises(RotationError) as caught:
        await Lane("file:/mnt/token", 0.05).run(lambda: go.wait(20))
    go.set()
    assert caught.value.code is Code.FILE_IO
    assert caught.value.detail == (
        "file:/mnt/token has not answered within 0.05 s; wanted a file system that does: see whether its server or "
        "disk hangs"
    )


async def test_the_thread_of_a_lane_bears_its_name_and_does_not_keep_the_process_alive() -> None:
    thread = await Lane("file:/mnt/token", 5.0).run(threading.current_thread)
    assert (thread.name, thread.daemon) == ("file:/mnt/token", True)


async def test_what_a_piece_of_work_raises_arrives_as_it_is() -> None:
    def fail() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await Lane("file:/mnt/token", 5.0).run(fail)


def test_a_file_that_was_read_does_not_show_what_it_holds() -> None:
    assert repr(Found(b"CANARY", 0o600, 0, 0)) == "Found(mode=384, uid=0, gid=0)"
