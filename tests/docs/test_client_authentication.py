"""The page about clients that prove themselves, done as it is written, at the certified authorization server."""

from __future__ import annotations

import json
import sys
from base64 import b64encode
from dataclasses import replace
from datetime import UTC, datetime
from ssl import PEM_cert_to_DER_cert
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio
from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey

from rotator.demo.stage import ROTATOR_POLICY
from tests.docs.conftest import place
from tests.integration.test_grants import APP, BEARER, EXCHANGE, INSTALLATION, github
from tests.support.http import serving
from tests.support.oidc import Options
from tests.support.pages import example, examples

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from rotator.demo.bao import BaoServer
    from tests.conftest import Admission
    from tests.docs.conftest import Place
    from tests.support.oidc import OidcProvider

PAGE = "docs/howto/client-authentication.md"
THX = "https://auth.thx.network"
ALL = 'path "*" { capabilities = ["create", "read", "update", "patch", "delete", "list", "sudo"] }'


@pytest_asyncio.fixture
async def desk(tmp_path: Path, own_bao: BaoServer, own_admission: Admission) -> AsyncIterator[Place]:
    """A place with a Vault of its own, whose operator may do everything there."""
    await own_bao.enable_kv("secret", 2)
    rules = ROTATOR_POLICY + example(PAGE, "transit-policy")
    async with place(tmp_path, own_bao, own_admission, {}, rules) as site:
        token = (await own_admission.token(ALL)).reveal()
        yield replace(site, environment={**site.environment, "BAO_TOKEN": token})


def configuration(holding: str, site: Place, **elsewhere: str) -> None:
    """Make the block of the page that has this the configuration, with this machine's places in it."""
    (text,) = (one.text for one in examples(PAGE, "toml") if holding in one.text)
    for written, mine in (*elsewhere.items(), ("/run/rotator/", f"{site.home}/")):
        text = text.replace(written, mine)
    file = site.home / "config.toml"
    site.configure("")
    file.write_text(file.read_text().partition("[providers.")[0] + text)


def registered(server: OidcProvider, name: str, method: str, keys: dict[str, Any], **metadata: str) -> None:
    server.register(name, method=method, options=Options(metadata={"jwks": keys, **metadata}))


async def delivered(site: Place, name: str) -> dict[str, str]:
    await site.sh("rotator rotate")
    found: dict[str, str] = json.loads(await site.sh(f"bao kv get -format=json secret/tokens/{name}"))["data"]["data"]
    return found


async def key_set(site: Place, public: str) -> dict[str, Any]:
    """The key set that the page's lines make of a public key."""
    script = example(PAGE, "jwks").replace("/opt/rotator/bin/python", sys.executable)
    await site.sh(script.replace("billing.pub", public))
    made: dict[str, Any] = json.loads((site.home / "billing.jwks").read_text())
    return made


async def test_a_private_key_is_made_stored_and_registered(desk: Place, oidc_provider: OidcProvider) -> None:
    await desk.sh(example(PAGE, "key"))
    assert not (desk.home / "billing.key").exists()
    keys = await key_set(desk, "billing.pub")
    registered(oidc_provider, "billing", "private_key_jwt", keys, token_endpoint_auth_signing_alg="ES256")
    configuration('key_id = "billing-1"', desk, **{THX: oidc_provider.issuer})
    assert (await delivered(desk, "billing"))["scope"] == "openid admin"


async def test_a_key_in_transit_is_made_registered_and_rotated_without_a_gap(
    desk: Place, oidc_provider: OidcProvider
) -> None:
    await desk.sh(example(PAGE, "transit"))
    keys = await key_set(desk, "rotator.pub")
    registered(oidc_provider, "signed", "private_key_jwt", keys, token_endpoint_auth_signing_alg="ES256")
    configuration("transit_key_version", desk, **{THX: oidc_provider.issuer})
    await desk.sh("rotator check --live")
    first = await delivered(desk, "signed")
    await desk.sh("bao write -f transit/keys/rotator/rotate; rotator rotate --force")
    assert (await delivered(desk, "signed"))["access_token"] != first["access_token"], "the old version does not sign"
    file = desk.home / "config.toml"
    file.write_text(file.read_text().replace("transit_key_version = 1, ", ""))
    assert "invalid_client" in await desk.sh("rotator rotate --force", code=1)


async def test_a_certificate_is_made_and_stored_with_its_end(desk: Place, oidc_provider: OidcProvider) -> None:
    await desk.sh(example(PAGE, "certificate"))
    pem = (desk.home / "billing.pem").read_text()
    public = await desk.sh("openssl x509 -in billing.pem -noout -pubkey")
    key = {**ECKey.import_key(public).as_dict(private=False), "x5c": [b64encode(PEM_cert_to_DER_cert(pem)).decode()]}
    registered(oidc_provider, "billing", "self_signed_tls_client_auth", {"keys": [key]})
    (desk.home / "ca.pem").write_text(oidc_provider.authority.root.pem)
    mine = {
        "https://mtls.auth.thx.network/token": oidc_provider.tls_token_url,
        "client_auth = ": f'ca_file = "{desk.home}/ca.pem"\nclient_auth = ',
    }
    configuration('token_url = "https://mtls', desk, **mine)
    file = desk.home / "config.toml"
    source, sink = (
        '{ type = "vault", path = "secret/apps/billing" }',
        '{ type = "vault", path = "secret/tokens/billing" }',
    )
    file.write_text(
        f'{file.read_text()}\n[credentials.billing]\nprovider = "thx"\nsource = {source}\nsinks = [{sink}]\n'
    )
    assert (await delivered(desk, "billing"))["scope"] == "openid admin"
    ends = int(await desk.sh("bao kv get -field=client_secret_expires_at secret/apps/billing"))
    assert 364 < (ends - datetime.now(UTC).timestamp()) / 86400 <= 365  # noqa: TID251  openssl looks at this clock


async def test_the_key_file_of_a_service_account_is_stored_as_it_is(desk: Place, oidc_provider: OidcProvider) -> None:
    key = RSAKey.generate_key(2048)
    robot = "robot@project.example"
    account = {"type": "service_account", "client_email": robot, "private_key": key.as_pem(private=True).decode()}
    (desk.home / "service-account.json").write_text(json.dumps(account))
    await desk.sh(example(PAGE, "google"))
    issuers = {robot: {"keys": [key.as_dict(private=False)]}}
    oidc_provider.register(robot, method="none", options=Options(grants=(BEARER,), issuers=issuers))
    mine = {
        'preset = "google"': f'preset = "google"\ntoken_url = "{oidc_provider.token_url}"',
        "claims = {": f'audience = "{oidc_provider.issuer}", claims = {{ sub = "ada@example.com",',
    }
    configuration('preset = "google"', desk, **mine)
    assert (await delivered(desk, "sheets"))["token_type"] == "Bearer"


@pytest.mark.parametrize("beside", [False, True], ids=["from elsewhere", "beside the client's credentials"])
async def test_a_token_of_somebody_is_exchanged(desk: Place, oidc_provider: OidcProvider, *, beside: bool) -> None:
    key = ECKey.generate_key("P-256")
    options = Options(
        grants=(EXCHANGE,),
        issuers={"https://cluster.test": {"keys": [key.as_dict(private=False)]}},
        audiences=("https://orders.example.com",),
    )
    who = oidc_provider.register(options=options)
    now = int(datetime.now(UTC).timestamp())  # noqa: TID251  the server looks at this clock
    claims: dict[str, Any] = {"iss": "https://cluster.test", "sub": "pod", "aud": oidc_provider.issuer}
    token = jwt.encode({"alg": "ES256"}, {**claims, "iat": now, "exp": now + 60}, key)
    (desk.home / "sts").mkdir(mode=0o700)
    for name, text in (("sts/token", token), ("secret", who.secret.reveal())):
        (desk.home / name).touch(mode=0o600)
        (desk.home / name).write_text(text)
    also = "subject_token=@sts/token" if beside else ""
    await desk.sh(f"bao kv put secret/apps/orders client_id={who.client_id} client_secret=@secret {also}")
    mine = {"https://sts.example.com/token": oidc_provider.token_url, "/var/run/secrets/": f"{desk.home}/"}
    configuration("subject_token_type", desk, **mine)
    if beside:
        file = desk.home / "config.toml"
        file.write_text("\n".join(line for line in file.read_text().splitlines() if "subject = {" not in line))
    assert (await delivered(desk, "orders"))["scope"] == "openid admin"


async def test_an_app_of_github_gets_a_token_for_git(desk: Place) -> None:
    (desk.home / "robot.private-key.pem").write_text(APP.as_pem(private=True).decode())
    await desk.sh(example(PAGE, "github").replace("Iv23liExample", "Iv1.app"))
    async with serving(github()) as url:
        mine = {'preset = "github-app"': f'preset = "github-app"\ntoken_url = "{url}{INSTALLATION}"'}
        configuration("github_installation", desk, **mine)
        await desk.sh("rotator rotate")
    written = (desk.home / "robot.netrc").read_text()
    assert written.startswith("machine github.com login x-access-token password ghs_")
