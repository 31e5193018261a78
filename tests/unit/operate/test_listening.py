"""Where the admin server listens: on a socket that only its mode opens, in nobody's place, at any length of path."""

from __future__ import annotations

import socket
import stat
from typing import TYPE_CHECKING

import pytest

from rotator.operate.listening import HttpSettings, leave, listen
from rotator.wire.unix_socket import near

if TYPE_CHECKING:
    from pathlib import Path


def at(path: Path, mode: int = 0o600) -> HttpSettings:
    return HttpSettings(path, None, mode)


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("mode", [0o600, 0o660])
def test_the_socket_has_the_mode_that_was_asked_for_and_a_new_directory_is_closed_to_others(
    tmp_path: Path, mode: int
) -> None:
    place = tmp_path / "new" / "rotator.sock"
    with listen(at(place, mode)):
        assert mode_of(place) == mode
        assert stat.S_ISSOCK(place.stat().st_mode)
        assert mode_of(place.parent) == 0o700


def test_nobody_is_taken_in_before_the_server_listens(tmp_path: Path) -> None:
    place = tmp_path / "rotator.sock"
    with listen(at(place)), socket.socket(socket.AF_UNIX) as early, pytest.raises(ConnectionRefusedError):
        early.connect(str(place))


def test_a_socket_that_a_killed_process_left_behind_is_replaced(tmp_path: Path) -> None:
    place = tmp_path / "rotator.sock"
    listen(at(place)).close()
    with listen(at(place)) as listening, near(place) as reached:
        listening.listen()
        with socket.socket(socket.AF_UNIX) as asking:
            asking.connect(str(reached))


def test_a_socket_that_answers_belongs_to_somebody_and_stays(tmp_path: Path) -> None:
    place = tmp_path / "rotator.sock"
    with listen(at(place)) as first:
        first.listen()
        with pytest.raises(OSError, match=r"another rotator listens at .*rotator\.sock; wanted one socket each"):
            listen(at(place))
        assert place.exists()


def test_a_name_that_is_no_socket_is_left_alone(tmp_path: Path) -> None:
    place = tmp_path / "rotator.sock"
    place.write_text("mine")
    with pytest.raises(OSError, match="is no socket; wanted a name that is free"):
        listen(at(place))
    assert place.read_text() == "mine"


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "theirs").write_text("theirs")
    (tmp_path / "rotator.sock").symlink_to(tmp_path / "theirs")
    with pytest.raises(OSError, match="is no socket"):
        listen(at(tmp_path / "rotator.sock"))
    assert (tmp_path / "theirs").read_text() == "theirs"


def test_a_path_longer_than_an_address_may_be_is_reached_by_its_directory(tmp_path: Path) -> None:
    place = tmp_path / ("d" * 120) / "rotator.sock"
    with listen(at(place)) as listening:
        listening.listen()
        with near(place) as reached, socket.socket(socket.AF_UNIX) as asking:
            asking.connect(str(reached))
        with pytest.raises(OSError, match="another rotator listens"):
            listen(at(place))


def test_the_name_is_taken_away_in_the_end_and_nothing_is_wrong_when_it_has_gone(tmp_path: Path) -> None:
    place = tmp_path / "rotator.sock"
    listen(at(place)).close()
    leave(at(place))
    assert not place.exists()
    leave(at(place))
    leave(HttpSettings(None, ("127.0.0.1", 1)))


def test_an_address_that_is_taken_is_told_by_the_system() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(OSError, match="Address already in use"):
        listen(HttpSettings(None, ("127.0.0.1", taken.getsockname()[1])))


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_an_address_is_listened_at_and_spelt_as_the_configuration_has_it(host: str) -> None:
    with listen(HttpSettings(None, (host, 0))) as listening:
        assert listening.getsockname()[0] == host
    place = HttpSettings(None, (host, 9464)).place
    assert place == ("[::1]:9464" if ":" in host else "127.0.0.1:9464")


def test_without_socket_and_address_it_is_a_fault_of_the_caller() -> None:
    with pytest.raises(TypeError):
        listen(HttpSettings(None, None))
