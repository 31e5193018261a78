"""A real Prometheus with the rules that we ship, and what it says."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any, Self

import aiohttp

from rotator.demo import ports

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

LISTENS = b"Server is ready to receive web requests."

Sample = dict[str, Any]


class Prometheus:
    """One server; `async with` starts it and ends it.

    Args:
        home: A directory of its own.
        rules: The file with the alerts.
        target: Host and port of a rotator.
    """

    def __init__(self, home: Path, rules: Path, target: str) -> None:
        self._home = home
        self._address = f"127.0.0.1:{ports.to_try(0)[0]}"
        configuration = {
            "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
            "rule_files": [str(rules)],
            "scrape_configs": [{"job_name": "rotator", "static_configs": [{"targets": [target]}]}],
        }
        self._file = home / "prometheus.yml"  # YAML is a superset of JSON
        self._file.write_text(json.dumps(configuration))

    async def __aenter__(self) -> Self:
        self._process = await asyncio.create_subprocess_exec(
            "prometheus",
            f"--config.file={self._file}",
            f"--storage.tsdb.path={self._home / 'data'}",
            f"--web.listen-address={self._address}",
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        self._words: list[bytes] = []
        self._listens = asyncio.Event()
        self._reader = asyncio.create_task(self._read())
        try:
            await asyncio.wait_for(self._listens.wait(), 30)
        except TimeoutError:
            await self.__aexit__()
            raise AssertionError(b"".join(self._words[-10:]).decode()) from None
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()
        await self._reader

    async def _read(self) -> None:
        assert self._process.stderr is not None
        async for line in self._process.stderr:
            self._words.append(line)
            if LISTENS in line:
                self._listens.set()

    async def query(self, expression: str) -> list[Sample]:
        """What an expression is now."""
        result: list[Sample] = (await self._get("query", query=expression))["result"]
        return result

    async def firing(self, alert: str) -> list[Sample]:
        """The alerts of this name that fire."""
        alerts: list[Sample] = (await self._get("alerts"))["alerts"]
        return [one for one in alerts if one["labels"]["alertname"] == alert and one["state"] == "firing"]

    async def _get(self, path: str, **parameters: str) -> dict[str, Any]:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(10)) as session,
            session.get(f"http://{self._address}/api/v1/{path}", params=parameters) as answer,
        ):
            document = await answer.json()
        assert document["status"] == "success", document
        data: dict[str, Any] = document["data"]
        return data


async def until(
    reached: Callable[[], Awaitable[list[Sample]]], *, there: bool = True, within: float, what: str
) -> list[Sample]:
    """Ask until there is something, or nothing any more."""
    try:
        async with asyncio.timeout(within):
            while bool(found := await reached()) is not there:  # noqa: ASYNC110  it is another process
                await asyncio.sleep(0.5)
    except TimeoutError:
        raise AssertionError(f"{what} did not come within {within} s") from None
    return found
