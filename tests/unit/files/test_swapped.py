"""What takes a file's place between the look at it and its opening is neither followed nor waited for."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from rotator.core.errors import Code, RotationError
from tests.integration.files.harness import NAME, Intercepted, record, sink

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SWAPS: dict[str, Callable[[Path], None]] = {
    "a link to another token": lambda path: path.symlink_to(path.with_name("prey")),
    "a pipe that nobody writes to": os.mkfifo,
    "a directory": os.mkdir,
}


@pytest.mark.parametrize("what", SWAPS)
async def test_a_read_does_not_fall_for_f08_f12(tmp_path: Path, what: str) -> None:
    file = tmp_path / "out" / NAME
    await sink(tmp_path, "json").write(record("prey"))
    file.rename(file.with_name("prey"))
    await sink(tmp_path, "json").write(record("ours"))

    def swap(_: int, name: str) -> None:
        if name == "lstat":
            file.unlink()
            SWAPS[what](file)

    with pytest.raises(RotationError) as caught:
        await sink(tmp_path, "json", Intercepted(after=swap)).read()
    assert caught.value.code is Code.FILE_UNSAFE
    assert str(file) in caught.value.detail


async def test_a_file_that_goes_between_look_and_opening_holds_nothing(tmp_path: Path) -> None:
    file = tmp_path / "out" / NAME
    await sink(tmp_path, "json").write(record())

    def remove(_: int, name: str) -> None:
        if name == "lstat":
            file.unlink()

    assert await sink(tmp_path, "json", Intercepted(after=remove)).read() is None
