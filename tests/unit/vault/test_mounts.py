"""Which engine serves a path, when many ask at once."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from rotator.core.errors import Code, RotationError
from rotator.vault.mounts import Mounts, Place

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from rotator.vault.answers import Document
    from rotator.vault.policies import Needs

MOUNTS = {"secret": "2", "team/a": "2", "team/b": "1"}


class Vault:
    """Tells mounts, once it is let and never at once.

    Args:
        away: So many questions it fails to answer.

    Attributes:
        asked: The paths it was asked about.
    """

    def __init__(self, away: int = 0) -> None:
        self.asked: list[str] = []
        self.let = asyncio.Event()
        self.away = away

    async def call(self, operation: Callable[[Any], Awaitable[Document]], _: Needs) -> Document:
        return await operation(SimpleNamespace(adapter=self))

    async def get(self, url: str) -> Document:
        path = url.removeprefix("/v1/sys/internal/ui/mounts/")
        self.asked.append(path)
        away = len(self.asked) <= self.away
        await self.let.wait()
        await asyncio.sleep(0)
        if away:
            raise RotationError(Code.VAULT_UNAVAILABLE, "it is away")
        mount = next(mount for mount in MOUNTS if path.startswith(mount))
        return {"data": {"path": f"{mount}/", "type": "kv", "options": {"version": MOUNTS[mount]}}}


async def resolved(vault: Vault, *paths: str) -> list[Place | BaseException]:
    """What those who ask at once for these paths are told, once all have asked."""
    mounts = Mounts(vault)
    asking = [asyncio.create_task(mounts.resolve(path)) for path in paths]
    await asyncio.sleep(0)
    vault.let.set()
    return await asyncio.gather(*asking, return_exceptions=True)


async def test_all_who_ask_at_once_about_one_mount_are_served_by_one_question() -> None:
    vault = Vault()
    paths = [f"secret/apps/{number}" for number in range(64)]
    assert await resolved(vault, *paths) == [Place("secret", 2, path) for path in paths]
    assert vault.asked == ["secret/apps/0"]


async def test_a_path_that_the_answer_does_not_serve_is_asked_about_by_itself() -> None:
    vault = Vault()
    told = await resolved(vault, "team/a/x", "team/b/x", "team/a/y")
    assert told == [Place("team/a", 2, "team/a/x"), Place("team/b", 1, "team/b/x"), Place("team/a", 2, "team/a/y")]
    assert vault.asked == ["team/a/x", "team/b/x"]


async def test_nobody_waits_for_a_question_about_a_path_of_another_first_segment() -> None:
    vault = Vault()
    mounts = Mounts(vault)
    asking = [asyncio.create_task(mounts.resolve(path)) for path in ("secret/x", "team/a/x")]
    await asyncio.sleep(0)
    assert vault.asked == ["secret/x", "team/a/x"]
    vault.let.set()
    await asyncio.gather(*asking)


async def test_those_who_waited_for_a_question_that_failed_ask_at_once_themselves() -> None:
    vault = Vault(away=1)
    first, *others = await resolved(vault, "secret/x", "secret/y", "secret/z")
    assert isinstance(first, RotationError)
    assert others == [Place("secret", 2, "secret/y"), Place("secret", 2, "secret/z")]
    assert vault.asked == ["secret/x", "secret/y", "secret/z"]


async def test_those_who_waited_for_one_who_went_away_are_served_all_the_same() -> None:
    vault = Vault()
    mounts = Mounts(vault)
    gone, waiting = (asyncio.create_task(mounts.resolve(path)) for path in ("secret/x", "secret/y"))
    await asyncio.sleep(0)
    gone.cancel()
    vault.let.set()
    with pytest.raises(asyncio.CancelledError):
        await gone
    assert await waiting == Place("secret", 2, "secret/y")
