"""The kinds of sources: what each table must say, what it must hold for its client, and which part it means."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from rotator.settings import asked

if TYPE_CHECKING:
    from tests.unit.settings.home import Home

VAULT = 'source = { type = "vault", path = "secret/apps/billing" }'
ALLOWED = "[security]\nallow_environment_secrets = true\n"
SECRET = 'credentials = { client_secret = "thx-secret" }'
VARIABLES = 'variables = { client_id = "THX_ID", client_secret = "THX_SECRET" }'
SET = {"THX_ID": "thx", "THX_SECRET": "canary"}


def with_source(home: Home, table: str, more: str = "", end: str = "") -> None:
    home.changed(VAULT, f"source = {{ {table} }}{more}")
    home.write(home.file.read_text() + end)


@pytest.mark.parametrize(
    "table",
    [
        'type = "file", path = "/etc/rotator/thx.json"',
        'type = "file", path = "/etc/rotator/thx", client_id = "thx", fields = { client_secret = "password" }',
        'type = "systemd", name = "thx"',
        'type = "systemd", name = "thx", fields = { client_id = "id" }',
        f'type = "systemd", client_id = "thx", {SECRET}',
        'type = "systemd", credentials = { client_id = "thx-id", client_secret = "thx-secret" }',
    ],
)
def test_what_a_source_may_say(home: Home, table: str) -> None:
    with_source(home, table)
    assert home.loads().settings.credentials["billing"].source.type in table


@pytest.mark.parametrize(
    ("table", "key", "words"),
    [
        ('type = "file"', "source.path", "this key"),
        ('type = "file", path = "thx.json"', "source.path", "absolute"),
        ('type = "file", path = "/etc/rotator/thx/"', "source.path", "absolute"),
        ('type = "file", path = "/etc/thx", fields = { secret_of_client = "x" }', "source.fields", "client_secret"),
        ('type = "file", path = "/etc/thx", client_id = ""', "source.client_id", "RFC 6749"),
        ('type = "systemd"', "source", "either name or credentials"),
        (f'type = "systemd", name = "thx", {SECRET}', "source", "either name or credentials"),
        ('type = "systemd", name = "../thx"', "source.name", "LoadCredential="),
        (f'type = "systemd", {SECRET}, fields = {{ client_id = "id" }}', "source.fields", "no fields beside"),
        ('type = "systemd", credentials = { secret = "thx" }', "source.credentials", "client_secret"),
        ('type = "environment"', "source.variables", "this key"),
        ('type = "environment", variables = {}', "source.variables", "at least one"),
        ('type = "public"', "source.client_id", "this key"),
        ('type = "files"', "source.type", "file, systemd"),
    ],
)
def test_what_a_source_must_not_say_is_told_with_its_key(home: Home, table: str, key: str, words: str) -> None:
    with_source(home, table)
    problem = home.problem()
    assert (problem.key, problem.line) == (f"credentials.billing.{key}", 17)
    assert words in problem.wanted


@pytest.mark.parametrize(
    "table",
    [
        'type = "systemd", client_id = "thx", credentials = { client_secret = "canary canary" }',
        'type = "environment", client_id = "thx", variables = { client_secret = "canary" }',
        'type = "environment", client_id = "thx", variables = { client_secret = "CANARY7F3A" }',
        'type = "file", path = "/etc/thx", client_secret = "canary"',
        'type = "public", client_id = "thx", client_secret = "canary"',
    ],
)
def test_g11_a_secret_that_stands_where_its_place_should_is_not_shown(home: Home, table: str) -> None:
    with_source(home, table, end=ALLOWED)
    error = home.error()
    assert "canary" not in f"{error}{error.problems!r}".lower()


# What it must hold


@pytest.mark.parametrize(
    ("table", "more", "lacking", "cure"),
    [
        ('type = "public", client_id = "wallet"', "", "client_secret", 'client_auth = "none"'),
        (
            'type = "public", client_id = "wallet"',
            '\nclient_auth = "tls_client_auth"',
            "private_key and certificate",
            "another type",
        ),
        (f'type = "systemd", {SECRET}', "", "client_id", "write client_id into source"),
        (
            'type = "systemd", client_id = "thx", credentials = { client_secret_previous = "old" }',
            "",
            "client_secret",
            'source.credentials, such as client_secret = "thx-client-secret"',
        ),
        (
            f'type = "environment", {VARIABLES}',
            '\nclient_auth = "private_key_jwt"',
            "private_key",
            'source.variables, such as private_key = "THX_PRIVATE_KEY"',
        ),
    ],
)
def test_a_source_that_is_known_to_hold_too_little_is_refused(
    home: Home, table: str, more: str, lacking: str, cure: str
) -> None:
    with_source(home, table, more, ALLOWED)
    problem = home.problem(**SET)
    assert (problem.key, problem.line) == ("credentials.billing.source", 17)
    assert f"also {lacking}," in problem.wanted
    assert cure in problem.cure


@pytest.mark.parametrize("more", ['client_auth = "none"', 'client_auth = "private_key_jwt"\nassertion = { KEY }'])
def test_a_client_without_a_secret_may_be_a_public_one_or_have_its_key_in_the_transit_engine(
    home: Home, more: str
) -> None:
    more = more.replace("KEY", 'transit_key = "transit/thx"')
    with_source(home, 'type = "public", client_id = "wallet"', f"\n{more}")
    settings = home.loads().settings
    wanted = asked.wanted(settings.providers["thx"], settings.credentials["billing"], {})
    assert wanted.fields() == ("client_id",)


def test_what_defaults_say_of_a_source_is_held_to_the_same(home: Home) -> None:
    home.changed(VAULT, "")
    text = home.file.read_text().replace(
        "[defaults]\n", '[defaults]\nsource = { type = "public", client_id = "wallet" }\n'
    )
    home.write(text)
    assert home.problem().key == "defaults.source"


# The environment


def test_g06_secrets_in_the_environment_are_refused_with_the_key_that_allows_them(home: Home) -> None:
    with_source(home, f'type = "environment", {VARIABLES}')
    problem = home.problem(**SET)
    assert (problem.key, problem.line) == ("credentials.billing.source.type", 17)
    assert "allow_environment_secrets = true" in problem.cure
    with_source(home, f'type = "environment", {VARIABLES}', end=ALLOWED)
    assert home.loads(**SET).settings.security.allow_environment_secrets
    with_source(home, f'type = "environment", {VARIABLES}')
    assert home.loads(**SET, ROTATOR_SECURITY__ALLOW_ENVIRONMENT_SECRETS="yes").secret_files


@pytest.mark.parametrize("environ", [{"THX_ID": "thx"}, {"THX_ID": "thx", "THX_SECRET": ""}])
def test_a_variable_that_is_not_set_is_told_by_its_field(home: Home, environ: dict[str, str]) -> None:
    with_source(home, f'type = "environment", {VARIABLES}', end=ALLOWED)
    problem = home.problem(**environ)
    assert problem.key == "credentials.billing.source.variables.client_secret"
    assert "THX" not in f"{problem!r}"  # what stands there may be the secret itself


# Places


@pytest.mark.parametrize("source", ["/run/rotator/billing.token", "/run/rotator"])
def test_g02_a_token_is_delivered_neither_over_the_files_of_a_source_nor_among_them(home: Home, source: str) -> None:
    with_source(home, f'type = "file", path = "{source}"')
    problem = home.problem()
    assert problem.key == "credentials.billing.sinks[1].path"
    assert "those of billing are there" in problem.wanted


def test_two_credentials_may_share_a_source(home: Home) -> None:
    with_source(home, 'type = "systemd", name = "thx"')
    other = home.file.read_text().partition("[credentials.billing]")[2].partition("[[")[0]
    home.write(f"""{home.file.read_text()}
[credentials.search]
{other}sinks = [{{ type = "file", path = "/run/rotator/search.token" }}]
""")
    assert len(home.loads().settings.credentials) == 2
