"""Every login to Vault as the configuration has it: its keys, its files, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, get_args

import pytest

from rotator.core.errors import Code, RotationError
from rotator.core.model import Secret
from rotator.settings import translate
from rotator.settings.logins import LOGINS
from rotator.settings.vault import METHODS, Auth
from rotator.vault.inputs import SecretFile, fetch
from rotator.vault.logins.cert import CertLogin
from rotator.vault.logins.jwt import JwtLogin
from rotator.vault.logins.kubernetes import SERVICE_ACCOUNT_TOKEN, KubernetesLogin
from rotator.vault.logins.userpass import UserpassLogin
from tests.support.certificates import self_signed

if TYPE_CHECKING:
    from rotator.vault.auth import Login
    from tests.unit.settings.home import Home

PEM = "-----BEGIN PRIVATE KEY-----\nMIG\n-----END PRIVATE KEY-----\n"


def with_login(home: Home, method: str, *lines: str) -> None:
    """The good configuration with another login."""
    good = home.file.read_text()
    old = good[good.index('method = "approle"') : good.index("[providers")]
    home.changed(old, "\n".join([f'method = "{method}"', *lines, "", ""]))


def login(home: Home) -> Login:
    return translate.vault(home.loads(), {}).auth


def test_every_section_means_a_login() -> None:
    assert list(LOGINS) == list(get_args(Auth))
    assert METHODS == ("token", "approle", "kubernetes", "jwt", "cert", "userpass")


def test_a_service_account_logs_in_with_the_token_of_its_pod_unless_another_file_is_named(home: Home) -> None:
    home.secret("projected", "a.b.c")
    with_login(home, "kubernetes", 'role = "rotator"', 'jwt_file = "projected"', 'mount = "clusters/blue"')
    found = login(home)
    assert isinstance(found, KubernetesLogin)
    assert (found.role, found.mount) == ("rotator", "clusters/blue")
    assert fetch(found.token, "the token") == Secret("a.b.c")


def test_outside_a_pod_the_missing_token_is_told_at_the_key_that_would_name_another(home: Home) -> None:
    with_login(home, "kubernetes", 'role = "rotator"')
    problem = home.problem()
    assert (problem.key, "does not exist" in problem.found) == ("vault.auth.jwt_file", True)
    assert Path("/var/run/secrets/kubernetes.io/serviceaccount/token") == SERVICE_ACCOUNT_TOKEN


def projected(home: Home, mode: int) -> Path:
    """A token as a kubelet puts it into a pod: below a link to a directory that is replaced as a whole."""
    (home.directory / "..2026_01_01").mkdir()
    home.secret("..2026_01_01/token", "a.b.c", mode)
    (home.directory / "..data").symlink_to("..2026_01_01")
    (home.directory / "token").symlink_to("..data/token")
    return home.directory / "token"


def test_a_projected_token_that_others_can_read_is_refused_with_what_can_be_done_in_a_pod_g07(home: Home) -> None:
    projected(home, 0o644)
    with_login(home, "kubernetes", 'role = "rotator"', 'jwt_file = "token"')
    problem = home.problem()
    assert "has mode 0644: others can get at it" in problem.found
    assert "chmod" not in problem.cure
    assert "allow_shared_secret_files = true in [security]" in problem.cure
    assert "fsGroup" in problem.cure


def test_a_projected_token_may_be_shared_where_the_configuration_says_so_g07(home: Home) -> None:
    projected(home, 0o644)
    with_login(home, "kubernetes", 'role = "rotator"', 'jwt_file = "token"')
    home.write(home.file.read_text() + "[security]\nallow_shared_secret_files = true\n")
    found = login(home)
    assert isinstance(found, KubernetesLogin)
    assert fetch(found.token, "the token") == Secret("a.b.c")


def test_a_jwt_is_read_from_its_file_and_its_role_may_be_left_out(home: Home) -> None:
    home.secret("jwt", "a.b.c")
    with_login(home, "jwt", 'jwt_file = "jwt"')
    found = login(home)
    assert isinstance(found, JwtLogin)
    assert (found.role, found.mount) == ("", "jwt")
    assert fetch(found.jwt, "the JWT") == Secret("a.b.c")


def test_a_password_is_read_from_its_file(home: Home) -> None:
    home.secret("password", "pa55word")
    with_login(home, "userpass", 'username = "rotator"', 'password_file = "password"')
    found = login(home)
    assert isinstance(found, UserpassLogin)
    assert (found.username, found.mount) == ("rotator", "userpass")
    assert fetch(found.password, "the password") == Secret("pa55word")


def with_certificate(home: Home) -> None:
    home.secret("client.key", PEM)
    home.secret("client.pem", "-----BEGIN CERTIFICATE-----\n", 0o644)
    with_login(home, "cert", 'cert_file = "client.pem"', 'key_file = "client.key"', 'role = "rotator"')


def test_a_certificate_may_be_read_by_others_and_its_key_may_not_g07(home: Home) -> None:
    with_certificate(home)
    found = login(home)
    assert isinstance(found, CertLogin)
    assert found.role == "rotator"
    assert found.certificate.cert_file == home.directory / "client.pem"
    assert found.certificate.key_file == home.directory / "client.key"
    key = home.secret("client.key", PEM, 0o640 | 0o004)
    problem = home.problem()
    assert (problem.key, problem.cure) == ("vault.auth.key_file", f"chmod o= {key}")


def test_the_key_of_a_certificate_is_looked_at_before_every_login_g07(home: Home) -> None:
    with_certificate(home)
    found = login(home)
    assert isinstance(found, CertLogin)
    found.inspect()
    (home.directory / "client.key").chmod(0o604)
    with pytest.raises(RotationError, match="others can get at it") as caught:
        found.inspect()
    assert caught.value.code is Code.VAULT_LOGIN_REFUSED


def test_certificate_and_key_that_systemd_hands_over_are_found(home: Home, tmp_path: Path) -> None:
    with_certificate(home)
    handed = tmp_path / "credentials"
    handed.mkdir()
    self_signed(handed / "client.pem")
    self_signed(handed / "client.key").chmod(0o400)
    found = translate.vault(home.loads(CREDENTIALS_DIRECTORY=str(handed)), {}).auth
    assert isinstance(found, CertLogin)
    assert {found.certificate.cert_file.parent, found.certificate.key_file.parent} == {handed}


@pytest.mark.parametrize("name", ["client.pem", "client.key"])
def test_a_certificate_or_key_that_is_missing_is_told_at_its_key(home: Home, name: str) -> None:
    with_certificate(home)
    (home.directory / name).unlink()
    assert home.problem().key == f"vault.auth.{'cert' if name == 'client.pem' else 'key'}_file"


def test_a_certificate_is_shown_over_tls_only(home: Home) -> None:
    with_certificate(home)
    home.write(home.file.read_text().replace("https://vault.example.com:8200", "http://127.0.0.1:8200"))
    problem = home.problem()
    assert (problem.key, "shows a certificate" in problem.wanted) == ("vault.address", True)


@pytest.mark.parametrize(
    ("method", "lines", "missing"),
    [
        ("kubernetes", ['jwt_file = "role-id"'], "role"),
        ("jwt", [], "jwt_file"),
        ("cert", ['key_file = "role-id"'], "cert_file"),
        ("cert", ['cert_file = "role-id"'], "key_file"),
        ("userpass", ['password_file = "secret-id"'], "username"),
        ("userpass", ['username = "rotator"'], "password_file"),
    ],
)
def test_a_key_that_a_login_lacks_is_told_with_what_to_write(
    home: Home, method: str, lines: list[str], missing: str
) -> None:
    with_login(home, method, *lines)
    problem = home.problem()
    assert problem.key == f"vault.auth.{missing}"
    assert problem.cure.startswith(f"add {missing} = ")


@pytest.mark.parametrize("mount", ["", "/jwt", "jwt/", "a//b", "../sys", "a/../b", "a b", "jwt?x", "jw%74", "jw\u0442"])
def test_g08_a_mount_that_is_none_is_refused(home: Home, mount: str) -> None:
    home.secret("jwt", "a.b.c")
    with_login(home, "jwt", 'jwt_file = "jwt"', f'mount = "{mount}"')
    assert home.problem().key == "vault.auth.mount"


@pytest.mark.parametrize(("method", "key"), [("userpass", "password"), ("jwt", "jwt")])
def test_g06_a_secret_itself_is_refused_with_the_key_that_names_its_file(home: Home, method: str, key: str) -> None:
    home.secret("x", "a.b.c")
    with_login(
        home, method, 'username = "rotator"' if method == "userpass" else "", f'{key}_file = "x"', f'{key} = "7"'
    )
    problem = next(problem for problem in home.error().problems if problem.key == f"vault.auth.{key}")
    assert f'{key}_file = "' in problem.cure


def test_a_further_vault_is_entered_in_its_own_way(home: Home) -> None:
    home.secret("password", "pa55word")
    home.write(
        home.file.read_text()
        + '[vaults.other]\naddress = "https://other.example.com"\n[vaults.other.auth]\nmethod = "userpass"\n'
        'username = "rotator"\npassword_file = "password"\n'
    )
    found = translate.vault(home.loads(), {}, "other").auth
    assert isinstance(found, UserpassLogin)
    assert isinstance(found.password, SecretFile)
    (home.directory / "password").chmod(0o604)
    assert home.problem().key == "vaults.other.auth.password_file"
