"""Settings of a file sink that are refused before anything is touched."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rotator.files.formats import FORMATS, Layout
from rotator.files.options import EXAMPLES, FileSinkSettings
from tests.integration.files.harness import TEMPLATE

PATH = Path("/run/rotator/billing.token")
NETRC = {"format": "netrc", "machine": "git.example.com", "login": "oauth2"}


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
        pytest.param({"machine": "a"}, "the format raw has no machine; wanted netrc", id="machine of raw"),
        pytest.param({"login": "a"}, "wanted netrc or dockerconfigjson", id="login of raw"),
        pytest.param(
            {"format": "json", "template": TEMPLATE}, "the format json has no template_file", id="template of json"
        ),
        pytest.param(
            {"format": "netrc", "login": "a"}, "the format netrc needs machine", id="netrc without its machine"
        ),
        pytest.param({"format": "netrc", "machine": "a"}, "the format netrc needs login", id="netrc without its login"),
        pytest.param({"format": "template"}, "the format template needs template_file", id="no template"),
        pytest.param({"format": "dockerconfigjson", "login": "a"}, "needs registry", id="no registry"),
        pytest.param({**NETRC, "machine": "a b"}, "the machine has characters", id="F17 two words for a machine"),
        pytest.param({**NETRC, "machine": "a\n"}, "the machine has characters", id="F17 a line end in a machine"),
        pytest.param({**NETRC, "login": "a\tb"}, "the login has characters", id="F17 two words for a login"),
        pytest.param({**NETRC, "login": "a:b"}, "the login has characters", id="F17 a colon in a login"),
        pytest.param({**NETRC, "login": '"a'}, "the login has characters", id="F17 a quote in a login"),
        pytest.param({**NETRC, "login": "#a"}, "the login has characters", id="F17 a comment in a login"),
        pytest.param(
            {"in_place": True, "mode": 0o400}, "lets not even the owner write", id="in place, but not writable"
        ),
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


@pytest.mark.parametrize("mode", [0o600, 0o640])
def test_a_file_that_its_owner_may_write_can_be_written_in_place(mode: int) -> None:
    assert FileSinkSettings(PATH, mode=mode, in_place=True).access().mode == mode


def test_a_format_knows_what_is_configured_for_it() -> None:
    settings = FileSinkSettings(PATH, format="netrc", machine="git.example.com", login="$oauth+token@x")
    assert settings.layout("billing") == Layout("billing", machine="git.example.com", login="$oauth+token@x")
    assert FileSinkSettings(PATH, format="template", template=TEMPLATE).layout("a").template is TEMPLATE


@pytest.mark.parametrize("key", EXAMPLES)
def test_each_key_of_some_formats_has_an_example_and_a_format_that_takes_it(key: str) -> None:
    assert f"{key} = " in EXAMPLES[key]
    assert any(key in {*row.takes, *row.needs} for row in FORMATS.values())


def test_two_names_may_be_swapped() -> None:
    fields = {"scope": "access_token", "access_token": "scope"}
    assert FileSinkSettings(PATH, format="json", fields=fields).fields == fields
