"""The kernel itself refuses, or ends the process, at every system call of a write; all of it: `make reliability`."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from tests.reliability import syscalls

if TYPE_CHECKING:
    from pathlib import Path

CALLS_OF_A_WRITE = 30
"""At least: the way to the directory, a look at what is there, the temporary file, its name."""


@pytest.mark.skipif(shutil.which("strace") is None, reason="there is no strace, which lets system calls fail")
@pytest.mark.parametrize(
    ("kind", "what"),
    [
        pytest.param("json", "signal=KILL", id="f02 f03 r01 killed"),
        pytest.param("json", "ESTALE", id="f20 stale handle"),
        pytest.param("json-in-place", "signal=KILL", id="f02 f16 r01 killed while writing in place"),
        pytest.param("json-in-place", "EIO", id="f05 disk error while writing in place"),
    ],
)
def test_whichever_system_call_is_the_last_or_fails_old_or_new_is_there_whole_or_the_next_start_sees_to_it(
    tmp_path: Path, kind: str, what: str
) -> None:
    outcome = syscalls.every(tmp_path / kind, kind, [what])
    assert outcome.wrong == []
    assert outcome.made.total() >= CALLS_OF_A_WRITE
    assert (outcome.left > 0) == (what == "signal=KILL")


def test_a_missing_strace_is_told_in_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match=r"this needs strace, .* install it"):
        syscalls.Halting(str(tmp_path))
