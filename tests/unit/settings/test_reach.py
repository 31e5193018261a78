"""Where a running rotator is found, by who cannot read its secrets."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from pydantic import ValidationError

from rotator.settings import translate
from rotator.settings.problems import ConfigError
from rotator.settings.reach import named, reach

if TYPE_CHECKING:
    from tests.unit.settings.home import Home

PLACES = {
    "nothing said": "",
    "a socket": '[http]\nlisten = "unix:/run/rotator/x.sock"\nsocket_mode = "0660"\n',
    "an address": '[http]\nlisten = "127.0.0.1:9464"\n',
    "an address of six": '[http]\nlisten = "[::1]:9464"\n',
}
ENVIRONS: dict[str, dict[str, str]] = {
    "no environment": {},
    "systemd": {"STATE_DIRECTORY": "/var/lib/private/rotator"},
    "xdg": {"XDG_STATE_HOME": "/home/a/state"},
    "another place": {"ROTATOR_HTTP__LISTEN": "unix:/run/other.sock"},
    "another state directory": {"ROTATOR_STATE_DIR": "/srv/other"},
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("environ", ENVIRONS)
@pytest.mark.parametrize("state", ["", 'state_dir = "/srv/rotator"\n'], ids=["", "a state directory"])
def test_it_is_where_the_daemon_of_the_same_configuration_listens(
    home: Home, place: str, environ: str, state: str
) -> None:
    around = ENVIRONS[environ]
    home.write(f"{state}{home.good}{PLACES[place]}")
    there = translate.http(home.loads(**around), around)
    for file in ("role-id", "secret-id"):
        (home.directory / file).unlink()
    assert reach(home.file, around).place == there.place


def test_what_is_wrong_elsewhere_in_the_configuration_is_no_matter(home: Home) -> None:
    home.write(f'state_dir = "/srv"\n{home.good}[providers.broken]\nnonsense = true\n')
    assert reach(home.file, {}).socket == Path("/srv/rotator.sock")


def test_what_is_wrong_with_the_place_is_told_with_its_line_and_its_cure(home: Home) -> None:
    home.write(f'{home.good}[http]\nlisten = "0.0.0.0:9464"\n')
    with pytest.raises(ConfigError) as caught:
        reach(home.file, {})
    told = str(caught.value)
    assert "http.listen" in told
    assert "public = true" in told


def test_a_configuration_that_is_not_there_or_no_toml_is_told(home: Home) -> None:
    for text in (None, "[[["):
        home.file.unlink() if text is None else home.write(text)
        with pytest.raises(ConfigError):
            reach(home.file, {})


@pytest.mark.parametrize("place", ["unix:/run/x.sock", "127.0.0.1:9464", "[::1]:9464", "10.0.0.1:9464"])
def test_a_place_on_the_command_line_is_any_that_one_can_listen_at(place: str) -> None:
    assert named(place).place == place


@pytest.mark.parametrize("place", ["/run/x.sock", "unix:x.sock", "9464", "example.com:80", "127.0.0.1:0"])
def test_what_is_no_place_on_the_command_line_is_refused(place: str) -> None:
    with pytest.raises(ValidationError):
        named(place)
