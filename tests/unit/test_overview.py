"""What is told of a fleet at one moment: by the line for the service manager, and of one credential alone."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest

from rotator.core.errors import Code, RotationError
from rotator.operate import status
from rotator.overview import SLICE, Overview
from tests.unit.core.desk import OPEN, SPEC, Desk

if TYPE_CHECKING:
    from pathlib import Path

    from rotator.core.observation import Surroundings


GATE = object()


class Fleet:
    """Desks as an overview wants them; each is a rotation with all that is around it."""

    def __init__(self, desks: dict[str, Desk]) -> None:
        self.members: dict[str, Any] = {name: Member(desk) for name, desk in desks.items()}
        self.servers: dict[str, Any] = {}
        self.dispatcher = self
        self.broken: dict[str, float] = {}
        self.sessions = {"": self}
        self.trouble: RotationError | None = None
        self.steps = 0
        self.stopped: list[str] = []
        self.address, self.entered, self.authenticated, self.token_expires = "https://vault", True, True, None

    def around_gate(self, gate: object) -> Surroundings:
        assert gate is GATE
        return OPEN

    def faults(self) -> list[str]:
        return self.stopped


class Member:
    """One of its credentials."""

    def __init__(self, desk: Desk) -> None:
        self.rotation = desk.rotation
        self.sinks = desk.sinks
        self.server = Server()
        self.required = True


class Server:
    """What a credential's provider is, as far as it matters."""

    gate = GATE


def overview(tmp_path: Path, **desks: Desk) -> tuple[Overview, Fleet]:
    fleet = Fleet(desks)
    clock = next(iter(desks.values())).clock
    return Overview(fleet, fleet, fleet, clock, tmp_path / "config.toml"), fleet  # type: ignore[arg-type]  # of each only what is asked


async def test_a_token_in_hand_that_no_sink_took_serves_nobody_and_its_sink_counts_as_failing(tmp_path: Path) -> None:
    well, ill = Desk(), Desk()
    await well.run()
    with ill.sinks[1].faults.on("write", RotationError(Code.FILE_NO_SPACE, "full")):
        await ill.run()
    told, _ = overview(tmp_path, well=well, ill=ill)
    assert await told.line() == "1 of 2 credentials served; 1 failing"


@pytest.mark.parametrize(
    ("reloaded", "stopped", "line"),
    [
        (True, [], "1 of 1 credentials served"),
        (False, [], "1 of 1 credentials served; the last configuration was refused: see config.rejected in the log"),
        (
            True,
            ["the elapsed clock has stood still for 21 s"],
            "1 of 1 credentials served; the elapsed clock has stood still for 21 s",
        ),
    ],
)
async def test_the_line_says_what_is_wrong_with_the_daemon_itself(
    tmp_path: Path, *, reloaded: bool, stopped: list[str], line: str
) -> None:
    desk = Desk()
    await desk.run()
    told, fleet = overview(tmp_path, billing=desk)
    told.reloaded, fleet.stopped = reloaded, stopped
    assert await told.line() == line


async def test_consumers_are_served_until_the_first_of_their_sinks_holds_an_expired_token() -> None:
    desk = Desk()
    await desk.run()
    first = desk.rotation.seen.in_hand
    assert first is not None
    with desk.sinks[1].faults.on("write", RotationError(Code.FILE_NO_SPACE, "full")):
        await desk.run(after=301)
    assert status.served_until(desk.rotation.seen) == first.expires
    assert desk.rotation.served_until > first.expires


async def test_very_many_are_counted_while_others_go_on(tmp_path: Path) -> None:
    desk = Desk()
    await desk.run()
    told, fleet = overview(tmp_path, billing=desk)
    fleet.members = {str(number): fleet.members["billing"] for number in range(2 * SLICE + 1)}
    turns = count()

    async def go_on() -> None:
        while True:
            next(turns)
            await asyncio.sleep(0)

    other = asyncio.create_task(go_on())
    assert await told.line() == f"{2 * SLICE + 1} of {2 * SLICE + 1} credentials served"
    other.cancel()
    assert next(turns) == 3


async def test_a_snapshot_tells_what_was_so_when_it_was_taken(tmp_path: Path) -> None:
    billing, search = Desk(), Desk(spec=replace(SPEC, name="search"))
    await billing.run()
    await search.run()
    told, fleet = overview(tmp_path, billing=billing, search=search)
    fleet.broken = {"search": 5.0}
    taken = told.snapshot()
    first = billing.rotation.seen.in_hand
    await billing.run(after=301)
    fleet.members.clear()
    fleet.broken.clear()
    shown = taken.status()
    assert [(one.name, one.state) for one in shown.credentials] == [("billing", "fresh"), ("search", "failing")]
    assert shown.credentials[0].token == taken.credential("billing").token == first
    assert taken.credential("search").trouble is not None
    assert taken.explain("search")
    with pytest.raises(KeyError):
        taken.credential("nobody")
