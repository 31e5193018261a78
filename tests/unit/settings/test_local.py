"""The local socket in the configuration: where it stands, and who may ask there."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from rotator.local.listening import LocalSettings
from rotator.local.peers import Peers
from rotator.settings import local
from rotator.settings.sinks import SocketSink

if TYPE_CHECKING:
    from tests.unit.settings.home import Home

VAULT_SINK = 'type = "vault"\npath = "secret/tokens/billing"\n'
STATE = Path("/srv/state")


def place(home: Home, section: str = "", **environ: str) -> LocalSettings:
    home.write(f"{home.good}{section}")
    return local.place(home.loads().settings.local, environ, STATE)


def sink(home: Home, text: str) -> SocketSink:
    home.write(home.good.replace(VAULT_SINK, text))
    section = home.loads().settings.credentials["billing"].sinks[0]
    assert isinstance(section, SocketSink)
    return section


def test_it_stands_where_it_is_said_to(home: Home) -> None:
    found = place(home, '[local]\nsocket = "/run/tokens/here.sock"\nmode = "0660"\n', RUNTIME_DIRECTORY="/run/rotator")
    assert found == LocalSettings(Path("/run/tokens/here.sock"), 0o660)


def test_left_out_it_stands_in_systemds_runtime_directory(home: Home) -> None:
    found = place(home, RUNTIME_DIRECTORY="/run/rotator:/run/other", XDG_RUNTIME_DIR="/run/user/0")
    assert found == LocalSettings(Path("/run/rotator/tokens.sock"), 0o666)


def test_without_systemd_it_stands_where_ones_runtime_files_are(home: Home) -> None:
    mine, nowhere = (place(home, **environ).path for environ in ({"XDG_RUNTIME_DIR": "/run/user/1000"}, {}))
    if os.geteuid() == 0:
        assert mine == nowhere == Path("/run/rotator/tokens.sock")
    else:
        assert mine == Path("/run/user/1000/rotator/tokens.sock")
        assert nowhere == STATE / "tokens.sock"


@pytest.mark.parametrize(
    ("text", "key", "wanted"),
    [
        ('socket = "tokens.sock"', "socket", "the absolute path"),
        ('mode = "0777"', "mode", '"0600", "0660" or "0666"'),
        ("mode = 438", "mode", '"0600", "0660" or "0666"'),
        ('listen = "x"', "listen", ""),
    ],
)
def test_what_cannot_be_meant_is_refused_with_its_key(home: Home, text: str, key: str, wanted: str) -> None:
    home.write(f"{home.good}[local]\n{text}\n")
    problem = home.problem()
    assert problem.key == f"local.{key}"
    assert wanted in problem.wanted


def test_users_and_groups_may_ask_by_name_or_number(home: Home) -> None:
    found = sink(home, 'type = "socket"\nusers = ["app", "1001"]\ngroups = ["asset-pool"]\n')
    assert found.peers() == Peers(("app", "1001"), ("asset-pool",))


def test_fields_may_have_other_names(home: Home) -> None:
    text = 'type = "socket"\nusers = ["app"]\nfields = { token = "access_token" }\n'
    assert sink(home, text).fields == {"token": "access_token"}


def test_a_socket_for_nobody_is_refused(home: Home) -> None:
    home.write(home.good.replace(VAULT_SINK, 'type = "socket"\n'))
    problem = home.problem()
    assert problem.key == "credentials.billing.sinks[0].users"
    assert "who may ask for this token" in problem.wanted


@pytest.mark.parametrize("users", ['["a b"]', '["-x"]', "[1001]", '"app"'])
def test_what_is_no_user_is_refused(home: Home, users: str) -> None:
    home.write(home.good.replace(VAULT_SINK, f'type = "socket"\nusers = {users}\n'))
    assert home.problem().key.startswith("credentials.billing.sinks[0].users")


def test_g02_a_credential_is_served_once(home: Home) -> None:
    twice = 'type = "socket"\nusers = ["a"]\n\n[[credentials.billing.sinks]]\ntype = "socket"\nusers = ["b"]\n'
    home.write(home.good.replace(VAULT_SINK, twice))
    problem = home.problem()
    assert problem.key == "credentials.billing.sinks"
    assert "one sink of type socket" in problem.wanted
