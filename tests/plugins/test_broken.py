"""Packages that cannot be used, and the installed rotator's words about each: where, what was found, what to do."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.support.process import rotator

if TYPE_CHECKING:
    from pathlib import Path

    from tests.plugins.packages import Packages

HEAD = """\
[vault]
address = "https://vault.example.com:8200"
[vault.auth]
method = "token"
token_file = "token"
[providers.thx]
token_url = "https://auth.thx.network/token"
[credentials.billing]
provider = "thx"
source = { type = "vault", path = "secret/apps/billing" }
"""
SINKS, GRANTS = "rotator.sinks", "rotator.grants"
LINE = 11


class Home:
    """A configuration whose eleventh line is what a test is about."""

    def __init__(self, home: Path, packages: Packages) -> None:
        self.file = home / "config.toml"
        self._packages = packages
        (home / "token").touch(mode=0o600)
        (home / "token").write_text("anything")

    def write(self, sink: str, more: str = "") -> None:
        self.file.write_text(f"{HEAD}sinks = [{{ type = {sink} }}]\n{more}\n")

    async def told(self, key: str = "credentials.billing.sinks[0].type", line: int = LINE) -> str:
        """What `check` says of this key, which is all that is wrong."""
        code, out, err = await rotator("check", "-c", self.file, env=self._packages.path)
        assert (code, out) == (2, "")
        assert err.startswith(f"{self.file}:{line}: {key}\n"), err
        assert err.endswith("was not accepted: 1 problem.\n"), err
        assert "CANARY" not in err
        assert "Traceback" not in err
        return err

    async def passes(self) -> str:
        code, out, err = await rotator("check", "-c", self.file, env=self._packages.path)
        assert code == 0, err
        return out


@pytest.fixture
def home(tmp_path: Path, packages: Packages) -> Home:
    made = Home(tmp_path, packages)
    made.write('"kept"')
    return made


BROKEN = {
    "a-module-that-is-missing": (
        "import not_installed_here",
        "1.0 cannot be imported: ModuleNotFoundError at {module}:{last}, there is no module not_installed_here",
        "-c 'import rotator_handmade' shows why; install what it lacks, or another version of it",
    ),
    "a-module-that-raises": ("raise ValueError('CANARY')", "be imported: ValueError at {module}:{last}", "shows why"),
    "a-module-that-exits": ("sys.exit('CANARY')", "cannot be imported: SystemExit at {module}:{last}", "shows why"),
    "a-module-that-is-no-python": ("def CANARY(:", "cannot be imported: SyntaxError at {module}:{last}", "shows why"),
    "a-name-that-is-not-there": (
        "", "is to be kept in rotator_handmade, which has nothing of that name", "report it to the author",
    ),
    "something-else": ("kept = Working", "is the class Working", "report it to the author of rotator-handmade 1.0"),
    "another-api": (
        "kept = sink(Working, api=2)", "was written for API 2", "install a version of rotator-handmade for this ",
    ),
    "no-api": ("kept = sink(Working, api=None)", "was written for an API that is no number", "for this rotator"),
    "another-kind": (
        "kept = Plugin(api=1, kind=SourceKind(settings=Nothing, make=Working))", "holds a SourceKind", "report it",
    ),
    "no-function": ("kept = sink('CANARY')", "has a str for make", "report it"),
    "no-settings": ("kept = sink(Working, settings=dict)", "has the class dict for settings", "report it"),
    "settings-that-pass-over-unknown-keys": (
        "class Lax(BaseModel): pass\nkept = sink(Working, settings=Lax)", "has settings that pass over unknown keys",
        "report it",
    ),
    "settings-that-take-a-key-of-rotators": (
        "class Mine(Section):\n    type: str\nkept = sink(Working, settings=Mine)", "has type among its settings",
        "report it",
    ),
    "no-deadline": ("kept = sink(Working, deadline=60)", "has a deadline out of bounds", "report it"),
}  # fmt: skip


@pytest.mark.parametrize(("code", "found", "cure"), BROKEN.values(), ids=BROKEN.keys())
async def test_a_package_that_cannot_be_used_is_told_with_its_version_the_place_and_the_cure(
    home: Home, packages: Packages, code: str, found: str, cure: str
) -> None:
    packages.add_sinks(code, "kept")
    module = packages.place / "rotator_handmade.py"
    told = await home.told()
    assert found.format(module=module, last=len(module.read_text().splitlines())) in told
    assert "rotator-handmade 1.0" in told
    assert cure in told


SETTINGS = """
class Settings(Section):
    word: str = ""

    @field_validator("word")
    @classmethod
    def _check(cls, word):
        if word == "CANARY-told":
            raise refuse("a word that is no canary", "write another", hidden=True)
        if word == "CANARY-value":
            raise ValueError(f"{word} is no good")
        if word == "CANARY-key":
            raise KeyError(word)
        if word == "CANARY-exit":
            sys.exit(word)
        return word

kept = sink(Working, settings=Settings)
"""

REFUSED = {
    "in-the-words-of-its-author": (
        "CANARY-told",
        ".word",
        "  a word that is no canary\n    cure    write another",
    ),
    "with-an-exception-that-is-for-values": ("CANARY-value", ".word", "wanted  what rotator-handmade 1.0 takes there"),
    "with-another-exception": ("CANARY-key", "", "found   the sink kept of rotator-handmade 1.0 raised KeyError at"),
    "by-an-exit": ("CANARY-exit", "", "found   the sink kept of rotator-handmade 1.0 raised SystemExit at"),
}


@pytest.mark.parametrize(("word", "under", "words"), REFUSED.values(), ids=REFUSED.keys())
async def test_g11_settings_that_a_package_refuses_are_told_without_their_value(
    home: Home, packages: Packages, word: str, under: str, words: str
) -> None:
    packages.add_sinks(SETTINGS, "kept")
    home.write(f'"kept", word = "{word}"')
    told = await home.told(f"credentials.billing.sinks[0]{under}")
    assert words in told


async def test_a_sink_that_does_not_say_where_it_is_is_refused(home: Home, packages: Packages) -> None:
    packages.add_sinks("kept = sink(Working, place=lambda settings, credential: 1 / 0)", "kept")
    told = await home.told("credentials.billing.sinks[0]", 10 + 1)
    assert "place of the sink kept of rotator-handmade 1.0 raised ZeroDivisionError at" in told


async def test_two_packages_that_offer_the_same_kind_are_both_refused(home: Home, packages: Packages) -> None:
    packages.add_sinks("kept = sink(Working)", "kept")
    packages.add("rotator-twin", {SINKS: {"kept": "kept"}}, "kept = sink(Working)", version="2.5")
    assert "the sink kept is offered by rotator-handmade 1.0 and rotator-twin 2.5" in await home.told()


async def test_a_built_in_kind_is_not_overridden(home: Home, packages: Packages) -> None:
    packages.add_sinks('pathlib.Path(__file__).with_name("imported").touch()\nfile = sink(Working)', "file")
    home.write('"file", path = "/run/billing"')
    told = await home.told()
    assert "the name of a built-in sink, which rotator-handmade 1.0 offers as well" in told
    assert "pip uninstall the package, or have it choose another name" in told
    assert not (packages.place / "imported").exists()


async def test_a_built_in_grant_is_not_overridden(home: Home, packages: Packages) -> None:
    packages.add("rotator-grants", {GRANTS: {"client_credentials": "kept"}}, "kept = None")
    home.write('"vault", path = "secret/tokens/billing"', 'grant = "client_credentials"')
    assert "the name of a built-in grant" in await home.told("credentials.billing.grant", 12)


async def test_a_kind_that_nobody_has_is_refused_with_those_that_there_are(home: Home, packages: Packages) -> None:
    packages.add_sinks("kept = sink(Working)", "kept")
    home.write('"keptt"')
    told = await home.told()
    assert "vault, file, kubernetes or socket, or of an installed package: kept" in told
    assert "did you mean kept? If not: no installed package provides it" in told


@pytest.mark.parametrize("word", ["grant", "client_auth"])
async def test_a_word_that_nobody_has_is_refused_likewise(home: Home, word: str) -> None:
    home.write('"vault", path = "secret/tokens/billing"', f'{word} = "magic"')
    assert "no installed package provides it" in await home.told(f"credentials.billing.{word}", 12)


async def test_only_what_the_configuration_names_is_imported(home: Home, packages: Packages) -> None:
    for name in ("one", "other"):
        code = f'pathlib.Path(__file__).with_name("imported-{name}").touch()\n{name} = sink(Working)'
        packages.add(f"rotator-{name}", {SINKS: {name: name}}, code)
    home.write('"vault", path = "secret/tokens/billing"')
    await home.passes()
    assert list(packages.place.glob("imported-*")) == []
    home.write('"one"')
    assert "the sink one is of rotator-one 1.0" in await home.passes()
    assert [file.name for file in packages.place.glob("imported-*")] == ["imported-one"]


async def test_the_schema_takes_tables_of_packages_and_is_strict_with_all_others(packages: Packages) -> None:
    _, out, _ = await rotator("schema", env=packages.path)
    schema = json.loads(out)["$defs"]
    for name in ("PluginSink", "PluginSource"):
        assert schema[name]["additionalProperties"] is True
        assert "vault" in schema[name]["properties"]["type"]["not"]["enum"]
    assert schema["FileSink"]["additionalProperties"] is False
