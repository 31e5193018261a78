"""Tables and words of installed packages, read in this process: what a plugin's model sees, and how it is told."""

from __future__ import annotations

import json
import sys
import uuid
from typing import TYPE_CHECKING

import pytest

from rotator.plugged import finding
from rotator.settings import asked, packages
from rotator.settings.sinks import PluginSink
from tests.plugins.packages import Packages

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from rotator.settings.problems import Problem
    from tests.unit.settings.home import Home

SETTINGS = """
class Part(Section):
    size: Annotated[int, Count(1, 9)]

class Settings(Section):
    path: AbsolutePath
    vault: str = ""
    part: Part | None = None
    parts: tuple[Part, ...] = ()
    either: int | bool = 0
    extra: dict[str, str] = {}
    day: "datetime.date | None" = None

import datetime
Settings.model_rebuild()
"""
SINK = "credentials.billing.sinks[1]"


class Installed(Packages):
    """Packages that this process finds; their kinds are called as no others are.

    Attributes:
        word: Part of every name.
    """

    def __init__(self, place: Path) -> None:
        super().__init__(place)
        self.word = f"k{uuid.uuid4().hex[:8]}"

    def offer(self, group: str, code: str) -> str:
        """Install a package with one kind, `it` of its module; the kind's name."""
        name = f"{self.word}-{group.rpartition('.')[2]}"
        self.add(f"rotator-{name}", {group: {name: "it"}}, SETTINGS + code)
        return name


@pytest.fixture
def installed(tmp_path: Path) -> Iterator[Installed]:
    made = Installed(tmp_path / "packages")
    sys.path.append(str(made.place))
    finding.look_again()
    yield made
    sys.path.remove(str(made.place))
    finding.look_again()


@pytest.fixture
def kept(installed: Installed) -> str:
    """A kind of sink that knows `Settings`."""
    place = "place=lambda settings, credential: f'{settings.path}/{credential}'"
    return installed.offer("rotator.sinks", f"it = sink(Working, settings=Settings, {place})")


FILE = """[[credentials.billing.sinks]]
type = "file"
path = "/run/rotator/billing.token"
"""


def with_sink(home: Home, kind: str, keys: str) -> None:
    home.changed(FILE, f'[[credentials.billing.sinks]]\ntype = "{kind}"\n{keys}\n')


def test_a_plugins_model_gets_the_keys_that_are_not_rotators(home: Home, kept: str) -> None:
    with_sink(home, kept, 'path = "/data"\npart = { size = 3 }\nvault = "mine"\nconsumer_interval = "1m"')
    credential = home.loads().settings.credentials["billing"]
    sink = credential.sinks[1]
    assert isinstance(sink, PluginSink)
    assert sink.consumer_interval == 60
    assert sink.plugged.settings.model_dump(include={"vault", "part"}) == {"vault": "mine", "part": {"size": 3}}
    assert sink.plugged.place("billing") == "/data/billing"
    provider = home.loads().settings.providers["thx"]
    assert asked.vaults(provider, credential) == [""], "a key of that name is the plugin's own here"


def test_two_readings_of_the_same_table_are_equal_and_of_another_are_not(home: Home, kept: str) -> None:
    with_sink(home, kept, 'path = "/data"')
    first, second = (home.loads().settings.credentials["billing"] for _ in range(2))
    assert first == second
    with_sink(home, kept, 'path = "/other"')
    assert home.loads().settings.credentials["billing"] != first


WRONG = {
    "a-key-that-is-missing": ("", ".path", "nothing", "this key"),
    "a-key-inside-a-table": ('path = "/d"\npart = {}', ".part.size", "nothing", "this key"),
    "a-value-inside-a-list": (
        'path = "/d"\nparts = [{ size = 1 }, { size = 10 }]', ".parts[1].size", "10", "a whole number from 1 to 9",
    ),
    "an-unknown-key": ('path = "/d"\npaht = "/CANARY"', ".paht", "not known", "consumer_interval"),
    "an-unknown-key-inside": ('path = "/d"\npart = { size = 1, x = "CANARY" }', ".part.x", "not known", "knows"),
    "a-text-that-quotes-the-value": ('path = "/d"\nday = "2026-13-CANARY"', ".day", "(not shown)", "takes there"),
    "a-kind-of-value": ('path = "/d"\nextra = 5', ".extra", "a number (not shown)", "a table"),
}  # fmt: skip


@pytest.mark.parametrize(("keys", "under", "found", "wanted"), WRONG.values(), ids=WRONG.keys())
def test_g11_what_a_plugins_model_refuses_has_its_place_and_no_value_that_may_be_a_secret(
    home: Home, kept: str, keys: str, under: str, found: str, wanted: str
) -> None:
    with_sink(home, kept, keys)
    problem = home.problem()
    assert problem.key == SINK + under
    assert problem.line is not None
    assert found in problem.found
    assert wanted in problem.wanted
    assert "CANARY" not in json.dumps(problem.as_dict())


def test_a_value_that_fits_no_member_of_a_union_is_told_without_pydantics_names_for_them(home: Home, kept: str) -> None:
    with_sink(home, kept, 'path = "/d"\neither = []')
    assert {problem.key for problem in home.error().problems} == {f"{SINK}.either"}


def test_a_plugins_mistakes_are_told_together_with_all_others(home: Home, kept: str) -> None:
    with_sink(home, kept, 'path = "d"\n[log]\nlevel = "loud"')
    assert {problem.key for problem in home.error().problems} == {f"{SINK}.path", "log.level"}


def test_g06_a_secret_in_a_plugins_table_is_refused_as_anywhere(home: Home, kept: str) -> None:
    with_sink(home, kept, 'path = "/d"\nextra = { password = "CANARY" }')
    problem = home.problem()
    assert (problem.key, problem.found) == (
        f"{SINK}.extra.password",
        "a secret in the configuration itself (not shown)",
    )


def test_a_sink_for_all_credentials_stands_in_defaults_and_has_a_place_for_each(home: Home, kept: str) -> None:
    home.write(
        home.good.replace("renew_at = 0.5", f'sinks = [{{ type = "{kept}", path = "/data" }}]').partition("[[cred")[0]
        + '[credentials.other]\nprovider = "thx"\nsource = { type = "vault", path = "secret/apps/other" }\n'
    )
    assert home.loads().warnings == ()


def test_a_mistake_in_defaults_is_told_once_and_there(home: Home, kept: str) -> None:
    home.write(
        home.good.replace("renew_at = 0.5", f'sinks = [{{ type = "{kept}", path = "data" }}]').partition("[[cred")[0]
    )
    assert home.problem().key == "defaults.sinks[0].path"


def test_two_tables_with_one_path_are_two_places_where_the_plugin_says_so(home: Home, kept: str) -> None:
    with_sink(home, kept, 'path = "/data"')
    more = (
        f'provider = "thx"\nsource = {{ type = "vault", path = "secret/apps/b" }}\nsinks = [{{ type = "{kept}", path = '
    )
    home.write(f'{home.file.read_text()}[credentials.b]\n{more}"/data" }}]\n')
    assert len(home.loads().settings.credentials) == 2
    twice = f'sinks = [{{ type = "{kept}", path = "/data" }}, {{ type = "{kept}", path = "/data" }}]\n'
    home.write(f"{home.file.read_text().rpartition('sinks = ')[0]}{twice}")
    problem = home.problem()
    assert (problem.key, problem.found) == ("credentials.b.sinks[1]", f'"{kept}:/data/b"')


def used(home: Home) -> list[tuple[str, str]]:
    return [(found.noun, found.origin) for found in packages.used(home.loads().settings)]


def test_a_grant_and_a_client_authentication_bring_fields_that_a_source_may_rename(
    home: Home, installed: Installed
) -> None:
    field = f"{installed.word}_field"
    grant = installed.offer("rotator.grants", f'it = Plugin(api=1, kind=GrantKind("g", None or Working, ("{field}",)))')
    auth = installed.offer("rotator.client_auth", 'it = Plugin(api=1, kind=ClientAuth(Working, "", ("certificate",)))')
    home.write(
        home.good.replace('provider = "thx"', f'provider = "thx"\ngrant = "{grant}"\nclient_auth = "{auth}"').replace(
            '"secret/apps/billing" }', f'"secret/apps/billing", fields = {{ {field} = "theirs" }} }}'
        )
    )
    settings = home.loads().settings
    credential = settings.credentials["billing"]
    wanted = asked.wanted(settings.providers["thx"], credential, {field: "theirs"})
    assert wanted.fields() == ("client_id", "certificate", "theirs")
    assert used(home) == [("client authentication", f"rotator-{auth} 1.0"), ("grant", f"rotator-{grant} 1.0")]


WORDS = {
    "a-grant-that-a-person-starts": ("rotator.grants", 'GrantKind("g", Working, rotates=True)', "rotates set"),
    "a-form-that-is-none": ("rotator.grants", 'GrantKind("g", "form")', "a str for form"),
    "fields-that-are-none": ("rotator.grants", 'GrantKind("g", Working, (1,))', "fields that are no texts"),
    "a-proof-that-is-none": ("rotator.client_auth", "ClientAuth(5)", "a int for prove"),
    "a-field-that-is-none": ("rotator.client_auth", "ClientAuth(Working, 5)", "fields that are no texts"),
}


@pytest.mark.parametrize(("group", "kind", "found"), WORDS.values(), ids=WORDS.keys())
def test_a_word_whose_kind_cannot_be_used_is_refused_where_it_stands(
    home: Home, installed: Installed, group: str, kind: str, found: str
) -> None:
    name = installed.offer(group, f"it = Plugin(api=1, kind={kind})")
    key = "grant" if group.endswith("grants") else "client_auth"
    home.changed('provider = "thx"', f'provider = "thx"\n{key} = "{name}"')
    problem = home.problem()
    assert (problem.key, problem.line) == (f"credentials.billing.{key}", 17)
    assert f"of rotator-{name} 1.0 has {found}" in problem.found


def test_a_package_that_is_installed_later_is_found_by_the_next_reading(home: Home, installed: Installed) -> None:
    name = f"{installed.word}-sinks"
    with_sink(home, name, 'path = "/d"')
    assert "no installed package provides it" in home.problem().cure
    installed.offer("rotator.sinks", "raise ValueError")
    assert "cannot be imported: ValueError" in home.problem().found
    installed.write(f"rotator_{name.replace('-', '_')}", f"{SETTINGS}\nit = sink(Working, settings=Settings)")
    assert used(home) == [("sink", f"rotator-{name} 1.0")]


def test_a_kind_that_is_not_named_is_not_imported(home: Home, installed: Installed) -> None:
    module = f"rotator_{installed.offer('rotator.sinks', 'it = sink(Working)').replace('-', '_')}"
    home.loads()
    assert module not in sys.modules


def problems(home: Home) -> list[Problem]:
    return list(home.error().problems)


@pytest.mark.parametrize("value", ["5", "[]", "{ a = 1 }", "true"])
def test_a_type_that_is_no_text_is_refused(home: Home, value: str) -> None:
    home.changed('type = "file"', f"type = {value}")
    assert [problem.key for problem in problems(home)] == [f"{SINK}.type"]


def test_a_key_that_is_called_like_its_kind_is_told_by_its_own_place(home: Home, installed: Installed) -> None:
    word = installed.word
    code = f"class Own(Section):\n    {word}: int\nit = sink(Working, settings=Own)"
    installed.add(f"rotator-{word}", {"rotator.sinks": {word: "it"}}, code)
    with_sink(home, word, f'{word} = "CANARY"')
    assert home.problem().key == f"{SINK}.{word}"


@pytest.mark.parametrize("text", [b"[rotator.sinks]\nnothing\n", b"\xff\xfe"], ids=["no-pair", "no-text"])
def test_a_package_that_says_nothing_readable_keeps_no_other_from_use_in_a_running_rotator(
    home: Home, installed: Installed, text: bytes
) -> None:
    """One that starts does not get so far: pydantic asks every package what it offers."""
    installed.add(f"rotator-{installed.word}-odd", {}, "")
    (information,) = installed.place.glob("*.dist-info")
    (information / "entry_points.txt").write_bytes(text)
    assert home.loads().warnings == ()
    with_sink(home, "kept", "")
    assert f"the entry points of rotator-{installed.word}-odd cannot be read" in home.problem().cure


def test_an_entry_point_that_names_no_object_is_refused(home: Home, installed: Installed) -> None:
    installed.add(f"rotator-{installed.word}", {"rotator.sinks": {installed.word: " "}}, "")
    with_sink(home, installed.word, "")
    assert "names nothing that could be imported" in home.problem().found


def test_a_package_that_is_installed_twice_is_the_one_that_python_imports(
    home: Home, kept: str, tmp_path: Path
) -> None:
    other = Packages(tmp_path / "others")
    other.add(f"rotator-{kept}", {"rotator.sinks": {kept: "it"}}, "", version="0.1")
    sys.path.append(str(other.place))
    with_sink(home, kept, 'path = "/d"')
    try:
        assert used(home) == [("sink", f"rotator-{kept} 1.0")]
    finally:
        sys.path.remove(str(other.place))
