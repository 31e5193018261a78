"""Presets: what they fill, what they leave alone, and that no variable takes a secret to another host."""

from __future__ import annotations

import re
from datetime import date
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rotator.oauth.client_auth import CLIENT_AUTHENTICATION
from rotator.oauth.grants import GRANTS
from rotator.settings.filling import fill, keys
from rotator.settings.model import schema
from rotator.settings.presets import HOST, LABEL, NUMBER, PRESETS, READ, SEGMENT, VARIABLES, Kind
from rotator.settings.providers import Provider
from rotator.settings.types import mapping_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.unit.settings.home import Home

CANARY = "kanarienvogel7f3a"

PLAIN = 'token_url = "https://auth.thx.network/token"'

HOMES = {
    "thx": ("auth.thx.network",),
    "entra": ("login.microsoftonline.com",),
    "azure-b2c": (".b2clogin.com",),
    "okta": (".okta.com",),
    "okta-org": (".okta.com",),
    "auth0": (".auth0.com",),
    "keycloak": ("keycloak.example.com",),
    "cognito": (".auth.eu-central-1.amazoncognito.com", "cognito-idp.eu-central-1.amazonaws.com"),
    "google": ("oauth2.googleapis.com",),
    "github-app": ("api.github.com",),
    "gitlab": ("gitlab.com",),
    "salesforce": (".my.salesforce.com",),
    "zitadel": (".zitadel.cloud",),
    "ping": ("auth.pingone.eu",),
    "authentik": ("authentik.example.com",),
    "ory-hydra": (".projects.oryapis.com",),
}
"""What the hosts of each end with, or are, for the variables that its documentation shows."""


def samples(name: str) -> dict[str, str]:
    return {key: variable.sample for key, variable in PRESETS[name].variables.items()}


def table(name: str, **variables: str) -> str:
    lines = "".join(f'{key} = "{value}"\n' for key, value in variables.items())
    return f'preset = "{name}"\n{lines}'


def preset(home: Home, name: str, more: str = "", **variables: str) -> Provider:
    """The provider of a configuration that has this preset."""
    home.changed(PLAIN, table(name, **variables) + more)
    return home.loads().settings.providers["thx"]


def urls(filled: object) -> Iterator[str]:
    """Every URL that a preset comes to, tables and all."""
    if isinstance(filled, dict):
        for value in filled.values():
            yield from urls(value)
    elif isinstance(filled, str) and "://" in filled:
        yield filled


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_with_the_variables_of_its_documentation_is_a_configuration_without_warnings(
    home: Home, name: str
) -> None:
    provider = preset(home, name, **samples(name))
    assert provider.token_url is not None
    assert home.loads().warnings == ()


@pytest.mark.parametrize("name", PRESETS)
def test_every_url_of_a_preset_is_https_and_on_a_host_of_its_provider(name: str) -> None:
    found = [one for one in urls(keys(PRESETS[name], samples(name))) if "login.salesforce.com" not in one]
    assert found
    for url in found:
        parts = urlsplit(url)
        assert (parts.scheme, parts.query, parts.fragment, parts.username) == ("https", "", "", None)
        assert any(parts.netloc == home or parts.netloc.endswith(home) for home in HOMES[name])


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_fills_keys_of_the_provider_and_nothing_else(home: Home, name: str) -> None:
    filled = keys(PRESETS[name], samples(name))
    assert filled.keys() <= Provider.model_fields.keys()
    assert mapping_of(filled.get("assertion")).keys() <= {"algorithm", "audience", "claims"}
    assert not re.search(r"[{}]", repr(list(urls(filled))))
    plain = home.loads().settings
    preset(home, name, **samples(name))
    with_it = home.loads().settings
    assert with_it.model_copy(update={"providers": plain.providers}) == plain
    assert with_it.providers["thx"] == Provider(**filled)


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_without_what_may_be_left_out_is_one_as_well(home: Home, name: str) -> None:
    variables = PRESETS[name].variables
    needed = {key: one.sample for key, one in variables.items() if one.default is None and not one.optional}
    assert preset(home, name, **needed).token_url is not None
    assert "{" not in "".join(urls(keys(PRESETS[name], needed)))


@pytest.mark.parametrize(
    ("name", "grant"), [(name, grant) for name, one in PRESETS.items() for grant in one.grants], ids=str
)
def test_every_grant_that_a_preset_names_can_be_asked_for_with_it(home: Home, name: str, grant: str) -> None:
    credential = f'[credentials.billing]\ngrant = "{grant}"\n'
    if GRANTS[grant].rotates:
        credential += 'login = { path = "secret/logins/billing" }\n'
    if GRANTS[grant].proves:
        credential += 'client_auth = "none"\n'
    text = home.good.replace("[credentials.billing]\n", credential).replace(PLAIN, table(name, **samples(name)))
    home.write(text)
    assert home.loads().settings.credentials["billing"].grant == grant


def test_what_a_preset_knows_of_methods_and_pages_is_whole() -> None:
    assert PRESETS.keys() == HOMES.keys()
    assert date.fromisoformat(READ) > date(2026, 1, 1)
    for name, one in PRESETS.items():
        assert one.keys["client_auth"] in CLIENT_AUTHENTICATION, name
        assert set(one.grants) <= GRANTS.keys(), name
        assert one.checked, name
        assert all(page.title and (page.url.startswith("https://") or not page.url) for page in one.checked), name
        for variable in one.variables.values():
            assert re.fullmatch(variable.kind.pattern, variable.sample), name
            assert variable.default is None or re.fullmatch(variable.kind.pattern, variable.default), name


def test_the_operators_own_keys_outweigh_the_preset(home: Home) -> None:
    own = 'token_url = "https://other.example.com/token"\nclient_auth = "client_secret_basic"\n'
    provider = preset(home, "entra", own, tenant="contoso.com")
    assert (provider.token_url, provider.client_auth) == ("https://other.example.com/token", "client_secret_basic")
    assert provider.jwks_url == "https://login.microsoftonline.com/contoso.com/discovery/v2.0/keys"


def test_tables_are_filled_key_by_key(home: Home) -> None:
    own = 'assertion = { key_id = "k1", audience = "https://else.example.com", claims = { scope = "a b" } }\n'
    assertion = preset(home, "google", own).assertion
    assert assertion is not None
    assert (assertion.key_id, assertion.algorithm) == ("k1", "RS256")
    assert assertion.audience == "https://else.example.com"
    assert assertion.claims == {"scope": "a b", "sub": ""}


def test_what_needs_a_variable_that_may_be_left_out_is_left_out_with_it(home: Home) -> None:
    assert preset(home, "cognito", domain="example", region="eu-central-1").issuer is None


def test_a_preset_may_come_from_the_environment(home: Home) -> None:
    home.changed(PLAIN, "")
    provider = home.loads(
        ROTATOR_PROVIDERS__THX__PRESET="entra", ROTATOR_PROVIDERS__THX__TENANT="contoso.com"
    ).settings.providers["thx"]
    assert provider.token_url == "https://login.microsoftonline.com/contoso.com/oauth2/v2.0/token"


def test_filling_changes_nothing_of_what_it_is_given() -> None:
    given = {"providers": {"a": {"preset": "google", "assertion": {"claims": {"scope": "a"}}}, "b": {"token_url": "x"}}}
    before = repr(given)
    assert fill(given).table["providers"]["b"] == {"token_url": "x"}
    assert repr(given) == before


@pytest.mark.parametrize("given", [{}, {"providers": 5}, {"providers": {"a": 5}}, {"providers": {"a": []}}])
def test_what_is_no_table_is_left_to_whoever_validates_it(given: dict[str, Any]) -> None:
    assert fill(given).table == given
    assert fill(given).findings == ()


REFUSED = {
    "a segment that climbs": ("entra", "tenant", "x/../evil"),
    "two dots alone": ("entra", "tenant", ".."),
    "a host of one's own": ("entra", "tenant", "x@evil.com"),
    "an escape": ("entra", "tenant", "x%2f..%2fevil"),
    "a query": ("entra", "tenant", "x?y"),
    "a fragment": ("entra", "tenant", "x#"),
    "nothing": ("entra", "tenant", ""),
    "a space": ("entra", "tenant", "contoso com"),
    "a line break": ("entra", "tenant", "contoso\\n"),
    "a look-alike": ("entra", "tenant", "c\u043entoso"),
    "a placeholder": ("entra", "tenant", "{tenant}"),
    "a host with a slash": ("okta", "domain", "evil.com/"),
    "a host with a path": ("okta", "domain", "evil.com/example.okta.com"),
    "a host with a user": ("okta", "domain", "example.okta.com@evil.com"),
    "a URL for a host": ("okta", "domain", "https://example.okta.com"),
    "a host of one label": ("okta", "domain", "okta"),
    "a host with an empty label": ("okta", "domain", "example..okta.com"),
    "a host with a dot at its end": ("okta", "domain", "example.okta.com."),
    "a host with capitals": ("okta", "domain", "Example.okta.com"),
    "a port that is none": ("keycloak", "domain", "keycloak.example.com:x"),
    "a port of zero": ("keycloak", "domain", "keycloak.example.com:0"),
    "a label with a dot": ("cognito", "domain", "evil.com"),
    "a label that ends in a dash": ("cognito", "region", "eu-"),
    "a region that is none": ("ping", "region", "com.evil"),
    "a number that is none": ("github-app", "installation_id", "1/../2"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_variable_that_could_leave_its_place_is_refused_at_its_own_key_g08(home: Home, case: str) -> None:
    name, key, value = REFUSED[case]
    home.changed(PLAIN, table(name, **{**samples(name), key: value}))
    problem = home.problem()
    assert problem.key == f"providers.thx.{key}"
    assert problem.line == next(
        n for n, line in enumerate(home.file.read_text().splitlines(), 1) if line.startswith(key)
    )
    assert problem.found == "a text (not shown)"
    assert f'such as {key} = "' in problem.wanted


@given(value=st.text(alphabet="aZ09.-_~:/\\?#@%&={}[] \n\u043e", max_size=6))
@pytest.mark.parametrize("kind", [HOST, SEGMENT, LABEL, NUMBER], ids=["host", "segment", "label", "number"])
def test_no_text_that_is_taken_ends_the_part_of_a_url_that_it_stands_in(kind: Kind, value: str) -> None:
    if re.fullmatch(kind.pattern, value):
        assert not set(value) & set("/\\?#@%{}[] \t\n")
        assert value not in {".", ".."}


@pytest.mark.parametrize("name", [name for name, one in PRESETS.items() if one.variables])
@settings(max_examples=25)
@given(data=st.data())
def test_whatever_the_variables_are_hosts_and_paths_keep_their_shape(name: str, data: st.DataObject) -> None:
    drawn = {
        key: data.draw(st.from_regex(variable.kind.pattern, fullmatch=True), label=key)
        for key, variable in PRESETS[name].variables.items()
    }
    for url, sample in zip(urls(keys(PRESETS[name], drawn)), urls(keys(PRESETS[name], samples(name))), strict=True):
        made, meant = urlsplit(url), urlsplit(sample)
        expected = meant.netloc
        for key, text in samples(name).items():
            if PRESETS[name].variables[key].kind is not SEGMENT and text in expected:
                expected = expected.replace(text, drawn[key])
        assert (made.scheme, made.netloc, made.query, made.fragment) == ("https", expected, "", "")
        assert made.path.count("/") == meant.path.count("/")
        assert ".." not in made.path.split("/")


MISTAKES = {
    "a preset that is misspelled": ('preset = "entar"', "preset", '"entar"', "did you mean entra?"),
    "a preset of another kind": ("preset = 5", "preset", "a number (not shown)", "`rotator presets` tells what each"),
    "a variable that is missing": ('preset = "entra"', "tenant", "nothing", 'add it, such as tenant = "contoso'),
    "a variable of another kind": ('preset = "entra"\ntenant = 5', "tenant", "a number (not shown)", ""),
    "a variable of another preset": (
        'preset = "entra"\ntenant = "a"\nregion = "b"', "region", "a variable of other presets", "leave it out",
    ),
    "a variable without a preset": ('tenant = "a"', "tenant", "a variable without a preset", "add the preset"),
}  # fmt: skip


@pytest.mark.parametrize("case", MISTAKES)
def test_one_mistake_with_a_preset_is_one_problem_at_the_operators_own_key(home: Home, case: str) -> None:
    text, key, found, cure = MISTAKES[case]
    home.changed(PLAIN, text)
    problem = home.problem()
    assert (problem.key, problem.found) == (f"providers.thx.{key}", found)
    assert problem.cure.startswith(cure)


def test_a_variable_without_a_preset_is_told_which_presets_take_it(home: Home) -> None:
    home.changed(PLAIN, 'realm = "a"')
    assert home.problem().wanted == 'preset = "…" beside it, of keycloak'
    home.changed(PLAIN, 'realm = "a"\npolicy = "b"')
    assert home.problem().wanted == "a preset beside it that takes it"


def test_what_is_wrong_besides_is_told_as_well(home: Home) -> None:
    home.changed(PLAIN, 'preset = "entra"\nclient_auth = "client_secret_pots"\nmax_inflight = 3')
    keys_told = [problem.key for problem in home.error().problems]
    assert keys_told == ["providers.thx.tenant", "providers.thx.client_auth", "providers.thx.max_inflight"]


@pytest.mark.parametrize(
    "text", [f'preset = "{CANARY}"', f'preset = "entra"\ntenant = "{CANARY}/"', f'realm = "{CANARY}"']
)
def test_a_secret_in_the_place_of_a_preset_or_a_variable_comes_out_nowhere_g11(home: Home, text: str) -> None:
    home.changed(PLAIN, text)
    error = home.error()
    assert CANARY not in f"{error}{error.problems!r}"


def test_editors_are_told_of_presets_and_their_variables() -> None:
    properties = schema()["$defs"]["Provider"]["properties"]
    assert properties["preset"]["enum"] == list(PRESETS)
    assert all(properties[name]["description"] for name in VARIABLES)
    assert "entra: id or domain of the tenant" in properties["tenant"]["description"]
    assert Provider.model_fields.keys().isdisjoint({"preset", *VARIABLES})
