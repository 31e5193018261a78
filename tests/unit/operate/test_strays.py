"""What nobody catches is told through the log, by its kind and place and without its text."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

HEAD = """
import atexit, gc, threading
from rotator.operate import logs
log = logs.configure(logs.LogSettings(format="json"))
atexit.register(log.close)
"""
STRAYS = {
    "main thread": "raise KeyError('CANARY')",
    "thread": "thread = threading.Thread(target=lambda: {}['CANARY'])\nthread.start()\nthread.join()",
    "finalizer": "class Falls:\n def __del__(self): raise KeyError('CANARY')\nFalls()\ngc.collect()",
}


def _run(program: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", HEAD + program], capture_output=True, text=True, timeout=30, check=False
    )


@pytest.mark.parametrize("where", STRAYS)
def test_an_exception_is_told_that_falls_out_of_a(where: str) -> None:
    told = _run(STRAYS[where]).stderr
    (line,) = [json.loads(line) for line in told.splitlines()]
    assert (line["event"], line["where"]) == ("process.error", where)
    assert line["detail"].startswith("KeyError at ")
    assert "CANARY" not in told


def test_an_interruption_is_no_error() -> None:
    done = _run("raise KeyboardInterrupt")
    assert "process.error" not in done.stderr
