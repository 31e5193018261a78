"""The state that is kept for several files at once, and for one in the midst of being replaced."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from rotator.files.options import FileSinkSettings
from rotator.files.sink import FileSink
from rotator.files.state import StateDirectory
from tests.integration.files.harness import record, sink

if TYPE_CHECKING:
    from pathlib import Path


def _file(place: Path, name: str) -> FileSink:
    return FileSink(FileSinkSettings(place / name), name, StateDirectory(place / "state"))


async def test_each_file_has_a_state_of_its_own(tmp_path: Path) -> None:
    await _file(tmp_path, "one").write(record("one"))
    await _file(tmp_path, "two").write(record("two", life=700))
    assert await _file(tmp_path, "one").read() == record("one")
    assert await _file(tmp_path, "two").read() == record("two", life=700)


async def test_an_entry_that_names_another_file_describes_nothing(tmp_path: Path) -> None:
    await _file(tmp_path, "one").write(record())
    (entry,) = (tmp_path / "state").iterdir()
    entry.write_text(json.dumps({**json.loads(entry.read_text()), "sink": "/elsewhere"}))
    assert await _file(tmp_path, "one").read() is None


async def test_the_state_describes_what_a_file_is_about_to_hold_and_what_it_held_before(tmp_path: Path) -> None:
    await sink(tmp_path).write(record("old"))
    (old,) = (tmp_path / "out").iterdir()
    before = old.read_bytes()
    await sink(tmp_path).write(record("new", life=700))
    assert await sink(tmp_path).read() == record("new", life=700)
    old.write_bytes(before)  # as if killed before the file was replaced
    old.chmod(0o600)
    assert await sink(tmp_path).read() == record("old")
