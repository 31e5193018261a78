"""What `presets` prints can be put into a configuration as it stands."""

from __future__ import annotations

import json
import tomllib
from typing import TYPE_CHECKING, Any

import pytest

from rotator.cli import presetting
from rotator.settings.filling import keys
from rotator.settings.load import load
from rotator.settings.presets import PRESETS, READ
from rotator.settings.problems import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

CONFIGURATION = """
[vault]
address = "https://vault.example.com:8200"

[vault.auth]
method = "token"
token_file = "{home}/token"

{provider}

[credentials.billing]
provider = "{name}"
source = {{ type = "vault", path = "secret/apps/billing" }}
sinks = [{{ type = "vault", path = "secret/tokens/billing" }}]
"""


def samples(name: str) -> dict[str, str]:
    return {key: variable.sample for key, variable in PRESETS[name].variables.items()}


def words(name: str) -> list[str]:
    return [f"{key}={value}" for key, value in samples(name).items()]


def loaded(home: Path, name: str, provider: str) -> Any:
    token = home / "token"
    token.touch(mode=0o600)
    token.write_text("anything")
    file = home / "config.toml"
    file.write_text(CONFIGURATION.format(home=home, provider=provider, name=name))
    return load(file, {}).settings


@pytest.mark.parametrize("name", PRESETS)
def test_the_table_that_is_printed_means_what_the_preset_means(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    assert presetting.one(name, words(name), "text") == 0
    printed = capsys.readouterr().out
    assert tomllib.loads(printed) == {"providers": {name: keys(PRESETS[name], samples(name))}}
    variables = "".join(f'{key} = "{value}"\n' for key, value in samples(name).items())
    written = f'[providers.{name}]\npreset = "{name}"\n{variables}'
    assert loaded(tmp_path, name, printed) == loaded(tmp_path, name, written)


@pytest.mark.parametrize("name", PRESETS)
def test_its_comments_say_how_far_it_was_checked(capsys: pytest.CaptureFixture[str], name: str) -> None:
    presetting.one(name, words(name), "text")
    printed = capsys.readouterr().out
    assert f"# Not tried against the provider. Checked on {READ} against: {PRESETS[name].how}.\n" in printed
    assert all(page.title in printed and page.url in printed for page in PRESETS[name].checked)
    assert all(f"# {line}\n" in printed for line in PRESETS[name].notes.splitlines())


def test_all_are_listed_with_what_they_are_for_and_what_they_have_to_be_told(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert presetting.every("text") == 0
    printed = capsys.readouterr().out
    rows = [line.split() for line in printed.splitlines()]
    assert [row[0] for row in rows if row and row[0] in PRESETS] == list(PRESETS)
    assert "server=default" in printed
    assert "[user_pool]" in printed


def test_programs_get_the_list_and_each_of_them_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert presetting.every("json") == 0
    listed = json.loads(capsys.readouterr().out)
    assert [one["preset"] for one in listed] == list(PRESETS)
    assert presetting.one("cognito", ["domain=example", "region=eu-west-1"], "json") == 0
    cognito = json.loads(capsys.readouterr().out)
    assert cognito["keys"] == {
        "token_url": "https://example.auth.eu-west-1.amazoncognito.com/oauth2/token",
        "client_auth": "client_secret_basic",
    }
    assert {key: row["required"] for key, row in cognito["variables"].items()} == {
        "domain": True,
        "region": True,
        "user_pool": False,
    }
    del cognito["keys"]
    assert cognito in listed
    assert cognito["checked"]["tried"] is False


@pytest.mark.parametrize(
    ("name", "given", "told"),
    [
        ("entar", [], "did you mean entra?"),
        ("entra", [], 'add it, such as tenant = "contoso.onmicrosoft.com"'),
        ("entra", ["tenant=canary/"], "one segment of a path"),
        ("entra", ["tenant"], "rotator presets entra tenant=contoso.onmicrosoft.com"),
        ("entra", ["tenant=a", "token_url=https://canary.example.com"], "rotator presets entra tenant="),
        ("entra", ["tenant=a", "realm=canary"], "one of entra: tenant"),
        ("thx", ["canary"], "rotator presets thx"),
    ],
)
def test_what_cannot_be_used_is_told_with_what_can_and_no_value_is_repeated(
    name: str, given: list[str], told: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        presetting.one(name, given, "text")
    assert told in str(caught.value)
    assert "canary" not in str(caught.value)
