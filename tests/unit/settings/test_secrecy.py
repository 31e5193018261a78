"""A secret put in the wrong place is refused, and appears in nothing that is said about it."""

from __future__ import annotations

import json
import traceback
from typing import TYPE_CHECKING

import pytest

from rotator.settings import translate
from rotator.settings.load import load
from rotator.settings.problems import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

CANARY = "CANARY7f3e"
APPROLE = 'method = "approle"\nrole_id_file = "role-id"\nsecret_id_file = "secret-id"\n'
GOOD = f"""\
[vault]
address = "https://vault.example.com:8200"
[vault.auth]
{APPROLE}[providers.thx]
token_url = "https://auth.thx.network/token"
[credentials.billing]
provider = "thx"
source = {{ type = "vault", path = "secret/apps/billing" }}
sinks = [{{ type = "vault", path = "secret/tokens/billing" }}]
"""
TABLES = ("[vault]\n", "[vault.auth]\n", "[providers.thx]\n", "[credentials.billing]\n")
NAMES = ("client_secret", "secret_id", "token", "password", "api_key", "private_key", "tokne", "unheard_of")
VALUES = (f'"{CANARY}"', f'["{CANARY}"]', f'{{ a = "{CANARY}" }}', f'[{{ secret = "{CANARY}" }}]')


@pytest.fixture
def file(tmp_path: Path) -> Path:
    for name in ("role-id", "secret-id"):
        (tmp_path / name).write_text("x")
        (tmp_path / name).chmod(0o600)
    return tmp_path / "config.toml"


def refused(file: Path, text: str, **environ: str) -> ConfigError:
    """The refusal of a configuration, seen to be silent about the canary."""
    file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load(file, environ)
    error = caught.value
    told = [str(error), repr(error), json.dumps([problem.as_dict() for problem in error.problems])]
    assert CANARY not in "".join([*told, *traceback.format_exception(error)])
    return error


@pytest.mark.parametrize("value", VALUES)
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("table", TABLES)
def test_a_literal_is_refused_in_every_table_and_shape_and_not_shown_g06_g11(
    file: Path, table: str, name: str, value: str
) -> None:
    refused(file, GOOD.replace(table, f"{table}{name} = {value}\n"))


@pytest.mark.parametrize("key", ["role_id_file", "secret_id_file"])
@pytest.mark.parametrize("secret", [CANARY, CANARY * 60], ids=["short", "longer than a file name"])
def test_a_secret_in_place_of_a_files_name_is_not_shown_g11(file: Path, tmp_path: Path, key: str, secret: str) -> None:
    name = key.removesuffix("_file").replace("_", "-")
    text = GOOD.replace(f'{key} = "{name}"', f'{key} = "{secret}"')
    (problem,) = refused(file, text, CREDENTIALS_DIRECTORY=str(tmp_path)).problems
    assert (problem.key, "does not exist" in problem.found) == (f"vault.auth.{key}", True)


@pytest.mark.parametrize("variable", ["ROTATOR_VAULT", "ROTATOR_CREDENTIALS"])
def test_a_variable_that_is_no_table_is_refused_and_not_shown_g11(file: Path, variable: str) -> None:
    (problem,) = refused(file, GOOD, **{variable: CANARY}).problems
    assert "JSON" in problem.wanted


@pytest.mark.parametrize(
    "variable", ["ROTATOR_VAULT__AUTH__TOKEN", "ROTATOR_VAULT__TIMEOUT", "ROTATOR_PROVIDERS__THX__CLIENT_SECRET"]
)
def test_a_secret_in_rotators_environment_is_refused_and_not_shown_g06_g11(file: Path, variable: str) -> None:
    refused(file, GOOD, **{variable: CANARY})


def test_vault_token_is_no_login_unless_token_env_names_it_g09(file: Path) -> None:
    (problem,) = refused(file, GOOD.replace(APPROLE, 'method = "token"\n'), VAULT_TOKEN=CANARY).problems
    assert "exactly one of token_file and token_env" in problem.wanted


def test_vault_token_is_the_login_where_token_env_names_it_g09(file: Path) -> None:
    file.write_text(GOOD.replace(APPROLE, 'method = "token"\ntoken_env = "VAULT_TOKEN"\n'))
    environ = {"VAULT_TOKEN": CANARY}
    loaded = load(file, environ)
    assert CANARY not in repr(loaded) + repr(translate.vault(loaded, environ))


def test_rotators_own_variable_outweighs_vaults_and_vaults_outweighs_baos(file: Path) -> None:
    file.write_text(GOOD.replace('address = "https://vault.example.com:8200"\n', ""))
    both = {"VAULT_ADDR": "https://vault:1", "BAO_ADDR": "https://bao:1"}
    assert load(file, both).settings.vault.address == "https://vault:1"
    assert load(file, {**both, "ROTATOR_VAULT__ADDRESS": "https://own:1"}).settings.vault.address == "https://own:1"
