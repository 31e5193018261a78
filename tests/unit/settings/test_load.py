"""Reading a configuration: what is accepted, and how what is not is told. The ids are rows of the fault catalogue."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import PydanticCustomError

from rotator.settings import asked
from rotator.settings.load import load
from rotator.settings.model import schema
from rotator.settings.problems import ConfigError, Problem
from rotator.settings.types import Rate, Seconds, spell

if TYPE_CHECKING:
    from rotator.settings.load import Loaded

ROOT = Path(__file__).parents[3]

GOOD = """\
[vault]
address = "https://vault.example.com:8200"
[vault.auth]
method = "approle"
role_id_file = "role-id"
secret_id_file = "secret-id"
[providers.thx]
token_url = "https://auth.thx.network/token"
[credentials.billing]
provider = "thx"
source = { type = "vault", path = "secret/apps/billing" }
sinks = [
  { type = "vault", path = "secret/tokens/billing" },
  { type = "file", path = "/run/rotator/billing.token" },
]
"""


class Place:
    """A directory with a configuration and its secret files."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.file = home / "config.toml"
        for name in ("role-id", "secret-id", "vault-token"):
            self.secret(name)

    def secret(self, name: str, text: str = "CANARY-file", mode: int = 0o600) -> Path:
        path = self.home / name
        path.write_text(text)
        path.chmod(mode)
        return path

    def load(self, text: str, **environ: str) -> Loaded:
        self.file.write_text(text)
        return load(self.file, environ)

    def problems(self, text: str, **environ: str) -> dict[str, Problem]:
        with pytest.raises(ConfigError) as caught:
            self.load(text, **environ)
        told = f"{caught.value}{caught.value!r}{json.dumps([p.as_dict() for p in caught.value.problems])}"
        assert "CANARY" not in told
        return {problem.key: problem for problem in caught.value.problems}


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_the_shortest_configuration_is_read_with_its_defaults(place: Place) -> None:
    settings = place.load(GOOD).settings
    billing = settings.credentials["billing"]
    assert (billing.renew_at, billing.grant, settings.shutdown_grace) == (0.5, "client_credentials", 10.0)
    assert settings.providers["thx"].rate_limit == Rate(20, 1.0)


def test_a_typo_is_told_with_its_line_and_what_was_meant_g01(place: Place) -> None:
    problem = place.problems(GOOD.replace("[vault]\n", '[vault]\ntiemout = "CANARY"\n'))["vault.tiemout"]
    assert (problem.line, problem.cure) == (2, "did you mean timeout?")


def test_a_table_that_stands_twice_is_told_with_its_line_g01(place: Place) -> None:
    problem = place.problems(f"{GOOD}[credentials.billing]\n")[""]
    assert problem.line == 16
    assert "twice" in problem.found


def test_text_that_is_no_toml_is_told_with_its_line_and_not_repeated(place: Place) -> None:
    problem = place.problems(f"{GOOD}CANARY = = 1\n")[""]
    assert problem.line == 16


def test_two_sinks_at_one_place_are_refused_g02(place: Place) -> None:
    twice = GOOD.replace("/run/rotator/billing.token", "/run/t").replace(
        '{ type = "vault", path = "secret/tokens/billing" }', '{ type = "file", path = "/run/t" }'
    )
    problem = place.problems(twice)["credentials.billing.sinks[1].path"]
    assert "credentials.billing.sinks[0] delivers there" in problem.wanted


def test_a_token_is_not_delivered_over_its_own_secret(place: Place) -> None:
    problems = place.problems(GOOD.replace("secret/tokens/billing", "secret/apps/billing"))
    assert "take the place of the secret" in problems["credentials.billing.sinks[0].path"].cure


@pytest.mark.parametrize("value", ["0", "1", "1.5", "-0.1", "nan", "inf", '"half"', "true"])
def test_a_renewal_outside_the_life_is_refused_g03(place: Place, value: str) -> None:
    problems = place.problems(GOOD + f"[defaults]\nrenew_at = {value}\n")
    assert "more than 0 and less than 1" in problems["defaults.renew_at"].wanted


@pytest.mark.parametrize("value", ["0s", "-5s", "5", "1e9s", "99999h", "5 s", "five"])
def test_a_duration_out_of_bounds_or_without_a_unit_is_refused_g03(place: Place, value: str) -> None:
    assert "vault.timeout" in place.problems(GOOD.replace("[vault]\n", f'[vault]\ntimeout = "{value}"\n'))


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "127.9.9.9"])
def test_plain_http_is_accepted_on_this_machine_g04(place: Place, host: str) -> None:
    url = f"http://{host}:8080/token"
    settings = place.load(GOOD.replace("https://auth.thx.network/token", url)).settings
    assert settings.providers["thx"].token_url == url


@pytest.mark.parametrize("host", ["auth.thx.network", "10.0.0.1", "localhost.example.com", "127.0.0.1.example.com"])
def test_plain_http_is_refused_elsewhere_g04(place: Place, host: str) -> None:
    problem = place.problems(GOOD.replace("https://auth.thx.network", f"http://{host}"))["providers.thx.token_url"]
    assert problem.line == 8


@pytest.mark.parametrize(
    ("table", "line"),
    [
        ("[providers.thx]\n", 'client_secret = "CANARY"'),
        ("[vault.auth]\n", 'secret_id = "CANARY"'),
        ("[vault.auth]\n", 'token = "CANARY"'),
        ("[vault]\n", 'password = "CANARY"'),
        ("[credentials.billing]\n", 'client_secret = "CANARY"'),
        ("[providers.thx]\n", 'parameters = { client_secret = "CANARY" }'),
    ],
)
def test_a_secret_in_the_configuration_is_refused_and_not_shown_g06_g11(place: Place, table: str, line: str) -> None:
    problems = place.problems(GOOD.replace(table, f"{table}{line}\n"))
    assert any("no secret here" in problem.wanted for problem in problems.values())


def test_a_secret_in_a_url_is_refused_and_not_shown_g11(place: Place) -> None:
    text = GOOD.replace("https://auth.thx.network", "https://user:CANARY@auth.thx.network")
    assert "without user name and password" in place.problems(text)["providers.thx.token_url"].wanted


@pytest.mark.parametrize("mode", [0o604, 0o644, 0o666])
def test_a_secret_file_that_others_can_read_is_refused_with_the_chmod_to_run_g07(place: Place, mode: int) -> None:
    path = place.secret("secret-id", mode=mode)
    problem = place.problems(GOOD)["vault.auth.secret_id_file"]
    assert (problem.line, problem.cure) == (6, f"chmod o= {path}")


def test_a_secret_file_that_others_can_read_is_accepted_where_that_is_asked_for_g07(place: Place) -> None:
    place.secret("secret-id", mode=0o644)
    loaded = place.load(GOOD + "[security]\nallow_shared_secret_files = true\n")
    assert loaded.secret_files[Path("secret-id")] == place.home / "secret-id"


def test_a_secret_file_that_is_missing_or_empty_is_told_at_the_start(place: Place) -> None:
    (place.home / "role-id").unlink()
    place.secret("secret-id", text="")
    assert place.problems(GOOD).keys() == {"vault.auth.role_id_file", "vault.auth.secret_id_file"}


def test_a_configuration_that_others_can_write_is_refused_g07(place: Place) -> None:
    place.file.write_text(GOOD)
    place.file.chmod(0o666)
    with pytest.raises(ConfigError, match=r"chmod o-w"):
        load(place.file, {})


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_configuration_of_somebody_else_is_refused_g07(place: Place) -> None:
    place.file.write_text(GOOD)
    os.chown(place.file, 12345, -1)
    with pytest.raises(ConfigError, match="belongs to user 12345"):
        load(place.file, {})


@pytest.mark.parametrize("path", ["secret/../x", "secret//x", "secret/%2e%2e/x", "secret/x.", "/", "secret/\\u0430"])
def test_a_path_that_two_readers_may_take_for_two_is_refused_g08(place: Place, path: str) -> None:
    problems = place.problems(GOOD.replace("secret/tokens/billing", path))
    assert "credentials.billing.sinks[0].path" in problems


@pytest.mark.parametrize("mode", ["0644", "0666", "0660", "640x"])
def test_a_token_file_open_to_others_is_refused(place: Place, mode: str) -> None:
    text = GOOD.replace('billing.token"', f'billing.token", mode = "{mode}"')
    assert "0640" in place.problems(text)["credentials.billing.sinks[1].mode"].wanted


def test_tokens_in_the_environment_are_left_alone_unless_asked_for_g09(place: Place) -> None:
    loaded = place.load(GOOD, VAULT_TOKEN="CANARY", HTTPS_PROXY="http://proxy:1")
    assert "CANARY" not in repr(loaded)


def test_no_credential_at_all_is_told_g10(place: Place) -> None:
    assert "credentials" in place.problems(GOOD.partition("[credentials.billing]")[0] + "[credentials]\n")


def test_the_environment_outweighs_the_file(place: Place) -> None:
    settings = place.load(GOOD, ROTATOR_VAULT__ADDRESS="https://other:8200", ROTATOR_LOG__LEVEL="debug").settings
    assert (settings.vault.address, settings.log.level) == ("https://other:8200", "debug")


@pytest.mark.parametrize("name", ["VAULT_ADDR", "BAO_ADDR"])
def test_vaults_own_variables_fill_what_the_file_leaves_out(place: Place, name: str) -> None:
    without = GOOD.replace('address = "https://vault.example.com:8200"\n', "")
    assert place.load(without, **{name: "https://other:8200"}).settings.vault.address == "https://other:8200"
    assert place.load(GOOD, **{name: "https://other:8200"}).settings.vault.address == "https://vault.example.com:8200"


def test_a_relative_secret_file_is_looked_for_in_the_credentials_directory_first(place: Place, tmp_path: Path) -> None:
    handed = tmp_path / "handed"
    handed.mkdir()
    (handed / "role-id").write_text("x")
    (handed / "role-id").chmod(0o400)
    loaded = place.load(GOOD, CREDENTIALS_DIRECTORY=str(handed))
    assert loaded.secret_files[Path("role-id")] == handed / "role-id"
    assert loaded.secret_files[Path("secret-id")] == place.home / "secret-id"


def test_defaults_hold_for_every_credential_that_does_not_say_otherwise(place: Place) -> None:
    assert place.load(GOOD + "[defaults]\nrenew_at = 0.7\n").settings.credentials["billing"].renew_at == 0.7
    own = GOOD.replace('provider = "thx"\n', 'provider = "thx"\nrenew_at = 0.6\n')
    assert place.load(own + "[defaults]\nrenew_at = 0.7\n").settings.credentials["billing"].renew_at == 0.6


def test_a_consumer_that_reads_too_seldom_is_warned_of_with_numbers(place: Place) -> None:
    text = GOOD.replace('tokens/billing"', 'tokens/billing", consumer_interval = "5m"')
    assert place.load(text).warnings == ()
    (warning,) = place.load(text + "[defaults]\nrenew_at = 0.8\n").warnings
    assert "for up to 3m" in warning.found


def test_a_consumer_that_no_schedule_can_serve_is_refused(place: Place) -> None:
    text = GOOD.replace('tokens/billing"', 'tokens/billing", consumer_interval = "10m"')
    assert "no schedule can serve" in place.problems(text)["credentials.billing.sinks[0].consumer_interval"].wanted


def test_a_parameter_that_has_a_place_of_its_own_is_refused(place: Place) -> None:
    text = GOOD.replace("[credentials.billing]", 'parameters = { scope = "a" }\n[credentials.billing]')
    assert "names other than grant_type" in place.problems(text)["providers.thx.parameters"].wanted


def test_the_example_can_be_used_and_has_every_key(place: Place) -> None:
    text = (ROOT / "config.example.toml").read_text()
    assert place.load(text).settings.credentials
    tables = schema()["$defs"].values()
    keys = {key for table in [schema(), *tables] for key in table.get("properties", {})}
    assert sorted(key for key in keys if key not in text) == []


def test_the_committed_schema_is_the_one_of_the_models() -> None:
    assert json.loads((ROOT / "docs/rotator.schema.json").read_text()) == schema()


def test_a_credentials_own_words_outweigh_its_providers(place: Place) -> None:
    text = GOOD.replace("[credentials.billing]", 'scope = "a"\naudience = "x"\n[credentials.billing]\nscope = "b"')
    settings = place.load(text).settings
    parameters = asked.endpoint(settings.providers["thx"], settings.credentials["billing"]).parameters
    assert (parameters.scope, parameters.audience) == ("b", "x")


@given(seconds=st.integers(1, 86_400))
def test_a_duration_reads_as_it_is_spelt(seconds: int) -> None:
    assert Seconds(1, 86_400).read(spell(float(seconds))) == seconds


@given(text=st.text())
def test_no_text_is_a_duration_or_a_rate_by_accident(text: str) -> None:
    for read in (Seconds(0.1, 60).read, Rate.read):
        try:
            value = read(text)
        except PydanticCustomError:
            continue
        assert value
