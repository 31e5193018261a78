"""What is refused, with key, line, what was found, what was wanted and the cure (G01 to G10)."""

from __future__ import annotations

import json
import os
import socket
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from rotator.settings.load import load
from rotator.settings.problems import ConfigError
from rotator.settings.sources import VaultSource

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.unit.settings.home import Home

# what is replaced in the good configuration, by what, then the key, its line, what the words say
SINGLE: dict[str, tuple[str, str, str, int | None, str]] = {
    "G01-a-typo-in-a-key": (
        'token_url = "https://auth.thx.network/token"',
        'token_url = "https://auth.thx.network/token"\nrate_limt = "5/s"',
        "providers.thx.rate_limt", 11, "did you mean rate_limit?",
    ),
    "G01-a-typo-in-a-sink": (
        'path = "secret/tokens/billing"', 'path = "secret/tokens/billing"\nconsumer_intervall = "5m"',
        "credentials.billing.sinks[0].consumer_intervall", 22, "did you mean consumer_interval?",
    ),
    "G01-a-key-of-another-kind-of-sink": (
        'path = "secret/tokens/billing"', 'path = "secret/tokens/billing"\nmode = "0600"',
        "credentials.billing.sinks[0].mode", 22, "one of after_write, consumer_interval, debounce, fields, path, type",
    ),
    "G01-a-typo-in-a-table": ("[defaults]", "[default]", "default", 12, "did you mean defaults?"),
    "G01-a-typo-in-defaults": ("renew_at = 0.5", "renew_att = 0.5", "defaults.renew_att", 13, "did you mean renew_at?"),
    "G01-a-typo-in-the-login": (
        'role_id_file = "role-id"', 'role_id_file = "role-id"\nmont = "x"', "vault.auth.mont", 7, "did you mean mount?",
    ),
    "G03-renew-at-one": ("renew_at = 0.5", "renew_at = 1", "defaults.renew_at", 13, "more than 0 and less than 1"),
    "G03-renew-at-nan": ("renew_at = 0.5", "renew_at = nan", "defaults.renew_at", 13, "more than 0 and less than 1"),
    "G03-no-recheck": ("renew_at = 0.5", 'recheck_interval = "0s"', "defaults.recheck_interval", 13, "1s to 24h"),
    "G03-rate-of-nothing": (
        "[defaults]", 'rate_limit = "0/s"\n[defaults]', "providers.thx.rate_limit", 12, "at least 1",
    ),
    "G03-consumers-that-outsleep-the-token": (
        'path = "secret/tokens/billing"', 'path = "secret/tokens/billing"\nconsumer_interval = "10m"',
        "credentials.billing.sinks[0].consumer_interval", 22, "assumed_lifetime",
    ),
    "G04-plain-http-to-vault": (
        "https://vault.example.com:8200", "http://vault.example.com:8200", "vault.address", 2, "use https://",
    ),
    "G04-plain-http-to-a-provider": (
        "https://auth.thx.network/token", "http://auth.thx.network/token", "providers.thx.token_url", 10, "use https://",
    ),
    "G05-certificates-not-checked": (
        "[vault.auth]", "tls_skip_verify = true\n[vault.auth]", "vault.tls_skip_verify", 4, "always checked",
    ),
    "G08-up-and-away-in-vault": (
        "secret/apps/billing", "secret/../billing", "credentials.billing.source.path", 17, "a segment . or ..",
    ),
    "G08-up-and-away-in-files": (
        "/run/rotator/billing.token", "/run/../billing.token", "credentials.billing.sinks[1].path", 25,
        "a segment . or ..",
    ),
    "a-provider-that-is-not-there": (
        'provider = "thx"', 'provider = "thy"', "credentials.billing.provider", 16, "did you mean thx?",
    ),
    "a-login-that-is-misspelt": (
        'method = "approle"', 'method = "kubernets"', "vault.auth.method", 5, "did you mean kubernetes?",
    ),
    "no-such-format": (
        'path = "/run/rotator/billing.token"', 'path = "/run/rotator/billing.token"\nformat = "templates"',
        "credentials.billing.sinks[1].format", 26, "did you mean template?",
    ),
    "a-client-authentication-that-is-misspelt": (
        "[defaults]", '[providers.b]\ntoken_url = "https://b"\nclient_auth = "private_key_jwk"\n[defaults]',
        "providers.b.client_auth", 14, "did you mean private_key_jwt?",
    ),
    "a-grant-that-is-misspelt": (
        'provider = "thx"', 'provider = "thx"\ngrant = "authorisation_code"',
        "credentials.billing.grant", 17, "did you mean authorization_code?",
    ),
    "a-grant-that-a-person-starts-without-a-place-for-it": (
        'provider = "thx"', 'provider = "thx"\ngrant = "refresh_token"',
        "credentials.billing.login", 15, 'login = { path = "secret/logins/billing" }',
    ),
    "a-sign-in-for-a-grant-that-nobody-starts": (
        'provider = "thx"', 'provider = "thx"\nlogin = { path = "secret/logins/x" }',
        "credentials.billing.login", 17, "leave it out",
    ),
    "neither-token-url-nor-issuer": (
        'token_url = "https://auth.thx.network/token"', "", "providers.thx.token_url", 9, 'issuer = "https://…"',
    ),
    "a-vault-that-no-table-has": (
        'path = "secret/apps/billing"', 'path = "secret/apps/billing", vault = "emea"',
        "credentials.billing.source.vault", 17, "add a table [vaults.NAME]",
    ),
    "no-such-login": ('method = "approle"', 'method = "magic"', "vault.auth.method", 5, "cert or userpass"),
    "no-such-kind-of-sink": (
        'type = "file"', 'type = "fax"', "credentials.billing.sinks[1].type", 24, "vault, file, kubernetes or socket",
    ),
    "a-sink-without-a-kind": (
        'type = "file"\n', "", "credentials.billing.sinks[1].type", 23, "vault, file, kubernetes or socket",
    ),
    "a-sink-without-a-path": (
        'path = "secret/tokens/billing"\n', "", "credentials.billing.sinks[0].path", 19, 'add path = "…"',
    ),
    "a-credential-without-a-source": (
        'source = { type = "vault", path = "secret/apps/billing" }\n', "", "credentials.billing.source", 15,
        "add source =",
    ),
    "no-address": ('address = "https://vault.example.com:8200"\n', "", "vault.address", 1, "set VAULT_ADDR"),
    "a-table-where-a-text-belongs": (
        'provider = "thx"', "provider = { a = 1 }", "credentials.billing.provider", 16, "a name of at most 63",
    ),
    "a-text-where-a-table-belongs": ("[defaults]", "log = 5\n[defaults]", "providers.thx.log", 12, "one of"),
    "a-parameter-that-has-a-key-of-its-own": (
        "[defaults]", '[providers.b]\ntoken_url = "https://b"\nparameters = { grant_type = "password" }\n[defaults]',
        "providers.b.parameters", 14, "keys of this table",
    ),
    "a-new-name-that-is-taken": (
        'path = "secret/tokens/billing"', 'path = "secret/tokens/billing"\nfields = { scope = "access_token" }',
        "credentials.billing.sinks[0].fields", 22, "rename that field as well",
    ),
    "a-field-that-no-record-has": (
        'path = "secret/tokens/billing"', 'path = "secret/tokens/billing"\nfields = { token = "bearer" }',
        "credentials.billing.sinks[0].fields", 22, "access_token",
    ),
    "renamed-fields-of-a-raw-file": (
        'path = "/run/rotator/billing.token"', 'path = "/run/rotator/billing.token"\nfields = { t = "access_token" }',
        "credentials.billing.sinks[1].fields", 26, "write json",
    ),
    "a-name-too-long-for-a-file": (
        "/run/rotator/billing.token", "/run/rotator/" + "x" * 245, "credentials.billing.sinks[1].path", 25, "too long",
    ),
    "a-mode-that-is-too-wide": (
        'path = "/run/rotator/billing.token"', 'path = "/run/rotator/billing.token"\nmode = "0644"',
        "credentials.billing.sinks[1].mode", 26, "put the consumers into a group",
    ),
    "both-ways-to-name-the-role": (
        'method = "approle"', 'method = "approle"\nrole_id = "x"', "vault.auth", 4, "exactly one of role_id_file",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("old", "new", "key", "line", "words"), SINGLE.values(), ids=SINGLE.keys())
def test_one_mistake_is_one_problem_with_its_key_line_and_cure(
    home: Home, old: str, new: str, key: str, line: int, words: str
) -> None:
    home.changed(old, new)
    problem = home.problem()
    assert (problem.key, problem.line) == (key, line)
    assert words in f"{problem.wanted} {problem.cure}"
    assert str(home.error()).startswith(f"{home.file}:{line}: {key}\n")


def test_the_one_sink_of_a_credential_that_is_wrong_is_one_problem(home: Home) -> None:
    good = home.file.read_text()
    home.write(good[: good.rindex("[[credentials")].replace("secret/tokens/billing", "secret//billing"))
    assert home.problem().key == "credentials.billing.sinks[0].path"


def test_a_credential_without_a_sink_is_told_so(home: Home) -> None:
    good = home.file.read_text()
    home.write(good[: good.index("[[credentials")] + "sinks = []\n")
    problem = home.problem()
    assert (problem.key, problem.wanted) == ("credentials.billing.sinks", "at least one")


def test_every_problem_is_told_at_once_in_the_order_of_the_file(home: Home) -> None:
    home.secret("role-id", "a-role", 0o644)
    home.write("""\
[vault]
address = "http://vault.example.com:8200"
[vault.auth]
method = "approle"
role_id_file = "role-id"
secret_id = "a-literal"
[providers.thx]
token_url = "https://auth.thx.network/token"
tiemout = "5s"
[credentials.a]
provider = "thx"
source = { type = "vault", path = "secret/apps/a" }
sinks = [{ type = "file", path = "/run/a.token" }, { type = "file", path = "/run/a.token" }]
""")
    assert [(problem.line, problem.key) for problem in home.error().problems] == [
        (2, "vault.address"),
        (5, "vault.auth.role_id_file"),
        (6, "vault.auth.secret_id"),
        (9, "providers.thx.tiemout"),
        (13, "credentials.a.sinks[1].path"),
    ]


def test_problems_are_told_to_people_and_to_programs(home: Home) -> None:
    home.changed('provider = "thx"', 'provider = "thy"')
    error = home.error()
    assert str(error) == (
        f"{home.file}:16: credentials.billing.provider\n"
        '    found   "thy"\n'
        "    wanted  the name of a table in providers; there are: thx\n"
        "    cure    did you mean thx?\n"
        f"{home.file} was not accepted: 1 problem."
    )
    assert json.loads(json.dumps([problem.as_dict() for problem in error.problems])) == [
        {
            "key": "credentials.billing.provider",
            "line": 16,
            "found": '"thy"',
            "wanted": "the name of a table in providers; there are: thx",
            "cure": "did you mean thx?",
            "variable": "",
            "file": "",
        }
    ]


@pytest.mark.parametrize("end", ["", "[credentials]\n"], ids=["G10-no-table", "G10-empty-table"])
def test_a_configuration_without_credentials_is_told_so(home: Home, end: str) -> None:
    good = home.file.read_text()
    home.write(good[: good.index("[credentials")] + end)
    problem = home.problem()
    assert (problem.key, problem.found) == ("credentials", "no credential")
    assert "[credentials.NAME]" in problem.wanted


def test_an_empty_file_is_told_all_that_it_lacks(home: Home) -> None:
    home.write("")
    assert {problem.key for problem in home.error().problems} == {"vault", "providers", "credentials"}


LOADING = 10.0
"""Seconds of processor time for 10,000 credentials: seven times of what they take."""


def test_ten_thousand_credentials_load_and_one_mistake_among_them_is_found_g10(home: Home) -> None:
    head = home.file.read_text().partition("[credentials")[0]
    one = """
[credentials.c{0}]
provider = "thx"
source = {{ type = "vault", path = "secret/apps/{0}" }}
sinks = [{{ type = "vault", path = "secret/tokens/{0}" }}]
"""
    tables = [one.format(number) for number in range(10_000)]
    home.write(head + "".join(tables))
    before = time.process_time()
    assert len(home.loads().settings.credentials) == 10_000
    assert time.process_time() - before < LOADING
    home.write(head + "".join([*tables, one.format("x").replace("secret/tokens/x", "secret/tokens/77")]))
    assert home.problem().wanted == "a place of its own; credentials.c77.sinks[0] delivers there"


def test_of_ten_thousand_mistakes_a_person_is_told_fifty_and_a_program_all_g10(home: Home) -> None:
    good = home.file.read_text()
    one = '[credentials.c{}]\nprovider = "nobody"\n'
    home.write(good + "".join(map(one.format, range(5000))))
    error = home.error()
    assert len(error.problems) == 15_000
    assert str(error).count("    wanted  ") == 50
    assert str(error).endswith(f"{home.file} was not accepted: 15000 problems. The first 50 are above.")


TWICE = {
    "G02-the-same-vault-path": ("vault", "secret/tokens/x", "secret/tokens/x"),
    "G02-the-same-file": ("file", "/run/x.token", "/run/x.token"),
}


@pytest.mark.parametrize(("kind", "first", "second"), TWICE.values(), ids=TWICE.keys())
def test_two_credentials_may_not_share_a_sink(home: Home, kind: str, first: str, second: str) -> None:
    good = home.file.read_text()
    head = good[: good.index("[credentials")]
    table = (
        '[credentials.{0}]\nprovider = "thx"\nsource = {{ type = "vault", path = "secret/apps/{0}" }}\n'
        'sinks = [{{ type = "{1}", path = "{2}" }}]\n'
    )
    home.write(head + table.format("a", kind, first) + table.format("b", kind, second))
    problem = home.problem()
    assert problem.key == "credentials.b.sinks[0].path"
    assert "credentials.a.sinks[0]" in problem.wanted


def test_a_file_that_is_named_twice_with_different_spelling_is_found_although_the_spelling_is_refused(
    home: Home,
) -> None:
    home.changed('"/run/rotator/billing.token"', '"/run/rotator/billing.token"\n[[credentials.billing.sinks]]\n'
                 'type = "file"\npath = "/run/rotator//x/../billing.token"')  # fmt: skip
    wanted = [problem.wanted for problem in home.error().problems]
    assert "a place of its own; credentials.billing.sinks[1] delivers there" in wanted


def test_two_credentials_may_not_inherit_one_sink_from_the_defaults(home: Home) -> None:
    head = home.file.read_text().partition("[defaults]")[0]
    body = """
[defaults]
provider = "thx"
source = { type = "vault", path = "secret/apps/both" }
sinks = [{ type = "vault", path = "secret/tokens/both" }]
[credentials.a]
[credentials.b]
"""
    home.write(head + body)
    assert home.problem().key == "defaults.sinks[0].path"


def test_a_token_may_not_be_written_over_client_credentials(home: Home) -> None:
    home.changed("secret/tokens/billing", "secret/apps/billing")
    problem = home.problem()
    assert problem.key == "credentials.billing.sinks[0].path"
    assert "take the place of the secret" in problem.cure


UNVERIFIED = ["verify", "insecure", "skip_verify", "tls_skip_verify", "ssl_verify", "verify_tls", "verify_ssl"]


@pytest.mark.parametrize("value", ["false", "true", '"no"'])
@pytest.mark.parametrize("key", UNVERIFIED)
@pytest.mark.parametrize("table", ["vault", "providers.thx"])
def test_there_is_no_way_to_ask_for_servers_that_are_not_verified_g05(
    home: Home, table: str, key: str, value: str
) -> None:
    home.changed(f"[{table}]", f"[{table}]\n{key} = {value}")
    problem = home.problem()
    assert (problem.key, problem.found) == (f"{table}.{key}", "a key that is not known (its value is not shown)")
    assert problem.cure == "certificates are always checked; ca_file names the authority to trust"


@pytest.mark.parametrize("variable", ["ROTATOR_VAULT__VERIFY", "ROTATOR_PROVIDERS__THX__INSECURE"])
def test_the_environment_cannot_ask_for_it_either_g05(home: Home, variable: str) -> None:
    problem = home.problem(**{variable: "false"})
    assert problem.variable == variable
    assert "always checked" in problem.cure


MISSPELLED = {
    "a provider": ('provider = "thx"', 'provider = "thy"', '"thy"', "did you mean thx?"),
    "a method": ('method = "approle"', 'method = "aprole"', '"aprole"', "did you mean approle?"),
    "a kind of sink": ('type = "file"', 'type = "fil"', '"fil"', "did you mean file?"),
    "no provider": ('provider = "thx"', 'provider = "swordfish"', "a text (not shown)", "add a table"),
    "no method": ('method = "approle"', 'method = "swordfish"', "a text (not shown)", ""),
    "no kind of sink": ('type = "file"', 'type = "swordfish"', "a text (not shown)", ""),
}


@pytest.mark.parametrize(("old", "new", "found", "cure"), MISSPELLED.values(), ids=MISSPELLED.keys())
def test_one_of_a_few_names_is_repeated_only_where_it_is_a_misspelling_of_one_g11(
    home: Home, old: str, new: str, found: str, cure: str
) -> None:
    home.changed(old, new)
    problem = home.problem()
    assert problem.found == found
    assert cure in problem.cure


def test_of_many_names_some_are_listed_g10(home: Home) -> None:
    more = "".join(f'[providers.p{number:03}]\ntoken_url = "https://p"\n' for number in range(300))
    home.changed("[defaults]\n", f"{more}[defaults]\n")
    home.write(home.file.read_text().replace('provider = "thx"', 'provider = "swordfish"'))
    assert home.problem().wanted.endswith("there are: " + ", ".join(f"p{n:03}" for n in range(12)) + " and 289 more")


LITERALS = {
    "vault.token": ("[vault.auth]", 'token = "{}"\n[vault.auth]'),
    "vault.auth.secret_id": ('secret_id_file = "secret-id"', 'secret_id = "{}"'),
    "vault.auth.password": ("[providers.thx]", 'password = "{}"\n[providers.thx]'),
    "providers.thx.client_secret": ("[defaults]", 'client_secret = "{}"\n[defaults]'),
    "providers.thx.client_secret_previous": ("[defaults]", 'client_secret_previous = "{}"\n[defaults]'),
    "providers.thx.parameters.assertion": ("[defaults]", 'parameters = {{ assertion = "{}" }}\n[defaults]'),
    "credentials.billing.client_secret": ('provider = "thx"', 'provider = "thx"\nclient_secret = ["{}"]'),
    "credentials.billing.source.client_secret": (
        'path = "secret/apps/billing" }', 'path = "secret/apps/billing", client_secret = "{}" }}',
    ),
    "credentials.billing.sinks[0].access_token": (
        'path = "secret/tokens/billing"', 'path = "secret/tokens/billing"\naccess_token = "{}"',
    ),
    "defaults.api_key": ("[defaults]", '[defaults]\napi_key = "{}"'),
}  # fmt: skip


@pytest.mark.parametrize(("key", "where"), LITERALS.items(), ids=[f"G06-{key}" for key in LITERALS])
def test_a_secret_in_the_configuration_is_refused_and_not_shown(home: Home, key: str, where: tuple[str, str]) -> None:
    home.changed(where[0], where[1].format("canary-7f3a"))
    problem = home.problem()
    assert problem.key == key
    assert problem.line is not None
    assert problem.found == "a secret in the configuration itself (not shown)"
    assert "replace the secret" in problem.cure
    assert "canary" not in f"{home.error()}{problem!r}"


def test_names_of_fields_are_no_secrets(home: Home) -> None:
    home.changed('path = "secret/apps/billing" }', 'path = "secret/apps/billing", fields = { client_secret = "key" } }')
    source = home.loads().settings.credentials["billing"].source
    assert isinstance(source, VaultSource)
    assert source.fields == {"client_secret": "key"}


@pytest.mark.parametrize("mode", [0o646, 0o666, 0o602])
def test_a_configuration_that_others_may_change_is_refused_g07(home: Home, mode: int) -> None:
    home.file.chmod(mode)
    problem = home.problem()
    assert f"mode {mode:04o}" in problem.found
    assert problem.cure == f"chmod o-w {home.file}"


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o644, 0o664])
def test_a_configuration_that_others_may_read_is_accepted_g07(home: Home, mode: int) -> None:
    home.file.chmod(mode)
    assert home.loads().settings.vault.timeout == 5


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_a_configuration_of_somebody_else_is_refused_g07(home: Home) -> None:
    os.chown(home.file, 65534, 65534)
    problem = home.problem()
    assert "belongs to user 65534" in problem.found
    assert problem.cure == f"chown {os.geteuid()} {home.file}"


BROKEN = {
    "a-text-without-end": ('[a]\nb = "canary\n', 2, "without its closing quote"),
    "no-value": ("[a]\nb = canary\n", 2, "no value"),
    "no-equals": ("[a]\ncanary\n", 2, "no TOML"),
    "a-broken-header": ("[a]\n[canary\n", 2, "no TOML"),
    "G01-a-table-twice": ("[canary]\n[b]\n[canary]\n", 3, "stands above already"),
    "G01-a-key-twice": ("canary = 1\ncanary = 2\n", 2, "stands above already"),
    "G01-a-key-twice-inside": ("a = { canary = 1, canary = 2 }\n", 1, "stands above already"),
    "a-table-added-to": ("a = { canary = 1 }\n[a.canary]\n", 2, "above"),
    "a-control-character": ('a = "canary\x01"\n', 1, "control character"),
    "a-byte-order-mark": ("\ufeffcanary = 1\n", 1, "no TOML"),
    "a-figure-without-end": ("canary = " + "9" * 5000 + "\n", None, "no TOML"),
    "a-list-without-bottom": ("canary = " + "[" * 50_000 + "\n", None, "nested too deeply"),
}


@pytest.mark.parametrize(("text", "line", "found"), BROKEN.values(), ids=BROKEN.keys())
def test_what_is_no_toml_is_told_with_its_line_and_without_its_text(
    home: Home, text: str, line: int | None, found: str
) -> None:
    home.write(text)
    problem = home.problem()
    assert problem.line == line
    assert found in problem.found
    assert "canary" not in f"{home.error()}{problem!r}"


def test_bytes_that_are_no_text_are_told_with_their_line(home: Home) -> None:
    home.file.write_bytes(b"[a]\n# \xff canary\n")
    problem = home.problem()
    assert (problem.line, problem.found) == (2, "bytes that are not UTF-8")


def no_file(path: Path) -> None:
    path.unlink()


def directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


def pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def listener(path: Path) -> None:
    path.unlink()
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))


@pytest.mark.parametrize("what", [no_file, directory, pipe, listener])
def test_what_is_no_file_is_refused_at_once(home: Home, what: Callable[[Path], None]) -> None:
    what(home.file)
    assert home.problem().cure


def test_a_configuration_without_bounds_is_refused() -> None:
    with pytest.raises(ConfigError):
        load(Path("/dev/zero"), {})


def test_a_mistake_inside_a_table_of_defaults_is_told_once_and_where_it_is_written(home: Home) -> None:
    file = '[[credentials.billing.sinks]]\ntype = "file"\npath = "/run/rotator/billing.token"\n'
    vault = '[[credentials.billing.sinks]]\ntype = "vault"\npath = "secret/tokens/billing"\n\n'
    text = home.good.replace(vault, "").replace(file, "")
    home.write(text.replace("renew_at = 0.5", 'sinks = [{ type = "file", path = "run" }]'))
    assert home.problem().key == "defaults.sinks[0].path"
