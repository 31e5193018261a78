"""A process that asks token endpoints, and tells how much memory and time each question took.

`python -m tests.support.asker` reads one JSON object a line (`url`, `timeout`, `at_once`) and answers with one.
"""

from __future__ import annotations

import asyncio
import gc
import json
import re
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from rotator.core.errors import RotationError
from tests.support.hostile_provider import mint

if TYPE_CHECKING:
    from collections.abc import Sequence

STATUS = Path("/proc/self/status")


@dataclass(frozen=True)
class Asked:
    """How questions went that were asked at once.

    Attributes:
        codes: The error's code of each, or `minted`.
        seconds: Until the last one was over.
        grown: Bytes by which resident memory was at most larger than before, at any moment.
    """

    codes: Sequence[str]
    seconds: float
    grown: int


class Asker:
    """The process; `async with` starts and ends it."""

    async def __aenter__(self) -> Self:
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.support.asker"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            cwd=Path(__file__).parents[2],
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        self._process.kill()
        await self._process.wait()

    async def ask(self, url: str, deadline: float, *, at_once: int = 1) -> Asked:
        """Ask, so many times at once, each with a deadline in seconds."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"url": url, "timeout": deadline, "at_once": at_once}).encode() + b"\n")
        async with asyncio.timeout(deadline + 30):
            line = await self._process.stdout.readline()
        return Asked(**json.loads(line))


def _memory(key: str) -> int:
    """Bytes, of /proc/self/status."""
    found = re.search(rf"^{key}:\s+(\d+) kB", STATUS.read_text(), re.MULTILINE)
    assert found is not None
    return int(found[1]) * 1024


async def _code(url: str, timeout: float) -> str:  # noqa: ASYNC109  the endpoint's own
    try:
        await mint(url, timeout=timeout)
    except RotationError as error:
        return error.code.text
    return "minted"


async def _answer(question: dict[str, Any]) -> dict[str, Any]:
    gc.collect()
    before = _memory("VmRSS")
    # From here on VmHWM is the peak since now: proc_pid_clear_refs(5).
    Path("/proc/self/clear_refs").write_text("5")  # noqa: ASYNC240  proc does not block
    began = time.perf_counter()  # noqa: TID251  a measurement times itself
    codes = await asyncio.gather(*(_code(question["url"], question["timeout"]) for _ in range(question["at_once"])))
    took = time.perf_counter() - began  # noqa: TID251  likewise
    return {"codes": codes, "seconds": took, "grown": _memory("VmHWM") - before}


async def _main() -> None:
    while line := await asyncio.to_thread(sys.stdin.readline):
        print(json.dumps(await _answer(json.loads(line))), flush=True)  # noqa: T201  the answer


if __name__ == "__main__":
    asyncio.run(_main())
