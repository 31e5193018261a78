"""What a check finds, tries and removes: temporary files of killed processes, and everything that a write needs."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

import pytest

from rotator.core.errors import Code, RotationError
from tests.integration.files.harness import NAME, failing, left_over, record, sink

if TYPE_CHECKING:
    from pathlib import Path

STALE = "rotator-0123abcd"


async def test_a_check_removes_what_was_left_of_the_file_and_of_its_state_f03(tmp_path: Path) -> None:
    await sink(tmp_path).write(record())
    (entry,) = (tmp_path / "state").iterdir()
    (tmp_path / "out" / f".{NAME}.{STALE}").touch()
    (tmp_path / "state" / f".{entry.name}.{STALE}").touch()
    await sink(tmp_path).check()
    assert left_over(tmp_path) == []
    assert await sink(tmp_path).read() == record()


@pytest.mark.parametrize(
    "name",
    [
        f".other.token.{STALE}",
        f"{NAME}.{STALE}",
        f".{NAME}.{STALE}0",
        f".{NAME}.rotator-0123abc",
        f".{NAME}.rotator-0123ABCD",
        f".billingXtoken.{STALE}",
    ],
)
async def test_a_check_removes_nothing_that_only_looks_alike_f03(tmp_path: Path, name: str) -> None:
    file = sink(tmp_path)
    (tmp_path / "out" / name).touch()
    await file.check()
    assert (tmp_path / "out" / name).exists()


async def test_what_a_check_could_not_remove_of_its_own_the_next_one_does_f03(tmp_path: Path) -> None:
    await sink(tmp_path, "raw", failing({"unlink": errno.EIO})).check()
    assert len(left_over(tmp_path)) == 2, "one of the file and one of its state"
    await sink(tmp_path).check()
    assert left_over(tmp_path) == []


async def test_a_check_tells_what_a_write_would_meet(tmp_path: Path) -> None:
    with pytest.raises(RotationError) as caught:
        await sink(tmp_path, "json", failing({"fchown": errno.EPERM}), group="54322").check()
    assert caught.value.code is Code.FILE_OWNER
    assert f"may not give {tmp_path / 'out' / NAME} to gid 54322" in caught.value.detail
    assert left_over(tmp_path) == []


async def test_a_check_tries_the_state_of_those_formats_only_that_need_one(tmp_path: Path) -> None:
    refusing = failing({"mkdir": errno.EROFS})
    await sink(tmp_path, "json", refusing).check()
    with pytest.raises(RotationError) as caught:
        await sink(tmp_path, "raw", refusing).check()
    assert caught.value.detail == (
        f"making the state directory {tmp_path / 'state'} failed: {os.strerror(errno.EROFS)} (EROFS)"
    )
