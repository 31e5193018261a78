"""What the service manager hears, at the other end of a real socket; and that nothing of it reaches the daemon."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from rotator.operate.notify import (
    ALIVE,
    LONGEST_STATUS,
    READY,
    SHORTEST_INTERVAL,
    STOPPING,
    extend,
    feeding_interval,
    reloading,
    status,
    tell,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LARGEST_DATAGRAM = 4096
"""NOTIFY_BUFFER_MAX of systemd."""


@dataclass(frozen=True)
class Manager:
    """The service manager's end."""

    listening: socket.socket
    environ: dict[str, str]

    def heard(self) -> list[str]:
        """The lines of the next datagram."""
        return self.listening.recv(1 << 16).decode().split("\n")


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Manager]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.settimeout(5)
        # An empty name lets the kernel choose an abstract one (unix(7), autobind).
        listening.bind(str(tmp_path / "notify") if request.param == "path" else "")
        name = listening.getsockname()
        yield Manager(
            listening, {"NOTIFY_SOCKET": name if isinstance(name, str) else "@" + name.removeprefix(b"\0").decode()}
        )


def test_what_is_told_arrives_as_one_datagram(manager: Manager) -> None:
    assert tell(manager.environ, READY, status("2 of 2 credentials fresh")) is None
    assert manager.heard() == ["READY=1", "STATUS=2 of 2 credentials fresh"]
    assert tell(manager.environ, STOPPING) is None
    assert manager.heard() == ["STOPPING=1"]
    assert tell(manager.environ, ALIVE) is None
    assert manager.heard() == ["WATCHDOG=1"]


def test_a_reload_carries_the_microsecond_of_its_beginning_r05(manager: Manager) -> None:
    assert tell(manager.environ, reloading(123456.789012)) is None
    assert manager.heard() == ["RELOADING=1", "MONOTONIC_USEC=123456789012"]


def test_an_end_that_takes_longer_is_announced_r04(manager: Manager) -> None:
    assert tell(manager.environ, STOPPING, extend(12.5)) is None
    assert manager.heard() == ["STOPPING=1", "EXTEND_TIMEOUT_USEC=12500000"]


@pytest.mark.parametrize("environ", [{}, {"NOTIFY_SOCKET": ""}], ids=["no variable", "an empty one"])
def test_without_a_service_manager_nobody_is_told_and_nothing_is_wrong(environ: dict[str, str]) -> None:
    assert tell(environ, READY) is None


@pytest.mark.parametrize("place", ["notify", "vsock:2:1234", "@" + "x" * 200, "/" + "x" * 200, "/a\0b"])
def test_an_address_that_is_none_is_told_and_not_raised(place: str) -> None:
    said = tell({"NOTIFY_SOCKET": place}, READY)
    assert said is not None
    assert place in said or repr(place) in said


def test_a_service_manager_that_is_gone_is_told_and_not_raised(tmp_path: Path) -> None:
    said = tell({"NOTIFY_SOCKET": str(tmp_path / "gone")}, ALIVE)
    assert said == f"the service manager at {tmp_path / 'gone'} was not told 'WATCHDOG=1': No such file or directory"


def test_a_service_manager_that_does_not_read_is_not_waited_for(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as deaf:
        deaf.bind(str(tmp_path / "deaf"))
        environ = {"NOTIFY_SOCKET": str(tmp_path / "deaf")}
        # The queue holds net.unix.max_dgram_qlen datagrams, 512 at most where systemd runs.
        said = next((why for why in (tell(environ, ALIVE) for _ in range(10_000)) if why is not None), None)
    assert said is not None
    assert said.endswith("Resource temporarily unavailable")


def test_a_status_is_one_line_whatever_it_is_made_of() -> None:
    assert status("a\nSTOPPING=1\r\tb\u2028c\udc80") == "STATUS=a STOPPING=1  b c "


def test_a_status_shows_no_secret() -> None:
    token = "eyJ" + "a" * 40
    assert token not in status(f"the answer was {token}")


def test_a_status_is_cut_between_characters_and_fits_a_datagram() -> None:
    cut = status("x" + "é" * LARGEST_DATAGRAM)
    assert cut == "STATUS=x" + "é" * (LONGEST_STATUS // 2 - 1)
    assert len("\n".join([READY, reloading(1e9), cut]).encode()) < LARGEST_DATAGRAM


@pytest.mark.parametrize(
    ("environ", "seconds"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "30000000"}, 15.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "42"}, 15.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "43"}, None),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "4 2"}, None),
        ({"WATCHDOG_USEC": "1"}, SHORTEST_INTERVAL),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "-5"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({"WATCHDOG_USEC": "9" * 5000}, None),
        ({"WATCHDOG_USEC": "\uff13"}, None),
        ({"WATCHDOG_PID": "42"}, None),
    ],
    ids=lambda value: str(value)[:60],
)
def test_the_watchdog_is_fed_in_half_of_its_time_and_only_when_it_waits_for_this_process_r09(
    environ: dict[str, str], seconds: float | None
) -> None:
    assert feeding_interval(environ, 42) == seconds
