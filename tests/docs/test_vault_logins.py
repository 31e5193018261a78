"""The logins of the page about Vault, set up by its commands on a real OpenBao, and entered with its configuration."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest_asyncio
from aiohttp import web
from joserfc import jwt
from joserfc.jwk import ECKey

from rotator.core.model import Secret
from rotator.demo.stage import ROTATOR_POLICY
from tests.docs.conftest import place
from tests.docs.test_consumers import BILLING, api
from tests.support.pages import example, examples

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from rotator.demo.bao import BaoServer
    from tests.conftest import Admission
    from tests.docs.conftest import Place

PAGE = "docs/vault.md"
ALL = 'path "*" { capabilities = ["create", "read", "update", "patch", "delete", "list", "sudo"] }'
SINK = 'sinks = [{ type = "vault", path = "secret/tokens/billing" }]\n'


@pytest_asyncio.fixture
async def vault(tmp_path: Path, own_bao: BaoServer, own_admission: Admission) -> AsyncIterator[Place]:
    """A Vault of one's own, with rotator's policy, an application, and an operator who may do everything there."""
    await own_bao.enable_kv("secret", 2)
    await own_bao.write_policy("rotator", ROTATOR_POLICY)
    async with place(tmp_path, own_bao, own_admission, {"billing": Secret("the-secret")}) as made:
        token = (await own_admission.token(ALL)).reveal()
        site = replace(made, environment={**made.environment, "BAO_TOKEN": token})
        await site.sh("bao kv put secret/apps/billing client_id=billing client_secret=the-secret")
        yield site


def enters(site: Place, method: str) -> None:
    """Have rotator enter as the page's table for a method says."""
    site.configure(BILLING + SINK)
    file = site.home / "config.toml"
    before, approle, rest = file.read_text().partition("[vault.auth]")
    assert approle
    (login,) = (one.text for one in examples(PAGE, "toml") if one.text.startswith(f'[vault.auth]\nmethod = "{method}"'))
    file.write_text(f"{before}{login}\n[providers.{rest.partition('[providers.')[2]}")


def keep(site: Place, name: str, text: str) -> None:
    (site.home / name).touch(mode=0o600)
    (site.home / name).write_text(text)


async def test_a_user_enters_with_a_password(vault: Place) -> None:
    keep(vault, "vault-password", "a password of some length")
    await vault.sh(example(PAGE, "userpass-login"))
    enters(vault, "userpass")
    await vault.sh("rotator check --live")


async def test_a_job_of_a_ci_enters_with_its_jwt(vault: Place) -> None:
    key = ECKey.generate_key("P-256", {"kid": "ci"})

    async def issuer(request: web.Request) -> web.Response:
        here = f"http://{request.host}"
        if request.path == "/.well-known/openid-configuration":
            told: dict[str, Any] = {"issuer": here, "jwks_uri": f"{here}/keys", "authorization_endpoint": here}
            return web.json_response({**told, "id_token_signing_alg_values_supported": ["ES256"]})
        return web.json_response({"keys": [key.as_dict(private=False)]})

    async with api(issuer) as address:
        await vault.sh(example(PAGE, "jwt-login").replace("https://ci.example.com", address))
        now = int(datetime.now(UTC).timestamp())  # noqa: TID251  Vault looks at this clock
        claims = {"iss": address, "sub": "project:billing", "aud": "vault", "iat": now, "exp": now + 300}
        keep(vault, "jwt", jwt.encode({"alg": "ES256", "kid": "ci"}, claims, key))
        enters(vault, "jwt")
        await vault.sh("rotator check --live")
        keep(vault, "jwt", jwt.encode({"alg": "ES256", "kid": "ci"}, {**claims, "sub": "project:other"}, key))
        assert "vault_login_refused" in await vault.sh("rotator check --live", code=1)


async def test_the_commands_for_pods_and_for_certificates_are_ones_that_vault_takes(vault: Place) -> None:
    await vault.sh(
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=rotator "
        "-keyout vault-client-key.pem -out vault-client.pem"
    )
    await vault.sh(example(PAGE, "cert-login"))
    # A pod finds its cluster's authority beside its token; here there is none.
    outside = "kubernetes_host=https://kubernetes.default.svc kubernetes_ca_cert=@vault-client.pem"
    commands = example(PAGE, "kubernetes-login")
    assert "kubernetes_host=https://kubernetes.default.svc" in commands
    await vault.sh(commands.replace("kubernetes_host=https://kubernetes.default.svc", outside))
    assert "rotator" in await vault.sh("bao list auth/kubernetes/role; bao list auth/cert/certs")
