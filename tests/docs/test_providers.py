"""What the page about identity providers says of presets and quotas is what rotator has and does."""

from __future__ import annotations

import json
import re
from pathlib import Path

from rotator.settings.load import load
from rotator.settings.presets import PRESETS, READ, Preset
from tests.docs.test_configurations import CREDENTIAL, completed
from tests.support.pages import example, examples
from tests.support.process import rotator

PAGE = "docs/howto/providers.md"
TEXT = (Path(__file__).parents[2] / PAGE).read_text()


def row(name: str, preset: Preset) -> list[str]:
    variables = [
        f"[`{word}`]" if variable.optional or variable.default else f"`{word}`"
        for word, variable in preset.variables.items()
    ]
    grants = [f"`{grant}`" for grant in preset.grants]
    return [f"`{name}`", preset.title, ", ".join(variables), ", ".join(grants), preset.how]


def test_the_table_says_of_every_preset_what_it_takes_and_how_far_it_was_checked() -> None:
    lines = re.findall(r"^\| `[a-z0-9-]+` \|.*\|$", TEXT.partition("## Use one")[0], re.MULTILINE)
    assert [[cell.strip() for cell in line.strip("|").split("|")] for line in lines] == [
        row(name, preset) for name, preset in PRESETS.items()
    ]
    assert f"read on {READ}" in TEXT


def test_there_is_an_example_of_every_preset_and_of_every_grant_that_one_is_for() -> None:
    written = "".join(block.text for block in examples(PAGE, "toml"))
    assert set(re.findall(r'^preset = "(.*)"', written, re.MULTILINE)) == set(PRESETS)
    each = TEXT.partition("## Each grant")[2].partition("## Metered")[0]
    grants = {grant for preset in PRESETS.values() for grant in preset.grants}
    assert grants - {"client_credentials"} <= set(re.findall(r"`([a-z_]+)`", each))
    for line in re.findall(r"^\| (`[a-z].*`) \| (.*?) \|", each, re.MULTILINE):
        named = set(re.findall(r"`([a-z_]+)`", line[0]))
        assert line[1].split(", ") == [name for name, preset in PRESETS.items() if named & set(preset.grants)]


async def test_presets_are_listed_and_printed_by_the_commands_of_the_page(tmp_path: Path) -> None:
    first, second = example(PAGE, "presets").splitlines()
    code, out, _ = await rotator(*first.split()[1:], "-o", "json")
    assert code == 0
    assert {preset["preset"] for preset in json.loads(out)} == set(PRESETS)
    code, out, _ = await rotator(*second.split()[1:])
    assert code == 0
    file, secret = tmp_path / "config.toml", tmp_path / "secret"
    for path, text in ((secret, "anything"), (file, completed(out, secret, PAGE))):
        path.touch(mode=0o600)
        path.write_text(text)
    filled = load(file, {}).settings.providers["keycloak"]
    assert filled.token_url == "https://login.example.com/realms/services/protocol/openid-connect/token"


async def test_check_says_of_the_metered_provider_what_the_page_says(tmp_path: Path) -> None:
    (metered,) = [
        one.text for one in examples(PAGE, "toml") if "quota" in one.text and "[providers.thx]" not in one.text
    ]
    file, secret = tmp_path / "config.toml", tmp_path / "secret"
    credentials = [
        CREDENTIAL.replace("whatever", name).replace("NAME", "auth0") for name in ("billing", "crm", "search")
    ]
    for path, text in ((secret, "anything"), (file, completed(metered + "".join(credentials), secret, PAGE))):
        path.touch(mode=0o600)
        path.write_text(text)
    code, out, _ = await rotator("check", "-c", file)
    assert code == 0
    assert example(PAGE, "check") in out
