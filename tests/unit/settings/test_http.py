"""Where rotator may be asked how it is, and what may be asked for there."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from rotator.core.errors import RotationError
from rotator.settings import translate

if TYPE_CHECKING:
    from rotator.operate.listening import HttpSettings
    from tests.unit.settings.home import Home


def settings(home: Home, section: str = "", **environ: str) -> HttpSettings:
    home.write(f'state_dir = "/srv/state"\n{home.good}{section}')
    return translate.http(home.loads(**environ), environ)


def test_left_out_it_is_a_socket_in_the_state_directory_on_which_nothing_may_be_asked_for(home: Home) -> None:
    found = settings(home)
    assert (found.socket, found.address) == (Path("/srv/state/rotator.sock"), None)
    assert (found.socket_mode, found.actions, found.bearer) == (0o600, frozenset(), None)
    assert found.place == "unix:/srv/state/rotator.sock"


@pytest.mark.parametrize(
    ("listen", "socket", "address"),
    [
        ("unix:/run/rotator/rotator.sock", Path("/run/rotator/rotator.sock"), None),
        ("127.0.0.1:9464", None, ("127.0.0.1", 9464)),
        ("localhost:1", None, ("localhost", 1)),
        ("[::1]:65535", None, ("::1", 65535)),
    ],
)
def test_a_place_is_read_and_spelt_back(
    home: Home, listen: str, socket: Path | None, address: tuple[str, int] | None
) -> None:
    found = settings(home, f'[http]\nlisten = "{listen}"\n')
    assert (found.socket, found.address, found.place) == (socket, address, listen)


@pytest.mark.parametrize(
    "listen",
    [
        *("", "unix:", "unix:relative", "unix:/a/../b", "/run/rotator.sock", "127.0.0.1", "127.0.0.1:0", ":9464"),
        *("127.0.0.1:65536", "rotator.example.com:9464", "::1:9464", "127.0.0.1:http", "http://127.0.0.1:9464"),
    ],
)
def test_what_is_no_place_is_refused_with_two_that_are(home: Home, listen: str) -> None:
    home.write(f'{home.good}[http]\nlisten = "{listen}"\n')
    problem = home.problem()
    assert problem.key == "http.listen"
    assert '"unix:/run/rotator/rotator.sock" or "127.0.0.1:9464"' in problem.wanted


@pytest.mark.parametrize("listen", ["0.0.0.0:9464", "[::]:9464", "10.0.0.1:9464", "169.254.1.1:9464"])
def test_an_address_that_others_reach_wants_a_word_more(home: Home, listen: str) -> None:
    home.write(f'{home.good}[http]\nlisten = "{listen}"\n')
    problem = home.problem()
    assert problem.key == "http.listen"
    assert "public = true" in problem.cure
    assert settings(home, f'[http]\nlisten = "{listen}"\npublic = true\n').place == listen


@pytest.mark.parametrize("mode", ["0600", "0660"])
def test_a_socket_is_open_to_the_user_or_to_the_group_as_well(home: Home, mode: str) -> None:
    assert settings(home, f'[http]\nsocket_mode = "{mode}"\n').socket_mode == int(mode, 8)


@pytest.mark.parametrize("mode", ['"0666"', '"0777"', '"600"', "600", "0o600", '"0640"'])
def test_any_other_mode_is_refused(home: Home, mode: str) -> None:
    home.write(f"{home.good}[http]\nsocket_mode = {mode}\n")
    problem = home.problem()
    assert problem.key == "http.socket_mode"
    assert "0660" in problem.wanted


def test_actions_on_an_address_want_a_bearer_and_on_a_socket_they_may_have_one(home: Home) -> None:
    home.write(f'{home.good}[http]\nlisten = "127.0.0.1:9464"\nactions = ["rotate"]\n')
    problem = home.problem()
    assert problem.key == "http.actions"
    assert "unix socket" in problem.cure
    home.secret("bearer", "mine\n")
    for listen in ("127.0.0.1:9464", "unix:/run/x.sock"):
        found = settings(home, f'[http]\nlisten = "{listen}"\nactions = ["rotate"]\ntoken_file = "bearer"\n')
        assert found.actions == {"rotate"}
        assert found.bearer is not None
        assert found.bearer().reveal() == "mine"


def test_an_action_that_is_none_is_refused_with_those_that_are(home: Home) -> None:
    home.write(f'{home.good}[http]\nactions = ["relod"]\n')
    problem = home.problem()
    assert problem.key == "http.actions[0]"
    assert "did you mean reload?" in problem.cure


def test_a_bearer_that_others_can_read_is_refused_at_the_start_and_later_g07(home: Home) -> None:
    section = '[http]\nlisten = "127.0.0.1:9464"\nactions = ["reload"]\ntoken_file = "bearer"\n'
    file = home.secret("bearer", "mine")
    found = settings(home, section)
    file.chmod(0o644)
    assert found.bearer is not None
    with pytest.raises(RotationError):
        found.bearer()
    home.write(home.good + section)
    problem = home.problem()
    assert problem.key == "http.token_file"
    assert "chmod" in problem.cure


def test_a_bearer_in_the_file_itself_is_refused_and_not_shown_g06(home: Home) -> None:
    home.write(f'{home.good}[http]\ntoken = "swordfish-and-more"\n')
    error = home.error()
    assert "swordfish" not in str(error)
