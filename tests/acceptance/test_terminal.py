"""The demo as somebody sees it who sits at a terminal."""

from __future__ import annotations

import asyncio
import os
import pty
import signal
from typing import TYPE_CHECKING

import pytest

from tests.support.process import DEADLINE, PASSED_ON, ROTATOR

if TYPE_CHECKING:
    from pathlib import Path


class Screen:
    """What a program has written to a terminal of ours."""

    def __init__(self, master: int) -> None:
        self.text = ""
        self._master = master
        self._changed = asyncio.Event()
        asyncio.get_running_loop().add_reader(master, self._read)

    async def shows(self, *words: str) -> None:
        """Wait until it has shown each of these."""
        async with asyncio.timeout(DEADLINE * 2):
            while not all(word in self.text for word in words):
                self._changed.clear()
                await self._changed.wait()

    def _read(self) -> None:
        try:
            self.text += os.read(self._master, 1 << 16).decode(errors="replace")
        except OSError:  # the other end is closed
            asyncio.get_running_loop().remove_reader(self._master)
        self._changed.set()


async def test_the_demo_shows_a_live_table_until_it_is_interrupted(tmp_path: Path) -> None:
    shown = ("Try in another terminal:", "CREDENTIAL", "NEXT MINT", "fresh", "token requests,", "█")
    await _demo_shows(tmp_path, ("--lifetime", "30s"), *shown)


@pytest.mark.parametrize(
    ("part", "said", "told"),
    [
        ("provider", "the provider answers 503 now", "provider_unavailable"),
        ("vault", "Vault is sealed now", "vault.unavailable"),
        ("clock", "the wall clock is an hour ahead now", "clock.stepped"),
    ],
)
async def test_the_demo_lets_a_part_go_wrong_and_says_so(tmp_path: Path, part: str, said: str, told: str) -> None:
    await _demo_shows(tmp_path, ("--lifetime", "10s", "--break", part), "all is well;", said, told)


async def _demo_shows(tmp_path: Path, options: tuple[str, ...], *words: str) -> None:
    master, slave = pty.openpty()
    screen = Screen(master)
    process = await asyncio.create_subprocess_exec(
        ROTATOR,
        "demo",
        *options,
        stdin=slave,
        stdout=slave,
        stderr=slave,
        env={**PASSED_ON, "TERM": "xterm-256color", "COLUMNS": "200", "LINES": "60", "TMPDIR": str(tmp_path)},
    )
    os.close(slave)
    await screen.shows(*words)
    process.send_signal(signal.SIGINT)
    async with asyncio.timeout(DEADLINE * 2):
        code = await process.wait()
    await screen.shows("Everything has been stopped and removed.")
    os.close(master)
    assert code == 0
    assert os.listdir(tmp_path) == []  # noqa: PTH208  nobody waits for this directory
