"""F01: whoever reads while others write finds a whole token, always. Ten million reads: `make reliability`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.reliability.torn_reads import Goal, trial

if TYPE_CHECKING:
    from pathlib import Path

DEADLINE = 60.0


def test_f01_several_processes_write_and_no_way_of_reading_finds_a_torn_token(tmp_path: Path) -> None:
    seen = trial(tmp_path, Goal("json", reads=20_000, writes=200, deadline=DEADLINE))
    assert (seen.torn, seen.left) == (0, 0)
    assert seen.reads >= 20_000
    assert seen.writes >= 200
    assert seen.by_programs > 0


def test_f01_the_same_readers_find_a_writer_out_that_truncates(tmp_path: Path) -> None:
    goal = Goal("raw", reads=1, writes=1, torn=100, truncating=True, deadline=DEADLINE)
    assert trial(tmp_path, goal).torn >= 100
