"""A contender as a process of the driver's: started once, warmed once, then told to run a round when its turn comes."""

from __future__ import annotations

import asyncio
import json
import os
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT = Path(__file__).resolve().parents[2]
DEADLINE = 600.0
"""Seconds for the start, and for one round."""


class ContenderError(Exception):
    """A contender did not start, ended, or has not done what it says. The text says which, with its last words."""


@dataclass(frozen=True)
class Program:
    """One of those that compete.

    Attributes:
        key: Its short name; its tokens are below `secret/tokens/<key>`.
        title: What it is, for the page.
        command: The command line.
        rest: Seconds that must lie between two of its rounds.
    """

    key: str
    title: str
    command: tuple[str | Path, ...]
    rest: float = 0.0


@dataclass(frozen=True)
class Lap:
    """What one round took.

    Attributes:
        refreshes: How many credentials were refreshed.
        wall: Seconds, as the contender itself saw them.
        cpu: Seconds of CPU of its process.
    """

    refreshes: int
    wall: float
    cpu: float

    @property
    def rate(self) -> float:
        """Refreshes per second."""
        return self.refreshes / self.wall

    @property
    def cost(self) -> float:
        """CPU per refresh, milliseconds."""
        return 1000 * self.cpu / self.refreshes


@dataclass
class Contender:
    """A running program; `async with` starts it and ends it."""

    program: Program
    task: Mapping[str, Any] = field(repr=False)
    _complaints: IO[bytes] = field(default_factory=tempfile.TemporaryFile, repr=False)
    _ended_at: float = 0.0

    async def __aenter__(self) -> Self:
        self._process = await asyncio.create_subprocess_exec(
            *self.program.command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=self._complaints,
            cwd=ROOT,
            env={"PATH": os.environ.get("PATH", os.defpath)},
        )
        try:
            await self._ask(self.task)
            self._ended_at = asyncio.get_running_loop().time()
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()
        self._complaints.close()

    async def rested(self) -> None:
        """Return when it may have its turn. It may have made its first tokens when it was started."""
        await asyncio.sleep(max(0.0, self._ended_at + self.program.rest - asyncio.get_running_loop().time()))

    async def lap(self, number: int) -> Lap:
        """Let it refresh everything once.

        Raises:
            ContenderError: It ended, or took too long.
        """
        answer = await self._ask({"round": number})
        self._ended_at = asyncio.get_running_loop().time()
        return Lap(answer["refreshes"], answer["wall_s"], answer["cpu_s"])

    async def _ask(self, line: Mapping[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(line).encode() + b"\n")
        try:
            async with asyncio.timeout(DEADLINE):
                answer = await self._process.stdout.readline()
        except TimeoutError:
            raise self._error(f"said nothing for {DEADLINE:g} s") from None
        if not answer:
            raise self._error("ended")
        found: dict[str, Any] = json.loads(answer)
        return found

    def _error(self, what: str) -> ContenderError:
        self._complaints.seek(0)
        said = self._complaints.read().decode(errors="replace")[-2000:]
        return ContenderError(f"{self.program.title} {what}; it said:\n{said}")
