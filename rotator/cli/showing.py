"""What `demo` shows: a live table of the running daemon, what has just happened, and lines to copy."""

from __future__ import annotations

import asyncio
import os
from collections import deque
from typing import TYPE_CHECKING

import typer
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from rotator.core import policy
from rotator.core.observation import Surroundings
from rotator.daemon import Daemon
from rotator.demo.admin import BaoError
from rotator.demo.mishap import Mishap, MovedClock, Part
from rotator.demo.stage import Stage, stage
from rotator.engine.clock import SystemClock
from rotator.operate import logs
from rotator.settings.load import load

if TYPE_CHECKING:
    from rotator.core.ports import Clock
    from rotator.core.rotation import Rotation

SHOWN = frozenset(
    {
        "daemon.ready",
        "daemon.draining",
        "clock.stepped",
        "vault.login",
        "vault.unavailable",
        "vault.recovered",
        "credential.recovered",
    }
)
RARE = SHOWN - {"credential.recovered"}
FRAME = 0.25
BAR = 30


def show(lifetime: float, broken: str | None, *, once: bool) -> int:
    """Run the demo; return the exit code.

    Args:
        lifetime: Seconds that tokens live.
        broken: The part that goes wrong again and again; see `rotator.demo.mishap.Part`. None for none.
        once: Whether to end as soon as the first tokens are delivered.
    """
    try:
        return asyncio.run(_demo(int(lifetime), broken, once=once))
    except BaoError as error:
        typer.echo(f"The demo could not start: {error}", err=True)
        return 1


async def _demo(lifetime: int, broken: str | None, *, once: bool) -> int:
    people = Console()
    clock = SystemClock()
    moved = MovedClock(clock)
    people.print("Starting a real OpenBao server and an authorization server on loopback …", style="dim")
    async with stage(clock, lifetime) as set_up:
        loaded = load(set_up.configuration, os.environ)
        with (set_up.home / "rotator.log").open("w") as file:
            log = logs.configure(logs.LogSettings(format="json"), file)
            told = _Told(log, people if not people.is_terminal else None)
            daemon = Daemon(loaded, os.environ, moved, told, machine=clock)
            mishap = None if broken is None else Mishap(Part(broken), set_up, moved)
            going_wrong = None if mishap is None else asyncio.create_task(mishap.run(lifetime), name="mishap")
            try:
                await _watch(daemon, set_up, told, people, moved, mishap, once=once)
            finally:
                if going_wrong is not None:
                    going_wrong.cancel()
                    await asyncio.gather(going_wrong, return_exceptions=True)
                log.close()
    people.print("Everything has been stopped and removed.", style="dim")
    return 0 if told.delivered else 1


async def _watch(
    daemon: Daemon, set_up: Stage, told: _Told, people: Console, clock: Clock, mishap: Mishap | None, *, once: bool
) -> None:
    running = asyncio.create_task(daemon.run(), name="daemon")
    expected = len(daemon.loaded.settings.credentials)
    _print_copies(people, set_up)
    with Live(console=people, refresh_per_second=1 / FRAME, auto_refresh=False, transient=False) as live:
        while not running.done():
            if people.is_terminal:
                live.update(_screen(daemon, set_up, told, clock, mishap), refresh=True)
            if once and len(told.delivered) == expected:
                daemon.stop()
            await asyncio.wait([running], timeout=FRAME)
    await running


def _print_copies(people: Console, set_up: Stage) -> None:
    people.print("\nTry in another terminal:", style="bold")
    for what, line in set_up.to_copy():
        people.print(Text(f"  # {what}", style="dim"))
        people.print(Text(f"  {line}"), soft_wrap=True)
    people.print("\nCtrl-C ends the demo and removes everything.\n", style="dim")


class _Told:
    """The log, and the last of what was told, for the screen."""

    def __init__(self, log: logs.Log, people: Console | None) -> None:
        self.last: deque[str] = deque(maxlen=8)
        self.rare: deque[str] = deque(maxlen=3)
        self.delivered: set[str] = set()
        self._log = log
        self._people = people

    def event(self, name: str, /, **fields: object) -> None:
        """See `rotator.core.ports.Journal`."""
        self._log.event(name, **fields)
        if name == "token.delivered":
            self.delivered.add(str(fields["credential"]))
        if name.startswith(("token.", "credential.")) or name in SHOWN:
            shown = (fields.get(key) for key in ("credential", "sink", "reason", "fingerprint", "error"))
            line = f"{name:<22} {'  '.join(str(value) for value in shown if value is not None)}"
            # What is rare stays to be seen although tokens come and go faster than the screen is drawn.
            (self.rare if name in RARE else self.last).append(line)
            if self._people is not None:
                self._people.print(Text(line), soft_wrap=True)

    def close(self) -> None:
        """See `rotator.operate.logs.Log`."""
        self._log.close()


def _screen(daemon: Daemon, set_up: Stage, told: _Told, clock: Clock, mishap: Mishap | None) -> Group:
    table = Table(box=None, pad_edge=False, header_style="bold", title_justify="left")
    for title in ("CREDENTIAL", "STATE", "VALID FOR", "", "NEXT MINT", "TOKEN", "SINKS"):
        table.add_column(title, no_wrap=True)
    for rotation in sorted(daemon.fleet.dispatcher.rotations(), key=lambda rotation: rotation.spec.name):
        table.add_row(*_row(rotation, clock))
    issued = sum(set_up.provider.issued.values())
    footer = Text(f"\n{set_up.provider.received} token requests, {issued} tokens issued\n", style="dim")
    banner = [] if mishap is None else [Text(f"{mishap.said}\n", style="bold magenta")]
    return Group(*banner, table, footer, *(Text(line, style="dim") for line in (*told.rare, *told.last)))


def _row(rotation: Rotation, clock: Clock) -> list[Text | str]:
    now = clock.now().elapsed
    seen = rotation.seen
    best = policy.best_token(seen, now)
    if best is None:
        return [rotation.spec.name, Text("waiting", style="yellow"), "-", "", "-", "-", ""]
    left = best.remaining(now)
    filled = round(BAR * left / best.lifetime)
    bar = Text("█" * filled, style="green" if seen.failure is None else "yellow") + Text(
        "░" * (BAR - filled), style="dim"
    )
    state = Text("fresh", style="green") if seen.failure is None else Text(seen.failure.code.text, style="red")
    due = policy.next_mint(rotation.spec, seen, Surroundings(), now).at - now
    fresh = sum(not policy.is_behind(view, best) for view in seen.sinks.values())
    sinks = f"{fresh}/{len(seen.sinks)}"
    return [rotation.spec.name, state, f"{left:4.0f} s", bar, f"in {max(due, 0.0):.0f} s", best.fingerprint, sinks]
