"""`wait` and `healthcheck`: for start order, and for images without curl."""

from __future__ import annotations

import asyncio
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

import typer

from rotator.cli import asking
from rotator.cli.options import UnansweredError, UnknownError
from rotator.settings.types import listed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rotator.operate.listening import HttpSettings

LOOK = 0.5
"""Seconds between two looks."""

MOST_NAMED = 5


def wait(place: HttpSettings, names: Sequence[str], timeout: float) -> int:
    """Wait until every consumer of these credentials, or of all, holds a good token; the exit code.

    Raises:
        UnknownError: The rotator that runs has no such credential.
    """
    missing = asyncio.run(_served(place, names, timeout))
    if missing:
        typer.echo(f"not within {timeout:g} s: {missing}", err=True)
    return 1 if missing else 0


async def _served(place: HttpSettings, names: Sequence[str], most: float) -> str:
    """Wait for so many seconds at most; what is missing then, and nothing when it came before."""
    said = "nobody has answered yet"
    with suppress(TimeoutError):
        async with asyncio.timeout(most):
            while missing := await _missing(place, names):
                if missing != said and sys.stderr.isatty():
                    typer.echo(f"waiting: {missing}", err=True)
                said = missing
                await asyncio.sleep(LOOK)
            return ""
    return said


async def _missing(place: HttpSettings, names: Sequence[str]) -> str:
    """What is still waited for, as a sentence; empty for nothing."""
    try:
        found = (await asking.document(place, "/api/v1/status"))["credentials"]
    except UnansweredError as error:
        return str(error)
    states = {one["credential"]: one for one in found}
    if set(names) - states.keys():
        raise UnknownError
    unserved = [name for name in names or states if not states[name]["valid_for_s"]]
    troubles = [f"{name} ({_trouble(states[name])})" for name in unserved]
    return f"no good token yet for {listed(troubles, MOST_NAMED)}" if unserved else ""


def _trouble(one: asking.Document) -> str:
    failure = one["failure"]
    return one["state"] if failure is None else f"{failure['error']}: {failure['detail']}"


def healthcheck(place: HttpSettings, *, ready: bool) -> int:
    """Ask for health, or for readiness; the exit code. What is wrong goes to standard output, where probes keep it."""
    try:
        code, body = asyncio.run(asking.ask(place, "/-/ready" if ready else "/-/healthy"))
    except UnansweredError as error:
        typer.echo(str(error))
        return 1
    typer.echo(body.strip())
    return 0 if code == asking.OK else 1
