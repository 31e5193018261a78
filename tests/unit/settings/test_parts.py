"""A configuration that is split: its parts in conf.d beside it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from rotator.settings.reach import reach
from tests.unit.settings.home import GOOD

if TYPE_CHECKING:
    from pathlib import Path

    from rotator.settings.load import Loaded
    from rotator.settings.problems import Problem
    from tests.unit.settings.home import Home

BILLING = GOOD[GOOD.index("[credentials.billing]") :]
BEFORE = GOOD[: GOOD.index("[credentials.billing]")]
SHIPPING = BILLING.replace("billing", "shipping")


def load(home: Home, text: str) -> Loaded:
    home.write(text)
    return home.loads()


def refused(home: Home, text: str) -> Problem:
    home.write(text)
    return home.problem()


def part(home: Home, name: str, text: str) -> Path:
    folder = home.directory / "conf.d"
    folder.mkdir(exist_ok=True)
    file = folder / name
    file.write_text(text)
    return file


def test_tables_of_every_part_count_as_if_they_stood_in_the_configuration(home: Home) -> None:
    alone = load(home, BEFORE + BILLING + SHIPPING).settings
    part(home, "billing.toml", BILLING)
    part(home, "shipping.toml", SHIPPING)
    settings = load(home, BEFORE).settings
    assert settings.credentials.keys() == {"billing", "shipping"}
    assert settings.credentials["shipping"].renew_at == 0.5
    assert settings == alone


def test_a_table_that_is_no_table_of_names_may_be_in_a_part_as_a_whole(home: Home) -> None:
    part(home, "log.toml", '[log]\nlevel = "debug"\n')
    assert load(home, GOOD).settings.log.level == "debug"


@pytest.mark.parametrize("name", [".shipping.toml", ".#shipping.toml", "shipping.toml~", "shipping.toml.bak", "README"])
def test_what_editors_and_people_leave_beside_them_is_no_part(home: Home, name: str) -> None:
    part(home, name, SHIPPING)
    assert load(home, GOOD).settings.credentials.keys() == {"billing"}


def test_a_file_of_that_name_is_left_alone(home: Home) -> None:
    (home.directory / "conf.d").write_text("something else")
    assert load(home, GOOD).settings.credentials.keys() == {"billing"}


def test_a_mistake_is_told_with_the_part_and_the_line_that_it_is_in(home: Home) -> None:
    file = part(home, "shipping.toml", "\n" + SHIPPING.replace('provider = "thx"', 'provider = "thy"'))
    problem = refused(home, GOOD)
    assert (problem.key, problem.file, problem.line) == ("credentials.shipping.provider", str(file), 3)
    assert problem.render("config.toml").startswith(f"{file}:3: credentials.shipping.provider\n")


def test_a_part_that_is_no_toml_is_told_by_its_own_name(home: Home) -> None:
    part(home, "shipping.toml", "[credentials.shipping\n")
    home.write(GOOD)
    assert str(home.error()).startswith(f"{home.directory}/conf.d/shipping.toml:1\n")


@pytest.mark.parametrize(
    ("text", "key"),
    [(BILLING, "credentials.billing"), ("[defaults]\nrenew_at = 0.6\n", "defaults")],
    ids=["name", "table"],
)
def test_a_table_in_two_files_is_refused_with_both_of_them(home: Home, text: str, key: str) -> None:
    file = part(home, "again.toml", text)
    problem = refused(home, GOOD)
    assert (problem.key, problem.file, problem.line) == (key, str(file), 1)
    assert problem.found == f"what stands in {home.file} as well"


def test_a_table_in_two_parts_names_the_other_part(home: Home) -> None:
    first, second = part(home, "a.toml", SHIPPING), part(home, "b.toml", SHIPPING)
    problem = refused(home, GOOD)
    assert (problem.file, problem.found) == (str(second), f"what stands in {first} as well")


def test_two_sinks_in_one_place_are_found_across_files(home: Home) -> None:
    part(home, "shipping.toml", SHIPPING.replace("secret/tokens/shipping", "secret/tokens/billing"))
    problem = refused(home, GOOD)
    assert problem.key == "credentials.shipping.sinks[0].path"


def test_a_part_that_others_can_change_is_refused_with_the_cure(home: Home) -> None:
    file = part(home, "shipping.toml", SHIPPING)
    file.chmod(0o666)
    problem = refused(home, GOOD)
    assert (problem.file, problem.cure) == (str(file), f"chmod o-w {file}")


def test_a_directory_that_others_can_put_parts_in_is_refused_with_the_cure(home: Home) -> None:
    folder = part(home, "shipping.toml", SHIPPING).parent
    folder.chmod(0o777)
    problem = refused(home, GOOD)
    assert problem.cure == f"chmod o-w {folder}"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may list everything")
def test_a_directory_that_cannot_be_listed_is_told_with_the_cure(home: Home) -> None:
    folder = part(home, "shipping.toml", SHIPPING).parent
    folder.chmod(0)
    try:
        problem = refused(home, GOOD)
    finally:
        folder.chmod(0o755)
    assert problem.cure == f"chmod a+rx {folder}"


def test_secret_files_of_a_part_are_looked_for_beside_the_configuration(home: Home) -> None:
    vaults = BEFORE[BEFORE.index("[vault]") : BEFORE.index("[providers")]
    part(home, "vault.toml", vaults)
    found = load(home, GOOD.replace(vaults, "")).secret_files
    assert set(found.values()) == {home.directory / "role-id", home.directory / "secret-id"}


def test_whoever_asks_how_it_is_looks_where_a_part_says_that_it_listens(home: Home) -> None:
    part(home, "http.toml", f'[http]\nlisten = "unix:{home.directory}/here.sock"\n')
    home.file.write_text(GOOD)
    assert reach(home.file, {}).socket == home.directory / "here.sock"
