"""`rotator login` as a process of ours, which waits for somebody."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Self

from tests.support.process import DEADLINE, PASSED_ON, ROTATOR

if TYPE_CHECKING:
    from pathlib import Path

URL = re.compile(r"https?://\S+")


class RotatorLogin:
    """A sign-in; `async with` starts it, and kills it in the end if it is still there."""

    def __init__(self, configuration: Path, *arguments: str | Path) -> None:
        self._command = (ROTATOR, "login", *arguments, "-c", configuration)
        self._said = ""

    async def __aenter__(self) -> Self:
        self._process = await asyncio.create_subprocess_exec(
            *self._command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={**PASSED_ON, "COLUMNS": "200"},
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()

    async def page(self, holding: str = "") -> str:
        """The address that it wants a person to visit, as soon as it has said one that holds this."""
        assert self._process.stderr is not None
        async with asyncio.timeout(DEADLINE):
            async for line in self._process.stderr:
                self._said += line.decode()
                found = URL.search(line.decode())
                if found is not None and holding in found[0]:
                    return found[0]
        raise AssertionError(f"it named no page; it said: {self._said}")

    async def ended(self) -> tuple[int, str]:
        """Its exit code and all that it said."""
        async with asyncio.timeout(DEADLINE):
            out, err = await self._process.communicate()
        assert self._process.returncode is not None
        return self._process.returncode, self._said + out.decode() + err.decode()
