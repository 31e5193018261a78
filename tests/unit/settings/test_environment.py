"""What the environment adds to the file, and what it must not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from rotator.settings.sinks import VaultSink

if TYPE_CHECKING:
    from tests.unit.settings.home import Home


def test_rotators_variables_outweigh_the_file(home: Home) -> None:
    settings = home.loads(
        ROTATOR_VAULT__ADDRESS="https://other:8200",
        ROTATOR_PROVIDERS__THX__RATE_LIMIT="5/m",
        ROTATOR_PROVIDERS__THX__MAX_IN_FLIGHT="3",
        ROTATOR_PROVIDERS__THX__ASSUME_BEARER="true",
        ROTATOR_DEFAULTS__RENEW_AT="0.6",
        ROTATOR_SHUTDOWN_GRACE="3s",
    ).settings
    thx = settings.providers["thx"]
    assert settings.vault.address == "https://other:8200"
    assert (thx.rate_limit.count, thx.rate_limit.period, thx.max_in_flight, thx.assume_bearer) == (5, 60, 3, True)
    assert (settings.credentials["billing"].renew_at, settings.shutdown_grace) == (0.6, 3)


def test_dashes_and_dots_of_names_are_underscores_in_variables(home: Home) -> None:
    home.write(home.file.read_text().replace("credentials.billing", 'credentials."asset-pool.v1"'))
    settings = home.loads(ROTATOR_CREDENTIALS__ASSET_POOL_V1__RENEW_AT="0.7").settings
    assert settings.credentials["asset-pool.v1"].renew_at == 0.7


def test_tables_and_lists_are_json(home: Home) -> None:
    sinks = '[{"type": "vault", "path": "secret/tokens/other"}]'
    settings = home.loads(ROTATOR_CREDENTIALS__BILLING__SINKS=sinks).settings
    (sink,) = settings.credentials["billing"].sinks
    assert isinstance(sink, VaultSink)
    assert sink.path == "secret/tokens/other"


@pytest.mark.parametrize(
    ("variable", "key"),
    [
        ("ROTATOR_VALT__ADDRESS", "valt"),
        ("ROTATOR_VAULT__ADRESS", "vault.adress"),
        ("ROTATOR_LOG_LEVEL", "log_level"),
        ("ROTATOR_CREDENTIALS__BILLING__SOURCE__PTH", "credentials.billing.source.pth"),
        ("ROTATOR_CREDENTIALS__BILLING__RENEWAT", "credentials.billing.renewat"),
    ],
)
def test_a_variable_that_is_no_setting_is_refused_by_its_name_g01(home: Home, variable: str, key: str) -> None:
    environ = {variable: "canary"}
    problem = home.problem(**environ)
    assert (problem.key, problem.line, problem.variable) == (key, None, variable)
    assert str(home.error(**environ)).startswith(f"${variable}: {key}\n")
    assert "canary" not in str(home.error(**environ))


@pytest.mark.parametrize("value", ["x", "{", '{"a"', "[1]", "[" * 50_000], ids=lambda value: value[:5])
def test_a_value_of_the_wrong_kind_is_told_with_its_variable(home: Home, value: str) -> None:
    problem = home.problem(ROTATOR_LOG=value)
    assert (problem.key, problem.variable, problem.wanted) == ("log", "ROTATOR_LOG", "a table, written as JSON")


def test_a_value_of_the_environment_is_not_repeated_whatever_its_name_g11(home: Home) -> None:
    problem = home.problem(ROTATOR_VAULT__TIMEOUT="canary")
    assert (problem.variable, problem.found) == ("ROTATOR_VAULT__TIMEOUT", "a text (not shown)")


def test_a_secret_in_the_environment_is_refused_and_not_shown_g06(home: Home) -> None:
    environ = {"ROTATOR_VAULT__AUTH__SECRET_ID": "canary-7f3a"}
    problem = home.problem(**environ)
    assert (problem.key, problem.variable) == ("vault.auth.secret_id", "ROTATOR_VAULT__AUTH__SECRET_ID")
    assert "secret_id_file" in problem.cure
    assert "canary" not in f"{home.error(**environ)}{problem!r}"


@pytest.mark.parametrize("dialect", ["VAULT", "BAO"])
def test_the_vault_commands_variables_fill_what_the_file_leaves_out(home: Home, dialect: str) -> None:
    home.changed('address = "https://vault.example.com:8200"\n', "")
    vault = home.loads(
        **{f"{dialect}_ADDR": "https://v:1", f"{dialect}_NAMESPACE": "team", f"{dialect}_CACERT": "/etc/ca.pem"}
    ).settings.vault
    assert (vault.address, vault.namespace, str(vault.ca_file)) == ("https://v:1", "team", "/etc/ca.pem")


def test_the_vault_commands_variables_outweigh_nothing(home: Home) -> None:
    environ = {"VAULT_ADDR": "https://v:1", "BAO_ADDR": "https://b:1", "ROTATOR_VAULT__NAMESPACE": "mine"}
    vault = home.loads(VAULT_NAMESPACE="theirs", **environ).settings.vault
    assert (vault.address, vault.namespace) == ("https://vault.example.com:8200", "mine")


def test_a_wrong_value_of_the_vault_commands_variables_is_told_with_their_name_g04(home: Home) -> None:
    home.changed('address = "https://vault.example.com:8200"\n', "")
    assert home.problem(BAO_ADDR="http://v:1").variable == "BAO_ADDR"


def test_a_file_is_enough_and_so_is_the_environment_for_all_but_the_file(home: Home) -> None:
    home.write("")
    settings = home.loads(
        VAULT_ADDR="https://v:1",
        ROTATOR_VAULT__AUTH='{"method": "approle", "role_id_file": "role-id", "secret_id_file": "secret-id"}',
        ROTATOR_PROVIDERS__THX__TOKEN_URL="https://auth.thx.network/token",
        ROTATOR_CREDENTIALS__A='{"provider": "thx", "source": {"type": "vault", "path": "secret/a"},'
        ' "sinks": [{"type": "vault", "path": "secret/b"}]}',
    ).settings
    assert settings.credentials["a"].provider == "thx"


FOREIGN = {
    "VAULT_TOKEN": "hvs.canary",
    "BAO_TOKEN": "s.canary",
    "VAULT_SKIP_VERIFY": "true",
    "HTTPS_PROXY": "http://canary:canary@proxy",
    "http_proxy": "http://proxy",
    "REQUESTS_CA_BUNDLE": "/canary",
    "SSL_CERT_FILE": "/canary",
    "ROTATOR_CONFIG": "/etc/rotator/config.toml",
    "ROTATOR_SERVICE_HOST": "10.0.0.1",
    "ROTATOR_SERVICE_PORT": "8080",
    "ROTATOR_SERVICE_PORT_HTTP": "8080",
    "ROTATOR_PORT": "tcp://10.0.0.1:8080",
    "ROTATOR_PORT_8080_TCP": "tcp://10.0.0.1:8080",
    "ROTATOR_PORT_8080_TCP_ADDR": "10.0.0.1",
}


@pytest.mark.parametrize("variable", FOREIGN, ids=[f"G09-{name}" for name in FOREIGN])
def test_a_variable_that_is_not_rotators_changes_nothing(home: Home, variable: str) -> None:
    assert home.loads(**{variable: FOREIGN[variable]}) == home.loads()


def test_the_process_environment_is_not_looked_at(home: Home) -> None:
    assert "PATH" not in repr(home.loads())
    assert home.loads().settings == home.loads(PATH="/bin").settings


def test_a_vault_token_of_the_environment_is_used_when_it_is_named_g09(home: Home) -> None:
    good = home.file.read_text()
    auth = good[good.index('method = "approle"') : good.index("[providers")]
    home.changed(auth, 'method = "token"\ntoken_env = "VAULT_TOKEN"\n')
    assert home.loads(VAULT_TOKEN="canary").settings.vault.auth.method == "token"
    problem = home.problem()
    assert (problem.key, problem.line, problem.found) == ("vault.auth.token_env", 6, "no such variable")
