"""The wrapper that ties a server's life to that of its parent."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest


def _wrapped(parent: int) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "rotator.demo.lifeline", str(parent), "/bin/echo", "it runs"]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)


def test_the_program_takes_the_wrappers_place() -> None:
    done = _wrapped(os.getpid())
    assert (done.returncode, done.stdout) == (0, "it runs\n")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux knows the lifeline")
def test_a_program_whose_parent_has_died_already_is_not_started() -> None:
    done = _wrapped(os.getppid())
    assert (done.returncode, done.stdout) == (1, "")
