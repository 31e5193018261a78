"""What the service manager hears and when, at the other end of a real socket, in virtual time."""

from __future__ import annotations

import asyncio
import itertools
import os
import socket
from typing import TYPE_CHECKING

import pytest

from rotator.servicing import MARGIN, READY_ANYWAY, STATUS_INTERVAL, ServiceManager
from rotator.testing import run_in_virtual_time

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from pathlib import Path

FED_EVERY = 1.5
"""Seconds: half of what the watchdog waits."""


class Daemon:
    """How a daemon is, as far as its service manager is told."""

    def __init__(self) -> None:
        self.first_round = False
        self.stopped: list[str] = []

    def faults(self) -> list[str]:
        return self.stopped

    async def line(self) -> str:
        return "; ".join(["1 of 1 credentials served", *self.stopped])


class Listening:
    """The service manager's end."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.setblocking(False)
        self.socket.bind(str(place))
        self.heard: list[tuple[float, str]] = []

    def hear(self, now: float) -> None:
        """Take in what has come."""
        while True:
            try:
                self.heard.append((now, self.socket.recv(1 << 16).decode()))
            except BlockingIOError:
                return

    def times(self, what: str) -> list[float]:
        """When something was heard."""
        return [at for at, text in self.heard if what in text.split("\n")]


@pytest.fixture
def listening(tmp_path: Path) -> Iterator[Listening]:
    made = Listening(tmp_path / "notify")
    yield made
    made.socket.close()


def told(
    listening: Listening, happens: Callable[[Daemon, ServiceManager], Awaitable[None]], *, watched: bool = True
) -> None:
    """Let something happen while a manager listens, from time 0 on."""

    async def run() -> None:
        loop, daemon = asyncio.get_running_loop(), Daemon()
        environ = {"NOTIFY_SOCKET": str(listening.place)}
        environ |= {"WATCHDOG_USEC": "3000000", "WATCHDOG_PID": str(os.getpid())} if watched else {}
        manager = ServiceManager(daemon, environ, loop.time)  # type: ignore[arg-type]  # all that is asked of an overview

        async def listen() -> None:
            while True:
                listening.hear(loop.time())
                await asyncio.sleep(0.05)

        tasks = [asyncio.create_task(manager.run()), asyncio.create_task(listen())]
        await happens(daemon, manager)
        listening.hear(loop.time())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    run_in_virtual_time(run())


def test_ready_is_told_once_after_the_first_round(listening: Listening) -> None:
    async def first_round_after_7_s(daemon: Daemon, _: ServiceManager) -> None:
        await asyncio.sleep(7)
        daemon.first_round = True
        await asyncio.sleep(60)

    told(listening, first_round_after_7_s)
    (at,) = listening.times("READY=1")
    assert at == pytest.approx(7, abs=0.3)


def test_ready_is_told_although_a_provider_keeps_the_first_round_waiting_v01(listening: Listening) -> None:
    async def never(_: Daemon, __: ServiceManager) -> None:
        await asyncio.sleep(100)

    told(listening, never)
    (at,) = listening.times("READY=1")
    assert at == pytest.approx(READY_ANYWAY, abs=0.3)


def test_readiness_that_could_not_be_told_is_told_as_soon_as_it_can_be(listening: Listening) -> None:
    async def deaf_at_first(daemon: Daemon, _: ServiceManager) -> None:
        away = listening.place.with_suffix(".away")
        listening.place.rename(away)
        daemon.first_round = True
        await asyncio.sleep(3)
        away.rename(listening.place)
        await asyncio.sleep(3)

    told(listening, deaf_at_first)
    (at,) = listening.times("READY=1")
    assert 3 <= at <= 3 + FED_EVERY + 0.3


def test_the_watchdog_is_fed_only_while_there_is_progress_r09(listening: Listening) -> None:
    async def stops_from_20_to_40(daemon: Daemon, _: ServiceManager) -> None:
        daemon.first_round = True
        await asyncio.sleep(20)
        daemon.stopped = ["the elapsed clock has stood still for 20 s"]
        await asyncio.sleep(20)
        daemon.stopped = []
        await asyncio.sleep(20)

    told(listening, stops_from_20_to_40)
    fed = listening.times("WATCHDOG=1")
    gaps = [later - earlier for earlier, later in itertools.pairwise(fed)]
    assert not [at for at in fed if 20.1 < at < 40]
    assert max(gaps) == pytest.approx(20, abs=2 * FED_EVERY)
    assert sorted(gaps)[-2] <= FED_EVERY + 0.1, "never later than half of what the watchdog waits"


def test_a_watchdog_that_does_not_wait_is_not_fed(listening: Listening) -> None:
    async def half_a_minute(_: Daemon, __: ServiceManager) -> None:
        await asyncio.sleep(30)

    told(listening, half_a_minute, watched=False)
    assert listening.times("WATCHDOG=1") == []
    assert listening.heard


def test_a_line_of_status_is_told_every_5_s_and_says_what_has_stopped(listening: Listening) -> None:
    async def stops_after_20_s(daemon: Daemon, _: ServiceManager) -> None:
        daemon.first_round = True
        await asyncio.sleep(20)
        daemon.stopped = ["the pass of credential billing has not ended for 121 s"]
        await asyncio.sleep(11)

    told(listening, stops_after_20_s)
    well = listening.times("STATUS=1 of 1 credentials served")
    ill = "STATUS=1 of 1 credentials served; the pass of credential billing has not ended for 121 s"
    assert all(later - earlier <= STATUS_INTERVAL + FED_EVERY for earlier, later in itertools.pairwise(well))
    assert len(well) >= 4
    assert len(listening.times(ill)) >= 2


def test_a_reload_begins_with_its_time_and_ends_with_ready_whatever_came_of_it_r05(listening: Listening) -> None:
    async def reloads(daemon: Daemon, manager: ServiceManager) -> None:
        daemon.first_round = True
        await asyncio.sleep(10.25)
        manager.reloading()
        await asyncio.sleep(1)
        await manager.reloaded()
        await asyncio.sleep(1)

    told(listening, reloads)
    (began,) = (text for _, text in listening.heard if text.startswith("RELOADING=1"))
    assert int(began.partition("MONOTONIC_USEC=")[2]) == pytest.approx(10_250_000, abs=1000)
    assert len(listening.times("READY=1")) == 2
    assert listening.times("READY=1")[1] == pytest.approx(11.25, abs=0.1)


def test_the_end_is_told_with_the_time_that_it_may_take_r04(listening: Listening) -> None:
    async def stops(_: Daemon, manager: ServiceManager) -> None:
        manager.stopping(10.0)

    told(listening, stops)
    assert listening.heard[-1][1].split("\n") == [
        "STOPPING=1",
        f"EXTEND_TIMEOUT_USEC={int((10 + MARGIN) * 1e6)}",
        "STATUS=ending what is under way",
    ]
