"""Where a token may be written, and what must not be overwritten."""

from __future__ import annotations

import asyncio
import os
import socket
from typing import TYPE_CHECKING

import pytest

from rotator.core.errors import Code, RotationError
from rotator.files.formats import FORMATS
from tests.integration.files.harness import NAME, Intercepted, record, sink

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

STRANGER = 54321

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can make files of another user")


async def refusal(place: Path, kind: str = "raw") -> RotationError:
    """What reading, writing and checking all answer."""
    target = sink(place, kind)
    answers = []
    for attempt in (target.read(), target.write(record("new")), target.check()):
        with pytest.raises(RotationError) as caught:
            await asyncio.wait_for(attempt, 5)
        answers.append(caught.value)
    assert len({answer.code for answer in answers}) == 1
    return answers[1]


def socket_at(path: Path) -> None:
    here = os.open(path.parent, os.O_RDONLY)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"/proc/self/fd/{here}/{path.name}")
    os.close(here)


@pytest.mark.parametrize(
    ("make", "named"),
    [
        pytest.param(lambda path: path.symlink_to(path.parent.parent / "prey"), "a symbolic link", id="F08 link"),
        pytest.param(lambda path: path.symlink_to("nowhere"), "a symbolic link", id="F08 dangling link"),
        pytest.param(os.mkfifo, "a FIFO", id="F12 FIFO without another end"),
        pytest.param(lambda path: path.mkdir(), "a directory", id="F12 directory"),
        pytest.param(socket_at, "a socket", id="F12 socket"),
        pytest.param(
            lambda path: os.mknod(path, 0o20600, os.makedev(1, 3)), "a device", marks=as_root, id="F12 device"
        ),
    ],
)
async def test_a_target_that_is_no_plain_file_is_refused_and_left_alone(
    tmp_path: Path, make: Callable[[Path], None], named: str
) -> None:
    (tmp_path / "prey").write_text("precious")
    sink(tmp_path)
    make(tmp_path / "out" / NAME)
    before = (tmp_path / "out" / NAME).lstat().st_ino
    error = await refusal(tmp_path)
    assert error.code is Code.FILE_UNSAFE
    assert f"is {named};" in error.detail
    assert (tmp_path / "out" / NAME).lstat().st_ino == before
    assert (tmp_path / "prey").read_text() == "precious"


async def test_f08_a_link_that_appears_after_the_last_look_is_not_written_through(tmp_path: Path) -> None:
    (tmp_path / "prey").write_text("precious")

    def plant(_: int, name: str) -> None:
        if name == "rename":
            (tmp_path / "out" / NAME).symlink_to(tmp_path / "prey")

    await sink(tmp_path, "json", Intercepted(before=plant)).write(record())
    assert (tmp_path / "prey").read_text() == "precious"
    assert await sink(tmp_path, "json").read() == record()


async def test_f08_a_state_that_is_a_link_is_not_replaced(tmp_path: Path) -> None:
    await sink(tmp_path).write(record())
    (state,) = (tmp_path / "state").iterdir()
    state.rename(tmp_path / "moved")
    state.symlink_to(tmp_path / "moved")
    with pytest.raises(RotationError, match="is a symbolic link"):
        await sink(tmp_path).write(record("new", 700))
    assert state.is_symlink()
    assert (tmp_path / "out" / NAME).read_text() == "token.new"


async def test_f12_a_hard_link_is_replaced_and_its_other_name_keeps_its_content(tmp_path: Path) -> None:
    await sink(tmp_path).write(record("old"))
    os.link(tmp_path / "out" / NAME, tmp_path / "other")
    await sink(tmp_path).write(record("new", 700))
    assert (tmp_path / "other").read_text() == "token.old"
    assert (tmp_path / "out" / NAME).read_text() == "token.new"


@pytest.mark.parametrize("kind", ["raw", "json"])
async def test_f11_a_directory_that_everybody_may_write_to_is_refused_with_the_cure(tmp_path: Path, kind: str) -> None:
    sink(tmp_path)
    (tmp_path / "out").chmod(0o777)
    error = await refusal(tmp_path, kind)
    assert error.code is Code.FILE_UNSAFE
    assert f"`chmod o-w {tmp_path / 'out'}`" in error.detail


async def test_f11_the_sticky_bit_makes_such_a_directory_good_enough(tmp_path: Path) -> None:
    target = sink(tmp_path)
    (tmp_path / "out").chmod(0o1777)
    assert await target.write(record()) == await target.read()


@as_root
async def test_f11_a_directory_of_another_user_is_refused_with_the_cure(tmp_path: Path) -> None:
    sink(tmp_path)
    os.chown(tmp_path / "out", STRANGER, -1)
    error = await refusal(tmp_path)
    assert error.code is Code.FILE_UNSAFE
    assert f"uid {STRANGER}" in error.detail
    assert f"`chown 0 {tmp_path / 'out'}`" in error.detail


async def test_f09_a_link_of_ones_own_on_the_way_is_followed_as_var_run_is(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "inner").mkdir()
    (tmp_path / "absolute").symlink_to(tmp_path / "real")
    (tmp_path / "real" / "out").symlink_to("../real/./inner")
    await sink(tmp_path / "absolute").write(record())
    assert (tmp_path / "real" / "inner" / NAME).read_text() == "token.one"


@as_root
@pytest.mark.parametrize("component", ["parent", "parent/out"])
async def test_f09_a_component_that_a_stranger_swapped_for_a_link_is_refused(tmp_path: Path, component: str) -> None:
    (tmp_path / "elsewhere" / "out").mkdir(parents=True)
    (tmp_path / "parent").mkdir()
    await sink(tmp_path / "parent").write(record())
    (tmp_path / component).rename(tmp_path / "moved")
    (tmp_path / component).symlink_to(tmp_path / "elsewhere" / ("out" if component.endswith("out") else ""))
    os.lchown(tmp_path / component, STRANGER, -1)
    error = await refusal(tmp_path / "parent")
    assert error.code is Code.FILE_UNSAFE
    assert f"symbolic link made by uid {STRANGER}" in error.detail
    assert list((tmp_path / "elsewhere" / "out").iterdir()) == []


async def test_f09_a_loop_of_links_ends_in_a_message(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    target = sink(tmp_path / "real")
    (tmp_path / "real" / "out").rmdir()
    (tmp_path / "real" / "out").symlink_to("out")
    with pytest.raises(RotationError, match="more than 40 symbolic links"):
        await target.write(record())


async def test_f07_a_directory_that_goes_and_comes_back_is_found_again(tmp_path: Path) -> None:
    target = sink(tmp_path)
    await target.write(record("old"))
    (tmp_path / "out").rename(tmp_path / "gone")
    for attempt in (target.read(), target.write(record("new", 700)), target.check()):
        with pytest.raises(RotationError) as caught:
            await attempt
        assert caught.value.code is Code.FILE_DIRECTORY_MISSING
        assert str(tmp_path / "out") in caught.value.detail
    (tmp_path / "out").mkdir()
    await target.write(record("new", 700))
    assert (tmp_path / "out" / NAME).read_text() == "token.new"
    assert (tmp_path / "gone" / NAME).read_text() == "token.old"


FOREIGN = [
    pytest.param(b"-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----\n", id="a key"),
    pytest.param(b'{"debug": true}\n', id="somebody's json"),
    pytest.param(b"root:x:0:0:root:/root:/bin/sh\n", id="passwd"),
    pytest.param(b"\x00\xff" * 600_000, id="a large binary"),
]


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("content", FOREIGN)
async def test_a_mistyped_path_costs_nobody_his_file(tmp_path: Path, kind: str, content: bytes) -> None:
    sink(tmp_path)
    (tmp_path / "out" / NAME).write_bytes(content)
    assert (await refusal(tmp_path, kind)).code is Code.SINK_FOREIGN
    assert (tmp_path / "out" / NAME).read_bytes() == content


@pytest.mark.parametrize("content", FOREIGN)
async def test_v23_what_somebody_wrote_over_a_known_file_counts_as_nothing_and_is_replaced(
    tmp_path: Path, content: bytes
) -> None:
    await sink(tmp_path).write(record())
    (tmp_path / "out" / NAME).write_bytes(content)
    assert await sink(tmp_path).read() is None
    await sink(tmp_path).write(record())
    assert await sink(tmp_path).read() == record()


@pytest.mark.parametrize("after", FORMATS)
@pytest.mark.parametrize("before", FORMATS)
async def test_a_file_is_rewritten_after_the_format_was_changed(tmp_path: Path, before: str, after: str) -> None:
    await sink(tmp_path, before).write(record())
    if before != after:
        assert await sink(tmp_path, after).read() is None
    await sink(tmp_path, after).write(record("new", 700))
    assert await sink(tmp_path, after).read() == record("new", 700)


@pytest.mark.parametrize("after", FORMATS)
@pytest.mark.parametrize("before", ["netrc", "dockerconfigjson", "template"])
async def test_a_file_such_as_people_keep_is_not_taken_for_ours_by_another_format_without_a_state(
    tmp_path: Path, before: str, after: str
) -> None:
    await sink(tmp_path, before).write(record())
    (tmp_path / "state").rename(tmp_path / "deleted")
    if before == after:
        assert await sink(tmp_path, after).read() is None
        return
    with pytest.raises(RotationError) as caught:
        await sink(tmp_path, after).read()
    assert caught.value.code is Code.SINK_FOREIGN


@pytest.mark.parametrize("after", ["raw", "json", "header", "env", "kubectl-exec"])
@pytest.mark.parametrize("before", ["raw", "json", "header", "env", "kubectl-exec"])
async def test_a_file_is_rewritten_after_the_format_was_changed_and_the_state_deleted(
    tmp_path: Path, before: str, after: str
) -> None:
    await sink(tmp_path, before).write(record())
    (tmp_path / "state").rename(tmp_path / "deleted") if before != "json" else None
    if before != after:
        assert await sink(tmp_path, after).read() is None
    await sink(tmp_path, after).write(record("new", 700))
    assert await sink(tmp_path, after).read() == record("new", 700)


async def test_a_token_that_was_edited_in_place_is_not_read_as_the_one_that_was_written(tmp_path: Path) -> None:
    await sink(tmp_path).write(record())
    (tmp_path / "out" / NAME).write_text("token.forged")
    assert await sink(tmp_path).read() is None


@pytest.mark.parametrize("content", ["", "{", "[]", '{"sink": 1}', "[" * 100_000, '{"records": [1, {}], "sink": "?"}'])
async def test_a_state_that_cannot_be_read_counts_as_none_and_is_replaced(tmp_path: Path, content: str) -> None:
    await sink(tmp_path).write(record())
    (state,) = (tmp_path / "state").iterdir()
    state.write_text(content.replace("?", str(tmp_path / "out" / NAME)))
    assert await sink(tmp_path).read() is None
    await sink(tmp_path).write(record())
    assert await sink(tmp_path).read() == record()


async def test_no_state_holds_the_token(tmp_path: Path) -> None:
    await sink(tmp_path).write(record())
    (state,) = (tmp_path / "state").iterdir()
    assert record().fingerprint in state.read_text()
    assert "token.one" not in state.read_text()


@as_root
async def test_a_token_is_not_adopted_from_a_file_that_a_stranger_left(tmp_path: Path) -> None:
    await sink(tmp_path, "json").write(record("theirs", 900))
    os.chown(tmp_path / "out" / NAME, STRANGER, -1)
    assert await sink(tmp_path, "json").read() is None
    assert await sink(tmp_path, "json").write(record("mine")) == record("mine")
    assert (tmp_path / "out" / NAME).stat().st_uid == 0
