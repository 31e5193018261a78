"""How the daemon ends when not everything can end, and when a part of it dies: never in silence, never for ever."""

from __future__ import annotations

import asyncio
import signal
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from rotator.daemon import Daemon
from rotator.engine.clock import SystemClock
from rotator.settings.load import load
from rotator.testing import RecordingJournal
from tests.support.hostile_provider import hostile
from tests.support.process import DEADLINE, Rotator

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from rotator.core.model import Moment

CONFIGURATION = """\
shutdown_grace = "{grace}"
state_dir = "{home}/state"

[vault]
address = "{vault}"
timeout = "60s"

[vault.auth]
method = "token"
token_file = "token"

[providers.thx]
token_url = "http://127.0.0.1:9/token"

[credentials.billing]
provider = "thx"
source = {{ type = "vault", path = "secret/apps/billing" }}

[[credentials.billing.sinks]]
type = "file"
path = "{home}/billing.token"
"""


async def _silent(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    await reader.read()


@asynccontextmanager
async def _hanging_vault(home: Path, grace: str) -> AsyncIterator[Path]:
    """A configuration whose Vault accepts and never answers."""
    async with hostile(_silent) as url:
        yield _configured(home, url.removesuffix("/token"), grace)


def _configured(home: Path, vault: str, grace: str = "5s") -> Path:
    secret = home / "token"
    secret.write_text("hvs.CANARY")
    secret.chmod(0o600)
    configuration = home / "config.toml"
    configuration.write_text(CONFIGURATION.format(vault=vault, home=home, grace=grace))
    return configuration


async def test_r04_what_does_not_end_within_the_grace_is_told_of_and_left(tmp_path: Path) -> None:
    async with _hanging_vault(tmp_path, "0.2s") as configuration, Rotator(configuration) as daemon:
        await daemon.says("daemon.started")
        daemon.signal(signal.SIGTERM)
        assert await daemon.ended() == 0
        (left,) = daemon.named("process.error")
        assert (left["where"], left["detail"]) == ("shutdown", "not everything ended within 0.2 s")
        assert daemon.events[-1]["event"] == "daemon.stopped"


async def test_r04_a_second_signal_does_not_wait_for_what_hangs(tmp_path: Path) -> None:
    async with _hanging_vault(tmp_path, "300s") as configuration, Rotator(configuration) as daemon:
        await daemon.says("daemon.started")
        daemon.signal(signal.SIGTERM)
        await daemon.says("daemon.draining")
        daemon.signal(signal.SIGTERM)
        assert await daemon.ended() == 130
        assert not daemon.named("daemon.stopped")


class _Breaking(SystemClock):
    """A clock that stops working when it is told to."""

    broken = False

    def now(self) -> Moment:
        if self.broken:
            raise ZeroDivisionError("CANARY")
        return super().now()

    def elapsed(self) -> float:
        return self.now().elapsed


class _Listening(RecordingJournal):
    """A journal that can be waited for."""

    def __init__(self) -> None:
        super().__init__()
        self.ready = asyncio.Event()

    def event(self, name: str, /, **fields: object) -> None:
        super().event(name, **fields)
        if name == "daemon.ready":
            self.ready.set()


async def test_a_part_of_the_daemon_that_dies_ends_it_and_is_told_of(tmp_path: Path) -> None:
    configuration = _configured(tmp_path, "http://127.0.0.1:9")
    clock, journal = _Breaking(), _Listening()
    running = asyncio.create_task(Daemon(load(configuration, {}), {}, clock, journal).run())
    async with asyncio.timeout(DEADLINE):
        await journal.ready.wait()
        clock.broken = True
        await running
    died = journal.named("process.error")
    assert {str(fields["where"]) for fields in died} <= {"sentinel", "vault session", "gate thx"}
    assert died, "whichever asked for the time first"
    assert all(str(fields["detail"]).startswith("ZeroDivisionError at ") for fields in died)
    assert "CANARY" not in str(journal.events)
    assert journal.events[-1][0] == "daemon.stopped"
