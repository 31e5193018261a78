"""A secret that somebody puts anywhere into a configuration comes out nowhere (G11)."""

from __future__ import annotations

import json
import logging
import pickle
import traceback
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rotator.settings.load import load
from rotator.settings.problems import ConfigError
from rotator.settings.secrecy import shown
from tests.unit.settings.home import GOOD

if TYPE_CHECKING:
    from tests.unit.settings.home import Home

CANARY = "kanarienvogel7f3a"

PLACES = {
    "the value of an unknown key": ("[defaults]", 'x = "{}"\n[defaults]'),
    "the value of a misspelled key": ('token_url = "', 'token_ulr = "{}'),
    "a list under an unknown key": ("[defaults]", 'x = ["{}", {{ y = "{}" }}]\n[defaults]'),
    "a table under an unknown key": ("[defaults]", '[x.y]\nz = "{}"\n[defaults]'),
    "the user of a URL": ("https://auth.thx.network", "https://{}@auth.thx.network"),
    "the password of a URL": ("https://auth.thx.network", "https://user:{}@auth.thx.network"),
    "a password with a slash": ("https://auth.thx.network", "https://user:{}/{}@auth.thx.network"),
    "a password with a question mark": ("https://auth.thx.network", "https://user:{}?{}@auth.thx.network"),
    "a password with a hash": ("https://auth.thx.network", "https://user:{}#{}@auth.thx.network"),
    "a password with an at sign": ("https://auth.thx.network", "https://user:{}@{}@auth.thx.network"),
    "a password in plain http": ("https://vault.example.com", "http://user:{}@vault.example.com"),
    "a parameter of a URL": ("auth.thx.network/token", "auth.thx.network/token?client_secret={}"),
    "an at sign in a parameter of a URL": ("auth.thx.network/token", "auth.thx.network/token?password=x@{}"),
    "the fragment of a URL": ("auth.thx.network/token", "auth.thx.network/token#{}"),
    "a user in a resource": ("[defaults]", 'resource = "https://u:{}@api/"\n[defaults]'),
    "a literal secret": ("[defaults]", 'client_secret = "{}"\n[defaults]'),
    "a literal secret of another case": ("[defaults]", 'Client-Secret = "{}"\n[defaults]'),
    "a list of literal secrets": ("[defaults]", 'client_secret = ["{}"]\n[defaults]'),
    "a table of literal secrets": ("[defaults]", 'client_secret = {{ value = "{}" }}\n[defaults]'),
    "a parameter of the token request": ("[defaults]", 'parameters = {{ assertion = "{}" }}\n[defaults]'),
    "a parameter that is refused": ("[defaults]", 'parameters = {{ code = "{}\\u0007" }}\n[defaults]'),
    "a parameter of a wrong kind": ("[defaults]", 'parameters = "{}"\n[defaults]'),
    "in the place of a file": ('secret_id_file = "secret-id"', 'secret_id_file = "{}"'),
    "in the place of a file, refused": ('secret_id_file = "secret-id"', 'secret_id_file = "{}//x"'),
    "in the place of a file, long": ('secret_id_file = "secret-id"', 'secret_id_file = "' + "{}" * 20 + '"'),
    "in the place of a role": ('role_id_file = "role-id"', 'role_id = "{}\\u0007"'),
    "in the place of a variable": ('role_id_file = "role-id"', 'role_id_file = "role-id"\ntoken_env = "{}"'),
    "in the place of a provider": ('provider = "thx"', 'provider = "{}"'),
    "in the place of a provider, refused": ('provider = "thx"', 'provider = "{} and more"'),
    "in the place of a login's method": ('method = "approle"', 'method = "{}"'),
    "in the place of a grant": ('provider = "thx"', 'provider = "thx"\ngrant = "{}"'),
    "in the place of a kind of source": ('type = "vault", path = "secret/apps', 'type = "{}", path = "secret/apps'),
    "in the place of a kind of sink": ('type = "file"', 'type = "{}"'),
    "in the place of a format": ('type = "file"', 'type = "file"\nformat = "{}"'),
    "in the place of an owner": ('type = "file"', 'type = "file"\nowner = "{} and more"'),
    "in the place of a group": ('type = "file"', 'type = "file"\ngroup = "{} and more"'),
    "in the place of a client authentication": ("[defaults]", 'client_auth = "{}"\n[defaults]'),
    "in the place of an encoding": ("[defaults]", 'basic_encoding = "{}"\n[defaults]'),
    "in the place of a level": ("[defaults]", '[log]\nlevel = "{}"\n[defaults]'),
    "in the place of a table": ("[defaults]", 'ca_file = {{ a = "{}" }}\n[defaults]'),
    "in the place of a list of sinks": ("[defaults]", 'sinks = "{}"\n[defaults]'),
    "in the place of a login": ('[vault.auth]\nmethod = "approle"', '[vault]\nauth = "{}"\n[other]\nmethod = "x"'),
    "in a line that is no TOML": ("[defaults]", "client_secret = {}\n[defaults]"),
    "in a text without end": ("[defaults]", 'client_secret = "{}\n[defaults]'),
    "as a table twice": ("[defaults]", "[{}]\n[{}]\n[defaults]"),
    "after what is no UTF-8": ("[defaults]", 'x = "\udcff{}"\n[defaults]'),
}


def told(home: Home, caplog: pytest.LogCaptureFixture, environ: dict[str, str]) -> str:
    """Everything that a refused configuration says, in every form."""
    with caplog.at_level(logging.DEBUG), pytest.raises(ConfigError) as caught:
        load(home.file, environ)
    error = caught.value
    return "\n".join(
        [
            str(error),
            repr(error),
            repr(error.problems),
            json.dumps([problem.as_dict() for problem in error.problems]),
            "".join(traceback.format_exception(error)),
            repr(pickle.dumps(error.problems)),
            caplog.text,
        ]
    )


@pytest.mark.parametrize(("old", "new"), PLACES.values(), ids=[f"G11-{place}" for place in PLACES])
def test_a_secret_in_the_wrong_place_comes_out_nowhere(
    home: Home, caplog: pytest.LogCaptureFixture, old: str, new: str
) -> None:
    good = home.file.read_text()
    assert old in good
    text = good.replace(old, new.replace("{}", CANARY).replace("{{", "{").replace("}}", "}"), 1)
    home.file.write_bytes(text.encode(errors="surrogateescape"))
    said = told(home, caplog, {"PYDANTIC_SETTINGS_DEBUG": "1"})
    assert CANARY not in said
    assert CANARY[:8] not in said


VARIABLES = [
    "ROTATOR_X", "ROTATOR_X__Y", "ROTATOR_VAULT", "ROTATOR_VAULT__AUTH", "ROTATOR_VAULT__AUTH__SECRET_ID",
    "ROTATOR_VAULT__AUTH__SECRET_ID_FILE", "ROTATOR_PROVIDERS__THX__CLIENT_SECRET", "ROTATOR_CREDENTIALS",
    "ROTATOR_CREDENTIALS__BILLING__SINKS", "ROTATOR_PROVIDERS__THX__PARAMETERS__PASSWORD",
]  # fmt: skip


@pytest.mark.parametrize("variable", VARIABLES)
@pytest.mark.parametrize("value", ["{}", '["{}"]', '{"x": "{}"}', "[{}"], ids=["text", "list", "table", "broken"])
def test_a_secret_in_a_variable_comes_out_nowhere(
    home: Home, caplog: pytest.LogCaptureFixture, variable: str, value: str
) -> None:
    assert CANARY not in told(home, caplog, {variable: value.replace("{}", CANARY)})


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    key=st.sampled_from(["client_secret", "SECRET", "secret_id", "token", "db_password", "api-key", "private_key"]),
    table=st.sampled_from(
        ["", "vault", "vault.auth", "providers.thx", "defaults", "credentials.billing", "log", "new"]
    ),
)
def test_a_secret_under_its_own_name_in_any_table_is_refused_and_comes_out_nowhere(
    home: Home, key: str, table: str
) -> None:
    line = f'{key} = "{CANARY}"\n'
    header = f"[{table}]\n"
    home.write(GOOD.replace(header, header + line, 1) if header in GOOD else line + GOOD)
    with pytest.raises(ConfigError) as caught:
        load(home.file, {})
    assert CANARY not in f"{caught.value}{caught.value.problems!r}"
    assert "no secret here" in [problem.wanted for problem in caught.value.problems]


@given(st.text(max_size=200))
def test_what_is_shown_is_short_and_changes_no_terminal(text: str) -> None:
    assert len(shown(text)) <= 62
    assert shown(text).isprintable()
