"""Where the dates of raw, header and env files are kept, and which names of fields are known."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from rotator.settings.translate import state_dir

if TYPE_CHECKING:
    from tests.unit.settings.home import Home

SYSTEMD = {"STATE_DIRECTORY": "/var/lib/private/rotator:/var/lib/other"}


def test_what_is_configured_comes_before_what_systemd_gives(home: Home) -> None:
    home.write(f'state_dir = "/srv/rotator"\n{home.good}')
    assert state_dir(home.loads().settings, SYSTEMD) == Path("/srv/rotator")


def test_of_systemds_directories_the_first_is_taken(home: Home) -> None:
    home.write(home.good)
    assert state_dir(home.loads().settings, SYSTEMD) == Path("/var/lib/private/rotator")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root keeps it in /var/lib")
def test_root_keeps_it_in_var_lib(home: Home) -> None:
    home.write(home.good)
    assert state_dir(home.loads().settings, {"STATE_DIRECTORY": ""}) == Path("/var/lib/rotator")


@pytest.mark.skipif(os.geteuid() == 0, reason="root keeps it in /var/lib")
def test_a_user_keeps_it_where_xdg_says(home: Home) -> None:
    home.write(home.good)
    settings = home.loads().settings
    assert state_dir(settings, {"XDG_STATE_HOME": "/home/a/state"}) == Path("/home/a/state/rotator")
    assert state_dir(settings, {"HOME": "/home/a"}) == Path("/home/a/.local/state/rotator")


def test_a_name_for_a_field_that_no_credentials_have_is_refused_with_the_known_ones(home: Home) -> None:
    home.changed(
        'source = { type = "vault", path = "secret/apps/billing" }',
        'source = { type = "vault", path = "secret/apps/billing", fields = { secret = "key" } }',
    )
    problem = home.problem()
    assert problem.key.startswith("credentials.billing.source.fields")
    assert "client_secret_previous" in problem.wanted
    assert problem.cure == 'fields = { client_secret = "your_name_of_it" }'
