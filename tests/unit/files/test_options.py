"""Settings of a file sink that are refused before anything is touched."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rotator.files.options import FileSinkSettings

PATH = Path("/run/rotator/billing.token")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        pytest.param({"path": Path("billing.token")}, "wanted an absolute one", id="G08 relative"),
        pytest.param({"path": Path("/run/../etc/token")}, "without `..`", id="G08 dots"),
        pytest.param({"path": Path("/run/a\0b")}, "is no path for a file", id="G08 NUL"),
        pytest.param({"path": Path("/")}, "is no path for a file", id="G08 the root"),
        pytest.param({"path": Path("/run", "x" * 240)}, "is too long", id="no room for a temporary name"),
        pytest.param({"format": "yaml"}, "wanted one of raw, json, header, env", id="unknown format"),
        pytest.param({"mode": 0o644}, "mode 0644 is not safe", id="others may read"),
        pytest.param({"mode": 0o660}, "mode 0660 is not safe", id="the group may write"),
        pytest.param({"mode": 0o4600}, "mode 4600 is not safe", id="setuid"),
        pytest.param({"mode": 0o040}, "mode 0040 is not safe", id="rotator itself may not read"),
        pytest.param({"fields": {"token": "access_token"}}, "the format raw has no fields", id="fields of raw"),
        pytest.param({"format": "json", "fields": {"a": "b"}}, "there is no field 'b'", id="unknown field"),
        pytest.param({"format": "json", "fields": {"scope": "access_token"}}, "'scope' is taken", id="taken name"),
    ],
)
def test_unsafe_settings_are_refused_with_what_was_wanted(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        FileSinkSettings(**{"path": PATH, **settings})


@pytest.mark.parametrize("mode", [0o400, 0o440, 0o600, 0o640])
def test_modes_that_keep_a_token_among_owner_and_group_are_accepted(mode: int) -> None:
    assert FileSinkSettings(PATH, mode=mode).access().mode == mode


def test_owner_and_group_may_be_numbers_that_no_name_stands_for() -> None:
    access = FileSinkSettings(PATH, owner="54321", group="54322").access()
    assert (access.uid, access.gid) == (54321, 54322)


def test_two_names_may_be_swapped() -> None:
    fields = {"scope": "access_token", "access_token": "scope"}
    assert FileSinkSettings(PATH, format="json", fields=fields).fields == fields
