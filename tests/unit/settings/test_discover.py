"""[discover.NAME]: what is accepted, what is made of a key, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from rotator.settings.discover import Discover, UnusableKeyError
from rotator.settings.sinks import FileSink, VaultSink
from tests.unit.settings.home import GOOD

if TYPE_CHECKING:
    from rotator.settings.problems import Problem
    from tests.unit.settings.home import Home

TEMPLATE = """
[discover.apps]
provider = "thx"
source = { type = "vault", path = "secret/others/*", fields = { client_id = "id" } }
renew_at = 0.7
sinks = [
  { type = "vault", path = "secret/tokens/found/{key}" },
  { type = "file", path = "/run/rotator/{key}/token", mode = "0640" },
]
"""


def template(home: Home, old: str = "", new: str = "") -> Discover:
    assert old in TEMPLATE, "the test replaces what is not there"
    home.write(GOOD + TEMPLATE.replace(old, new))
    return home.loads().settings.discover["apps"]


def refused(home: Home, old: str, new: str) -> Problem:
    assert old in TEMPLATE, "the test replaces what is not there"
    home.write(GOOD + TEMPLATE.replace(old, new))
    return home.problem()


def test_a_credential_is_made_of_a_key_with_all_that_the_template_says(home: Home) -> None:
    made = template(home).credential("team/Billing")
    assert (made.provider, made.renew_at) == ("thx", 0.7)
    assert made.source.model_dump(include={"type", "path", "fields"}) == {
        "type": "vault",
        "path": "secret/others/team/Billing",
        "fields": {"client_id": "id"},
    }
    first, second = made.sinks
    assert isinstance(first, VaultSink)
    assert first.path == "secret/tokens/found/team/Billing"
    assert isinstance(second, FileSink)
    assert (second.path, second.mode) == (Path("/run/rotator/team/Billing/token"), 0o640)


def test_defaults_are_laid_below_a_template(home: Home) -> None:
    assert template(home, "renew_at = 0.7\n").credential("x").renew_at == 0.5
    home.write(GOOD.replace("renew_at = 0.5", "renew_at = 0.6") + TEMPLATE.replace("renew_at = 0.7\n", ""))
    assert home.loads().settings.discover["apps"].credential("x").renew_at == 0.6


def test_a_template_alone_is_a_configuration(home: Home) -> None:
    home.write(GOOD[: GOOD.index("[credentials")] + TEMPLATE)
    assert home.loads().settings.credentials == {}


@pytest.mark.parametrize(
    ("name", "key", "called"),
    [("{key}", "billing", "billing"), ("{key}", "Team/Asset-Pool", "team.asset-pool"), ("apps.{key}", "a", "apps.a")],
)
def test_a_credential_is_called_by_its_key(home: Home, name: str, key: str, called: str) -> None:
    made = template(home, "renew_at = 0.7\n", f'name = "{name}"\n')
    assert made.name_of(key) == called


@pytest.mark.parametrize("key", ["x" * 64, "-x"], ids=["long", "a dash in front"])
def test_a_key_that_makes_no_name_is_refused(home: Home, key: str) -> None:
    with pytest.raises(UnusableKeyError):
        template(home).name_of(key)


@pytest.mark.parametrize(
    "key",
    ["", "..", "a/../b", "a/./b", ".a", "a.", "a//b", "/a", "a/", "a b", "a%2e", "a\n", "ä", "{key}", "a*", "~a", "$a"],
)
def test_a_key_that_could_lead_elsewhere_makes_no_credential_and_is_not_repeated(home: Home, key: str) -> None:
    with pytest.raises(UnusableKeyError) as caught:
        template(home).credential(key)
    assert len(key) < 3 or key not in str(caught.value)


def test_what_is_made_of_a_key_has_to_pass_the_checks_of_any_credential(home: Home) -> None:
    place = 'namespace = "apps", api_server = "https://k.example.com", token_file = "/etc/rotator/token"'
    kubernetes = f'{{ type = "kubernetes", name = "{{key}}", {place} }}'
    made = template(home, '{ type = "vault", path = "secret/tokens/found/{key}" }', kubernetes)
    assert made.credential("billing").sinks[0].type == "kubernetes"
    with pytest.raises(UnusableKeyError, match=r"^sinks.0.*name would not be "):
        made.credential("Under_Score")


@pytest.mark.parametrize(
    "path", ["secret/others", "secret/others/", "secret/others/***", "secret/*/x", "*", "/*", "secret/../x/*", "a//*"]
)
def test_a_source_without_its_star_at_the_end_is_refused(home: Home, path: str) -> None:
    problem = refused(home, "secret/others/*", path)
    assert (problem.key, problem.line) == ("discover.apps.source.path", 29)
    assert 'a path with a star for its keys, "secret/apps/*"' in problem.wanted


@pytest.mark.parametrize(("path", "below", "deep"), [("secret/*", "secret", False), ("secret/a/**", "secret/a", True)])
def test_a_star_means_a_folder_and_two_stars_all_that_is_in_it(
    home: Home,
    path: str,
    below: str,
    deep: bool,  # noqa: FBT001  a parameter of the test
) -> None:
    text = TEMPLATE.replace("secret/others/*", path).replace("secret/tokens", "elsewhere/tokens")
    home.write(GOOD[: GOOD.index("[credentials")] + text)
    source = home.loads().settings.discover["apps"].source
    assert (source.below, source.at_any_depth) == (below, deep)


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ("found/{key}", "found", "discover.apps.sinks[0].path"),
        ("/run/rotator/{key}/token", "/run/rotator/token", "discover.apps.sinks[1].path"),
    ],
)
def test_sinks_without_the_key_in_their_place_are_refused(home: Home, old: str, new: str, key: str) -> None:
    problem = refused(home, old, new)
    assert problem.key == key
    assert "all tokens would be delivered to one place" in problem.wanted


def test_tokens_below_the_path_that_is_searched_are_refused_from_any_section(home: Home) -> None:
    assert refused(home, "secret/tokens/found", "secret/others").key == "discover.apps.sinks[0].path"
    home.write(GOOD + TEMPLATE.replace("secret/others/*", "secret/tokens/**").replace("secret/tokens/found", "other/t"))
    assert home.problem().key == "credentials.billing.sinks[0].path"


def test_one_table_for_two_templates_sinks_is_refused(home: Home) -> None:
    second = TEMPLATE.replace("discover.apps", "discover.more").replace("/run/rotator/", "/run/more/")
    home.write(GOOD + TEMPLATE + second)
    assert home.problem().key == "discover.more.sinks[0].path"


def test_a_grant_that_a_person_has_to_start_is_no_template(home: Home) -> None:
    problem = refused(home, "renew_at = 0.7", 'grant = "refresh_token"')
    assert problem.key == "discover.apps.grant"
    problem = refused(home, "renew_at = 0.7", 'grant = "refresh_token"\nlogin = { path = "secret/logins/x" }')
    assert problem.key == "discover.apps.login"


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ('provider = "thx"', 'provider = "thy"', "discover.apps.provider"),
        ("renew_at = 0.7", 'interval = "0s"', "discover.apps.interval"),
        ("renew_at = 0.7", 'name = "apps"', "discover.apps.name"),
        ("renew_at = 0.7", "renew_ad = 0.7", "discover.apps.renew_ad"),
        ('mode = "0640"', 'mode = "0777"', "discover.apps.sinks[1].mode"),
        ('type = "vault", path = "secret/others/*"', 'type = "vault_path", path = "x/*"', "discover.apps.source.type"),
        ("secret/tokens/found/{key}", "secret/tokens/found//{key}", "discover.apps.sinks[0].path"),
        ('mode = "0640"', 'consumer_interval = "20m"', "discover.apps.sinks[1].consumer_interval"),
    ],
)
def test_mistakes_in_a_template_are_told_with_its_keys(home: Home, old: str, new: str, key: str) -> None:
    assert refused(home, old, new).key == key


def test_templates_are_equal_when_they_say_the_same(home: Home) -> None:
    assert template(home) == template(home)
    assert template(home) != template(home, "/found/", "/elsewhere/")
