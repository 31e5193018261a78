"""Hooks and the deliveries that they follow: a file is written, and what hangs then holds up nobody."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from rotator.core.observation import Surroundings
from rotator.core.rotation import Rotation
from rotator.files.options import FileSinkSettings
from rotator.files.sink import FileSink
from rotator.files.state import StateDirectory
from rotator.hooks.command import ExecHook
from rotator.hooks.runner import Hooks
from rotator.hooks.sink import HookedSink
from rotator.testing import RecordingJournal
from tests.integration.hooks.bench import lives, script, until, written
from tests.unit.core.desk import Desk

if TYPE_CHECKING:
    from pathlib import Path

    from rotator.hooks.port import Hook


class Shop:
    """A credential with a file that has hooks."""

    def __init__(self, home: Path, *hooks: Hook) -> None:
        self.desk = Desk()
        self.file = home / "billing.token"
        self.journal = RecordingJournal()
        self.hooks = Hooks(self.journal, self.desk.clock)
        sink = FileSink(FileSinkSettings(self.file), "billing", StateDirectory(home / "state"))
        hooked = HookedSink(sink, hooks, self.hooks, "billing", 0.01)
        self.rotation = Rotation(
            self.desk.spec, self.desk.source, self.desk.endpoint, [hooked], self.desk.clock, self.desk.journal
        )

    async def run(self, after: float = 0.0) -> None:
        self.desk.clock.advance(after)
        await self.rotation.run(Surroundings())


async def test_a_command_runs_for_each_token_and_finds_it_in_the_file(tmp_path: Path) -> None:
    keep = ExecHook(
        (script(tmp_path, 'cat "$HOME_OF_TEST/billing.token" >> "$HOME_OF_TEST/seen"; echo >> "$HOME_OF_TEST/seen"'),)
    )
    shop = Shop(tmp_path, keep)
    seen = tmp_path / "seen"
    for number in (1, 2):
        await shop.run(after=301)
        await until(lambda: len(shop.journal.named("hook.ran")) == number, "the hook's end")  # noqa: B023  asked now
    assert seen.read_text().splitlines() == ["client.token.1", "client.token.2"]
    assert [event["sink"] for event in shop.journal.named("hook.ran")] == [f"file:{shop.file}"] * 2
    await shop.run(after=1)
    await shop.hooks.close(1)
    assert len(shop.journal.named("hook.ran")) == 2


async def test_r08_a_hook_that_hangs_holds_up_no_delivery(tmp_path: Path) -> None:
    hanging = ExecHook((script(tmp_path, 'echo $$ > "$HOME_OF_TEST/pid"; trap "" TERM; sleep 600; :'),), 60)
    shop = Shop(tmp_path, hanging)
    async with asyncio.timeout(5):
        await shop.run()
        await written(tmp_path / "pid")
        await shop.run(after=301)
    assert shop.file.read_text() == "client.token.2"
    await shop.hooks.close(0.1)


async def test_r04_what_hangs_in_the_end_is_killed_after_the_grace_and_told(tmp_path: Path) -> None:
    hanging = ExecHook((script(tmp_path, 'echo $$ > "$HOME_OF_TEST/pid"; trap "" TERM; sleep 600; :'),), 60)
    shop = Shop(tmp_path, hanging)
    await shop.run()
    pid = int(await written(tmp_path / "pid"))
    began = asyncio.get_running_loop().time()
    await shop.hooks.close(0.5)
    assert 0.4 < asyncio.get_running_loop().time() - began < 2.5
    assert not lives(pid)
    [failed] = shop.journal.named("hook.failed")
    assert (failed["error"], failed["hook"]) == ("hook_stopped", f"exec:{tmp_path}/hook")


async def test_a_hook_that_fails_is_told_with_what_it_said_and_the_token_stays(tmp_path: Path) -> None:
    shop = Shop(tmp_path, ExecHook((script(tmp_path, "echo no such unit; exit 5"),)))
    await shop.run()
    await until(lambda: bool(shop.journal.named("hook.failed")), "the failure")
    await shop.hooks.close(1)
    failed = shop.journal.named("hook.failed")[0]
    assert failed["detail"] == f"exec {tmp_path}/hook ended with exit code 5; it said: no such unit"
    assert (failed["error"], failed["retryable"], failed["hook_kind"]) == ("hook_failed", True, "exec")
    assert shop.file.read_text() == "client.token.1"
    assert "client.token.1" not in str(shop.journal.events)
