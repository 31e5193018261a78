"""Every login that does not go by a token or AppRole, at a real server whose method is configured over its API.

Kubernetes alone is not real: `token_reviews` says how far it is. MFA, which only people can pass, is real.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio
from joserfc import jwt
from joserfc.jwk import ECKey

from rotator.core.errors import Code, RotationError
from rotator.core.model import Secret
from rotator.demo.bao import BaoServer
from rotator.engine.clock import SystemClock
from rotator.vault.logins.cert import CertLogin
from rotator.vault.logins.jwt import JwtLogin
from rotator.vault.logins.kubernetes import KubernetesLogin
from rotator.vault.logins.userpass import UserpassLogin
from rotator.wire.trust import ClientCertificate
from tests.integration.vault import token_reviews
from tests.integration.vault.certificates import Authority
from tests.integration.vault.visits import settings, until, visiting

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from rotator.vault.auth import Login
    from rotator.vault.session import VaultSession
    from tests.integration.vault.administration import Admin
    from tests.integration.vault.token_reviews import Cluster
    from tests.integration.vault.visits import Visit

NUMBERS = itertools.count()


async def enable(admin: Admin, kind: str) -> str:
    """A mount of a login method of its own; its path has two segments, as they may have."""
    mount = f"{kind}/of-test-{next(NUMBERS)}"
    await admin.api.write_data(f"sys/auth/{mount}", data={"type": kind})
    return mount


async def look(session: VaultSession) -> Any:
    return (await session.call(lambda client: client.auth.token.lookup_self(), {}))["data"]


async def refusal(visit: Visit) -> RotationError:
    with pytest.raises(RotationError) as caught:
        await look(visit.session)
    return caught.value


async def refused(bao: BaoServer, login: Login, **options: Any) -> str:
    """What is told about a login that is refused, and about nothing else."""
    async with visiting(settings(bao, login, **options)) as visit:
        error = await refusal(visit)
        assert error.code is Code.VAULT_LOGIN_REFUSED
        (told,) = visit.journal.events
        assert told[0] == "vault.denied"
        return error.detail


class TestKubernetes:
    @pytest_asyncio.fixture
    async def cluster(self, tmp_path: Path) -> AsyncIterator[Cluster]:
        self.authority = Authority(tmp_path / "cluster-ca.pem")
        async with token_reviews.running(self.authority.issue(tmp_path / "cluster.pem")) as cluster:
            yield cluster

    @pytest_asyncio.fixture
    async def login(self, admin: Admin, cluster: Cluster, tmp_path: Path) -> KubernetesLogin:
        mount = await enable(admin, "kubernetes")
        config = {
            "kubernetes_host": cluster.address,
            "kubernetes_ca_cert": self.authority.file.read_text(),
            "disable_local_ca_jwt": True,
        }
        await admin.api.write_data(f"auth/{mount}/config", data=config)
        role = {"bound_service_account_names": ["rotator"], "bound_service_account_namespaces": ["apps"]}
        await admin.api.write_data(f"auth/{mount}/role/rotator", data={**role, "token_ttl": "1h"})
        self.file = tmp_path / "token"
        self.file.write_text(cluster.token("rotator"))
        return KubernetesLogin("rotator", self.file, mount)

    async def test_a_service_account_logs_in(self, admin: Admin, cluster: Cluster, login: KubernetesLogin) -> None:
        async with visiting(settings(admin.bao, login)) as visit:
            assert (await look(visit.session))["meta"]["service_account_name"] == "rotator"
            assert visit.journal.named("vault.login")[0]["method"] == "kubernetes"
        assert cluster.reviews == 1

    async def test_v13_the_token_is_read_anew_at_every_login(
        self, admin: Admin, cluster: Cluster, login: KubernetesLogin
    ) -> None:
        """The kubelet replaces it; what was read at the start has ended when the next login comes."""
        role = {"token_type": "batch", "token_ttl": "4s"}
        await admin.api.write_data(f"auth/{login.mount}/role/rotator", data=role)
        async with visiting(settings(admin.bao, login)) as visit:
            old, new = self.file.read_text(), cluster.token("rotator")
            self.file.write_text(new)
            cluster.revoke(old)
            await until(lambda: len(visit.told("vault.login")) == 2, 6)
            assert visit.told() == ["vault.login", "vault.login"]

    @pytest.mark.parametrize(
        ("account", "namespace", "why"),
        [
            ("other", "apps", "the role does not take this service account"),
            ("rotator", "foreign", "the role does not take service accounts of this Kubernetes namespace"),
        ],
    )
    async def test_another_account_is_refused_by_name_of_mount_role_and_file(
        self, admin: Admin, cluster: Cluster, login: KubernetesLogin, account: str, namespace: str, why: str
    ) -> None:
        self.file.write_text(cluster.token(account, namespace))
        assert await refused(admin.bao, login) == (
            f"Kubernetes login at '{login.mount}' as role 'rotator'; token from {self.file}: "
            f"POST auth/{login.mount}/login was answered 403: {why}"
        )

    async def test_v13_an_account_that_was_deleted_is_told_once_and_a_new_token_works_without_restart(
        self, admin: Admin, cluster: Cluster, login: KubernetesLogin
    ) -> None:
        cluster.delete("rotator")
        async with visiting(settings(admin.bao, login)) as visit:
            error = await refusal(visit)
            assert error.code is Code.VAULT_LOGIN_REFUSED
            assert error.detail.endswith(
                "was answered 403: it does not say why; its own log may, unless nothing is mounted there"
            )
            assert self.file.read_text() not in error.detail
            self.file.write_text(cluster.token("rotator"))
            await until(lambda: visit.session.authenticated, 3)
            assert visit.told() == ["vault.denied", "vault.login", "vault.recovered"]

    async def test_a_role_that_does_not_exist_is_told(self, admin: Admin, login: KubernetesLogin) -> None:
        told = await refused(admin.bao, KubernetesLogin("nobody", self.file, login.mount))
        assert "as role 'nobody'" in told
        assert told.endswith("was answered 400: there is no such role")

    async def test_outside_a_pod_the_missing_token_is_named(self, admin: Admin) -> None:
        told = await refused(admin.bao, KubernetesLogin("rotator"))
        assert "/var/run/secrets/kubernetes.io/serviceaccount/token: FileNotFoundError" in told

    async def test_a_mount_that_does_not_exist_is_told_as_far_as_vault_tells(self, admin: Admin) -> None:
        told = await refused(admin.bao, KubernetesLogin("rotator", Secret("x"), "nowhere"))
        assert "POST auth/nowhere/login was answered 4" in told
        assert "nothing is mounted" in told


class TestJwt:
    @pytest_asyncio.fixture
    async def login(self, admin: Admin, tmp_path: Path) -> JwtLogin:
        self.key = ECKey.generate_key("P-256")
        mount = await enable(admin, "jwt")
        config = {
            "jwt_validation_pubkeys": [self.key.as_pem(private=False).decode()],
            "bound_issuer": "https://ci.example",
            "default_role": "ci",
        }
        await admin.api.write_data(f"auth/{mount}/config", data=config)
        role = {
            "role_type": "jwt",
            "user_claim": "sub",
            "bound_audiences": ["vault"],
            "bound_claims": {"project": "rotator"},
            "token_ttl": "1h",
        }
        await admin.api.write_data(f"auth/{mount}/role/ci", data=role)
        self.file = tmp_path / "jwt"
        self.file.write_text(self.token())
        return JwtLogin(self.file, "ci", mount)

    def token(self, **claims: object) -> str:
        now = int(SystemClock().now().wall.timestamp())
        good = {"iss": "https://ci.example", "sub": "me", "aud": "vault", "iat": now - 600, "nbf": now - 600}
        return jwt.encode({"alg": "ES256"}, {**good, "exp": now + 60, "project": "rotator", **claims}, self.key)

    async def test_a_jwt_logs_in(self, admin: Admin, login: JwtLogin) -> None:
        async with visiting(settings(admin.bao, login)) as visit:
            assert (await look(visit.session))["meta"] == {"role": "ci"}

    async def test_without_a_role_the_mounts_default_role_counts(self, admin: Admin, login: JwtLogin) -> None:
        async with visiting(settings(admin.bao, JwtLogin(self.file, mount=login.mount))) as visit:
            assert (await look(visit.session))["meta"] == {"role": "ci"}

    @pytest.mark.parametrize(
        ("claims", "why"),
        [
            ({"aud": "elsewhere"}, "the JWT is for another audience than the role takes"),
            ({"iss": "https://other.example"}, "another issuer made the JWT than the mount takes"),
            ({"project": "other"}, "a claim of the JWT is not what the role wants"),
            ({"exp": 1_700_000_000, "iat": 1_600_000_000, "nbf": 1_600_000_000}, "the JWT has expired"),
            ({"nbf": 33_000_000_000, "exp": 33_000_000_060}, "the JWT is not valid yet; the clocks may differ"),
        ],
        ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
    )
    async def test_a_jwt_that_is_refused_is_told_with_mount_role_file_and_reason(
        self, admin: Admin, login: JwtLogin, claims: dict[str, object], why: str
    ) -> None:
        self.file.write_text(self.token(**claims))
        told = await refused(admin.bao, login)
        assert told == (
            f"JWT login at '{login.mount}' as role 'ci'; JWT from {self.file}: "
            f"POST auth/{login.mount}/login was answered 400: {why}"
        )

    async def test_a_jwt_that_somebody_else_signed_is_told(self, admin: Admin, login: JwtLogin) -> None:
        self.key = ECKey.generate_key("P-256")
        self.file.write_text(self.token())
        assert (await refused(admin.bao, login)).endswith(
            "none of the keys that it checks JWTs with has signed this one"
        )

    async def test_v13_a_new_jwt_works_without_restart(self, admin: Admin, login: JwtLogin) -> None:
        self.file.write_text(self.token(aud="elsewhere"))
        async with visiting(settings(admin.bao, login)) as visit:
            await refusal(visit)
            self.file.write_text(self.token())
            await until(lambda: visit.session.authenticated, 3)

    async def test_an_issuer_that_vault_cannot_ask_for_its_keys_is_an_outage_and_no_refusal(
        self, admin: Admin, login: JwtLogin
    ) -> None:
        """It passes by itself, so that it is not to wait in the slow lane of what only a person can mend."""
        config = {"jwks_url": "http://127.0.0.1:1/keys", "skip_jwks_validation": True, "default_role": "ci"}
        await admin.api.write_data(f"auth/{login.mount}/config", data=config)
        async with visiting(settings(admin.bao, login)) as visit:
            error = await refusal(visit)
        assert error.code is Code.VAULT_UNAVAILABLE
        assert error.detail.endswith("it could not fetch the keys that it checks JWTs with")


class TestUserpass:
    @pytest_asyncio.fixture
    async def login(self, admin: Admin, tmp_path: Path) -> UserpassLogin:
        mount = await enable(admin, "userpass")
        await admin.api.write_data(f"auth/{mount}/users/rotator", data={"password": "pa55word", "token_ttl": "1h"})
        self.file = tmp_path / "password"
        self.file.write_text("pa55word\n")
        return UserpassLogin("rotator", self.file, mount)

    async def test_a_user_logs_in_with_a_password(self, admin: Admin, login: UserpassLogin) -> None:
        async with visiting(settings(admin.bao, login)) as visit:
            assert (await look(visit.session))["meta"] == {"username": "rotator"}
            assert visit.journal.named("vault.login")[0]["method"] == "userpass"

    async def test_v13_a_wrong_password_is_told_and_a_new_one_works_without_restart(
        self, admin: Admin, login: UserpassLogin
    ) -> None:
        self.file.write_text("wr0ng")
        async with visiting(settings(admin.bao, login)) as visit:
            error = await refusal(visit)
            assert error.code is Code.VAULT_LOGIN_REFUSED
            assert error.detail == (
                f"userpass login at '{login.mount}' as user 'rotator'; password from {self.file}: POST auth/"
                f"{login.mount}/login/rotator was answered 400: it does not know the user, or the password is wrong"
            )
            self.file.write_text("pa55word")
            await until(lambda: visit.session.authenticated, 3)
            assert visit.told() == ["vault.denied", "vault.login", "vault.recovered"]

    async def test_a_user_name_cannot_lead_to_another_path(self, admin: Admin, login: UserpassLogin) -> None:
        told = await refused(admin.bao, UserpassLogin("../../token/lookup-self", Secret("x"), login.mount))
        assert f"POST auth/{login.mount}/login/..%2F..%2Ftoken%2Flookup-self was answered 4" in told

    async def test_a_login_that_needs_a_second_factor_is_told_as_that(self, admin: Admin, login: UserpassLogin) -> None:
        method = await admin.api.write_data("identity/mfa/method/totp", data={"issuer": "test", "period": 30})
        accessor = (await admin.api.adapter.get(f"/v1/sys/auth/{login.mount}"))["data"]["accessor"]
        enforced = {"mfa_method_ids": [method["data"]["method_id"]], "auth_method_accessors": [accessor]}
        await admin.api.write_data("identity/mfa/login-enforcement/test", data=enforced)
        try:
            told = await refused(admin.bao, login)
        finally:
            await admin.api.adapter.request("DELETE", "/v1/identity/mfa/login-enforcement/test")
        assert told.endswith("Vault wants a second factor, which nobody is here to give; exempt it from that")


class TestCert:
    @pytest_asyncio.fixture
    async def bao(self, tmp_path: Path) -> AsyncIterator[BaoServer]:
        """A server of its own, since it needs TLS; with the certificate method and two roles."""
        self.directory = tmp_path
        self.servers, self.clients = Authority(tmp_path / "servers.pem"), Authority(tmp_path / "clients.pem")
        certificate = self.servers.issue(tmp_path / "server.pem")
        async with BaoServer("inmem", tls=certificate, ca_file=self.servers.file) as bao:
            await bao.request("POST", "sys/auth/cert", {"type": "cert"})
            for role in ("rotator", "other"):
                entry = {"certificate": self.clients.file.read_text(), "allowed_common_names": [role]}
                await bao.request("POST", f"auth/cert/certs/{role}", {**entry, "token_ttl": "1h"})
            yield bao

    @pytest.fixture
    def shown(self, bao: BaoServer) -> ClientCertificate:
        del bao
        file = self.clients.issue(self.directory / "client.pem", name="rotator")
        return ClientCertificate(file, file)

    def options(self) -> dict[str, Any]:
        return {"ca_file": self.servers.file}

    async def test_a_certificate_logs_in(self, bao: BaoServer, shown: ClientCertificate) -> None:
        async with visiting(settings(bao, CertLogin(shown), **self.options())) as visit:
            assert (await look(visit.session))["meta"]["cert_name"] == "rotator"
            assert visit.journal.named("vault.login")[0]["method"] == "cert"

    async def test_a_role_may_be_named(self, bao: BaoServer, shown: ClientCertificate) -> None:
        async with visiting(settings(bao, CertLogin(shown, "rotator"), **self.options())) as visit:
            assert (await look(visit.session))["meta"]["cert_name"] == "rotator"

    async def test_a_role_that_does_not_take_the_certificate_is_told_with_mount_role_and_file(
        self, bao: BaoServer, shown: ClientCertificate
    ) -> None:
        assert await refused(bao, CertLogin(shown, "other"), **self.options()) == (
            f"certificate login at 'cert' as role 'other'; certificate from {shown.cert_file}: "
            "POST auth/cert/login was answered 400: the role does not take this certificate"
        )

    async def test_a_certificate_of_an_authority_that_vault_does_not_know_is_told(self, bao: BaoServer) -> None:
        file = Authority(self.directory / "strangers.pem").issue(self.directory / "client.pem", name="rotator")
        told = await refused(bao, CertLogin(ClientCertificate(file, file)), **self.options())
        assert told.endswith("was answered 400: no role takes this certificate, or there is no such role")

    async def test_an_expired_certificate_is_a_refused_login_although_vault_answers_that_it_failed(
        self, bao: BaoServer
    ) -> None:
        file = self.clients.issue(self.directory / "client.pem", name="rotator", hours=-1)
        told = await refused(bao, CertLogin(ClientCertificate(file, file), "rotator"), **self.options())
        assert told.endswith("was answered 500: the certificate has expired, is not valid yet, or was revoked")

    async def test_a_token_is_renewed_over_a_connection_that_shows_the_certificate(
        self, bao: BaoServer, shown: ClientCertificate
    ) -> None:
        entry = {"certificate": self.clients.file.read_text(), "token_ttl": "3s"}
        await bao.request("POST", "auth/cert/certs/rotator", entry)
        async with visiting(settings(bao, CertLogin(shown, "rotator"), **self.options())) as visit:
            await until(lambda: len(visit.told()) > 1, 5)
            assert visit.told() == ["vault.login", "vault.token_renewed"]

    async def test_v13_a_new_certificate_works_without_restart(self, bao: BaoServer, shown: ClientCertificate) -> None:
        self.clients.issue(shown.cert_file, name="rotator", hours=-1)
        async with visiting(settings(bao, CertLogin(shown, "rotator"), **self.options())) as visit:
            assert (await refusal(visit)).code is Code.VAULT_LOGIN_REFUSED
            self.clients.issue(shown.cert_file, name="rotator")
            await until(lambda: visit.session.authenticated, 3)
            assert visit.told() == ["vault.denied", "vault.login", "vault.recovered"]

    async def test_a_certificate_that_is_replaced_is_shown_at_the_next_login(
        self, bao: BaoServer, shown: ClientCertificate
    ) -> None:
        """Kept connections still show the old one, which a server does not ask for again."""
        entry = {"certificate": self.clients.file.read_text(), "token_type": "batch", "token_ttl": "4s"}
        await bao.request("POST", "auth/cert/certs/rotator", {**entry, "allowed_common_names": ["rotator", "new"]})
        async with visiting(settings(bao, CertLogin(shown, "rotator"), **self.options())) as visit:
            self.clients.issue(shown.cert_file, name="new")
            await until(lambda: len(visit.told("vault.login")) == 2, 6)
            assert (await look(visit.session))["meta"]["common_name"] == "new"

    async def test_a_key_file_that_is_no_key_is_named_and_none_of_it_is_told(
        self, bao: BaoServer, shown: ClientCertificate
    ) -> None:
        key = self.directory / "client.key"
        key.write_text("s3cret")
        told = await refused(bao, CertLogin(ClientCertificate(shown.cert_file, key)), **self.options())
        assert told == f"{key} cannot be used: it holds no private key in PEM form"

    async def test_a_key_that_may_not_be_relied_on_is_not_used(self, bao: BaoServer, shown: ClientCertificate) -> None:
        def inspect() -> None:
            raise RotationError(Code.VAULT_LOGIN_REFUSED, "others can get at it")

        assert await refused(bao, CertLogin(shown, inspect=inspect), **self.options()) == "others can get at it"


async def test_a_vault_that_is_away_refuses_no_login(tmp_path: Path) -> None:
    """Each method tells it as what it is, so that it is tried again within seconds."""
    file = Authority(tmp_path / "ca.pem").issue(tmp_path / "client.pem")
    secret = Secret("s3cret")
    logins: list[Login] = [
        KubernetesLogin("rotator", secret),
        JwtLogin(secret, "ci"),
        UserpassLogin("rotator", secret),
        CertLogin(ClientCertificate(file, file)),
    ]
    async with BaoServer("inmem") as bao:
        await bao.stop()
        for login in logins:
            async with visiting(settings(bao, login)) as visit:
                assert (await refusal(visit)).code is Code.VAULT_UNAVAILABLE
