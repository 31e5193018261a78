"""The configuration as the other rooms get it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from rotator.core.errors import Code, RotationError
from rotator.core.model import ClientCredentials, Secret
from rotator.settings import asked, translate
from rotator.settings.sinks import FileSink
from rotator.vault.inputs import fetch
from rotator.vault.logins.approle import AppRoleLogin
from rotator.vault.logins.token import TokenLogin
from rotator.vault.wrapping import WrappedSecretId

if TYPE_CHECKING:
    from tests.unit.settings.home import Home


def test_vault_is_entered_with_the_files_that_were_found(home: Home) -> None:
    home.changed("[vault.auth]", 'timeout = "2s"\nnamespace = "team"\n[vault.auth]\nmount = "rotators"')
    vault = translate.vault(home.loads(), {})
    assert (vault.address, vault.timeout, vault.namespace) == ("https://vault.example.com:8200", 2, "team")
    login = vault.auth
    assert isinstance(login, AppRoleLogin)
    assert not isinstance(login.secret_id, WrappedSecretId)
    assert fetch(login.role_id, "the role id") == Secret("a-role")
    assert fetch(login.secret_id, "the secret id") == Secret("a-secret")
    assert login.mount == "rotators"


def test_a_role_id_may_stand_in_the_configuration(home: Home) -> None:
    home.changed('role_id_file = "role-id"', 'role_id = "a-role"')
    login = translate.vault(home.loads(), {}).auth
    assert isinstance(login, AppRoleLogin)
    assert login.role_id == Secret("a-role")


def with_token(home: Home, reference: str) -> None:
    good = home.file.read_text()
    home.changed(good[good.index('method = "approle"') : good.index("[providers")], f'method = "token"\n{reference}\n')


def test_a_token_is_read_from_its_file(home: Home) -> None:
    home.secret("vault-token", "s.x")
    with_token(home, 'token_file = "vault-token"')
    login = translate.vault(home.loads(), {}).auth
    assert isinstance(login, TokenLogin)
    assert fetch(login.token, "the token") == Secret("s.x")


def test_a_secret_file_that_was_opened_to_others_is_refused_at_the_next_login_until_it_is_closed_g07(
    home: Home,
) -> None:
    file = home.secret("vault-token", "s.x")
    with_token(home, 'token_file = "vault-token"')
    login = translate.vault(home.loads(), {}).auth
    assert isinstance(login, TokenLogin)
    file.chmod(0o644)
    with pytest.raises(RotationError) as caught:
        fetch(login.token, "the token")
    assert caught.value.code is Code.VAULT_LOGIN_REFUSED
    assert caught.value.detail == f"{file} has mode 0644: others can get at it; chmod o= {file}"
    file.chmod(0o600)
    file.write_text("s.y\n")
    assert fetch(login.token, "the token") == Secret("s.y")


def test_a_secret_file_that_may_be_shared_is_read_at_every_login_as_long_as_others_cannot_change_it_g07(
    home: Home,
) -> None:
    home.changed("[defaults]", "[security]\nallow_shared_secret_files = true\n[defaults]")
    login = translate.vault(home.loads(), {}).auth
    assert isinstance(login, AppRoleLogin)
    assert not isinstance(login.secret_id, WrappedSecretId)
    (home.directory / "secret-id").chmod(0o644)
    assert fetch(login.secret_id, "the secret id") == Secret("a-secret")
    (home.directory / "secret-id").chmod(0o646)
    with pytest.raises(RotationError, match="others can change it"):
        fetch(login.secret_id, "the secret id")


def test_a_token_of_the_environment_is_read_when_it_is_used(home: Home) -> None:
    with_token(home, 'token_env = "VAULT_TOKEN"')
    environ = {"VAULT_TOKEN": "s.x"}
    login = translate.vault(home.loads(**environ), environ).auth
    assert isinstance(login, TokenLogin)
    assert callable(login.token)
    assert login.token() == Secret("s.x")
    environ.clear()
    with pytest.raises(RotationError) as caught:
        login.token()
    assert caught.value.code is Code.VAULT_LOGIN_REFUSED


ASKED = """scope = "openid admin"
audience = "https://api"
resource = ["https://a/1", "https://a/2"]
parameters = { tenant = "acme" }
assumed_lifetime = "5m"
rate_limit = "50/h"
max_in_flight = 3
timeout = "2s"
"""


def test_a_provider_is_reached_and_asked_as_configured(home: Home) -> None:
    home.changed("[defaults]", f"{ASKED}[defaults]")
    thx = home.loads().settings.providers["thx"]
    reached, limits = translate.provider(thx), translate.limits(thx)
    assert (reached.token_url, reached.timeout, reached.connect_timeout) == ("https://auth.thx.network/token", 2, 2)
    assert (limits.count, limits.period, limits.max_in_flight) == (50, 3600, 3)


def test_a_credential_asks_for_what_its_provider_says_unless_it_says_otherwise(home: Home) -> None:
    home.changed("[defaults]", f"{ASKED}[defaults]")
    settings = home.loads().settings
    thx, billing = settings.providers["thx"], settings.credentials["billing"]
    found = asked.endpoint(thx, billing)
    assert found.parameters.form() == [
        ("grant_type", "client_credentials"),
        ("scope", "openid admin"),
        ("audience", "https://api"),
        ("resource", "https://a/1"),
        ("resource", "https://a/2"),
        ("tenant", "acme"),
    ]
    assert (found.expected.scope, found.expected.assumed_lifetime) == ("openid admin", 300)
    own = billing.model_copy(update={"scope": "", "resource": ("https://b",), "parameters": {}})
    assert asked.endpoint(thx, own).parameters.form() == [
        ("grant_type", "client_credentials"),
        ("audience", "https://api"),
        ("resource", "https://b"),
    ]


def test_credentials_that_ask_for_the_same_share_it_and_one_that_asks_for_more_has_its_own(home: Home) -> None:
    home.changed("[defaults]", f"{ASKED}[defaults]")
    settings = home.loads().settings
    thx, billing = settings.providers["thx"], settings.credentials["billing"]
    twin, other = billing.model_copy(), billing.model_copy(update={"scope": "more"})
    assert asked.endpoint(thx, billing) is asked.endpoint(thx, twin)
    assert asked.spec("a", thx, billing).identity is asked.spec("b", thx, twin).identity
    assert asked.wanted(thx, billing, {"client_id": "id"}) is asked.wanted(thx, twin, {"client_id": "id"})
    assert asked.wanted(thx, billing, {"client_id": "name"}).fields() == ("name", "client_secret")
    assert asked.endpoint(thx, other).parameters.scope == "more"


@pytest.mark.parametrize(
    "other",
    ['scope = "x"', 'audience = "x"', 'resource = "https://x"', 'parameters = { x = "1" }'],
    ids=lambda x: x[:8],
)
def test_a_token_is_wrong_when_anything_that_is_asked_for_changes(home: Home, other: str) -> None:
    def inputs() -> str:
        settings = home.loads().settings
        spec = asked.spec("billing", settings.providers["thx"], settings.credentials["billing"])
        return spec.inputs(ClientCredentials("id", (Secret("s"),), "v1"))

    before = inputs()
    assert inputs() == before
    home.changed('provider = "thx"', f'provider = "thx"\n{other}')
    assert inputs() != before


def test_a_token_stays_right_when_only_its_schedule_changes(home: Home) -> None:
    before = home.loads().settings
    home.changed("renew_at = 0.5", 'renew_at = 0.8\nrecheck_interval = "5s"')
    after = home.loads().settings
    specs = [asked.spec("b", each.providers["thx"], each.credentials["billing"]) for each in (before, after)]
    assert specs[0].identity == specs[1].identity
    assert specs[1].renew_at == 0.8
    assert specs[1].recheck_interval == 5


def test_a_file_is_written_as_configured(home: Home) -> None:
    home.changed(
        'path = "/run/rotator/billing.token"',
        'path = "/run/rotator/billing.token"\nmode = "0640"\ngroup = "app"\nformat = "json"\n'
        'fields = { token = "access_token" }',
    )
    sink = home.loads().settings.credentials["billing"].sinks[1]
    assert isinstance(sink, FileSink)
    options = translate.file_sink(sink)
    assert (options.path, options.mode, options.owner, options.group) == (
        Path("/run/rotator/billing.token"),
        0o640,
        None,
        "app",
    )
    assert (options.format, options.fields) == ("json", {"token": "access_token"})


def test_a_file_is_closed_to_everybody_else_unless_configured(home: Home) -> None:
    sink = home.loads().settings.credentials["billing"].sinks[1]
    assert isinstance(sink, FileSink)
    assert translate.file_sink(sink).mode == 0o600


@pytest.mark.parametrize(
    ("environ", "directory"),
    [
        ({"STATE_DIRECTORY": "/var/lib/a:/var/lib/b"}, "/var/lib/a"),
        pytest.param({"HOME": "/root"}, "/var/lib/rotator", marks=pytest.mark.skipif(os.geteuid() != 0, reason="root")),
    ],
)
def test_the_state_directory_is_systemds_or_roots(home: Home, environ: dict[str, str], directory: str) -> None:
    assert translate.state_dir(home.loads().settings, environ) == Path(directory)


def test_the_state_directory_is_the_configured_one_before_any_other(home: Home) -> None:
    home.write('state_dir = "/srv/state"\n' + home.file.read_text())
    assert translate.state_dir(home.loads().settings, {"STATE_DIRECTORY": "/x"}) == Path("/srv/state")


def test_logs_look_as_configured(home: Home) -> None:
    home.changed("[defaults]", '[log]\nlevel = "debug"\nformat = "json"\n[defaults]')
    logs = translate.logs(home.loads().settings)
    assert (logs.level, logs.format) == ("debug", "json")


def test_an_assertions_keys_and_claims_outweigh_the_providers_one_by_one(home: Home) -> None:
    general = (
        'assertion = { algorithm = "RS256", audience = "https://as.example.com", claims = { scope = "a", sub = "" } }'
    )
    own = 'assertion = { key_id = "k1", claims = { scope = "b" } }'
    text = home.good.replace("[defaults]", f"{general}\n[defaults]")
    home.write(text.replace('provider = "thx"', f'provider = "thx"\n{own}'))
    settings = home.loads().settings
    made = asked.assertions(settings.providers["thx"], settings.credentials["billing"])
    assert (made.algorithm, made.audience, made.key_id) == ("RS256", "https://as.example.com", "k1")
    assert made.claims == {"scope": "b", "sub": ""}
