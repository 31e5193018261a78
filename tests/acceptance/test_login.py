"""Grants that a person starts: the second row of the first provider's table, device codes, and two rotators at once."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

import pytest_asyncio

from tests.support.oidc import Options
from tests.support.person import Person
from tests.support.process import Rotator, rotator
from tests.support.signing_in import RotatorLogin

if TYPE_CHECKING:
    from pathlib import Path

    from rotator.demo.bao import BaoServer
    from tests.support.process import Site

POLICY = 'path "secret/data/logins/*" { capabilities = ["create", "read", "update"] }'

STARTED = Options(grants=("authorization_code", "refresh_token"))
BY_DEVICE = Options(grants=("urn:ietf:params:oauth:grant-type:device_code", "refresh_token"))


@pytest_asyncio.fixture
async def wallet(site: Site) -> Path:
    """The first provider's table, both rows: a backend, and a wallet that a person signs in to."""
    return await prepared(site, STARTED)


async def prepared(site: Site, options: Options, lifetime: int = 600, grant: str = "authorization_code") -> Path:
    await site.prepare(["backend"])
    policy = (await site.bao.request("GET", "sys/policies/acl/rotator"))["data"]["policy"]
    await site.bao.write_policy("rotator", f"{policy}\n{POLICY}")
    site.clients["wallet"] = site.oidc.register(
        method="none", scope="openid user offline_access", lifetime=lifetime, options=options
    )
    site.extra = f"""
[providers.people]
issuer = "{site.oidc.issuer}"
client_auth = "none"
scope = "openid user"

[credentials.wallet]
provider = "people"
grant = "{grant}"
recheck_interval = "2s"
source = {{ type = "vault", path = "secret/apps/wallet" }}
login = {{ path = "secret/logins/wallet", scope = "openid user offline_access", parameters = {{ prompt = "consent" }} }}
sinks = [{{ type = "vault", path = "secret/tokens/wallet" }}]
"""
    document = {"client_id": site.clients["wallet"].client_id}
    await site.bao.request("POST", "secret/data/apps/wallet", {"data": document})
    return site.write(["backend"])


async def kept(bao: BaoServer) -> dict[str, str]:
    found: dict[str, str] = (await bao.request("GET", "secret/data/logins/wallet"))["data"]["data"]
    return found


async def sign_in(configuration: Path) -> None:
    async with RotatorLogin(configuration, "wallet") as login, Person() as ada:
        assert "Signed in" in await ada.sign_in(await login.page())
        code, said = await login.ended()
    assert code == 0, said
    assert "wallet is signed in. The refresh token is at secret/logins/wallet, version 1." in said


async def test_both_grants_of_the_first_providers_page_work_side_by_side(site: Site, wallet: Path) -> None:
    async with Rotator(wallet) as daemon:
        rejected = await daemon.says("credential.rejected", credential="wallet")
        assert rejected["error"] == "login_missing"
        assert "`rotator login NAME`" in rejected["cure"]
        await sign_in(wallet)
        await daemon.says("token.delivered", credential="wallet", within=10)
        assert (await site.document("backend"))["scope"] == "openid admin"
        assert (await site.document("wallet"))["scope"] == "openid user"
        assert (await kept(site.bao))["claimed_by"] == ""


async def test_a_restart_with_a_fresh_token_uses_no_refresh_token_r02(site: Site, wallet: Path) -> None:
    await sign_in(wallet)
    async with Rotator(wallet) as daemon:
        await daemon.says("token.delivered", credential="wallet")
    before = await kept(site.bao)
    async with Rotator(wallet) as daemon:
        await daemon.says("token.adopted", credential="wallet")
        await daemon.says("daemon.ready")
    assert await kept(site.bao) == before


async def test_nothing_of_a_sign_in_gets_into_the_log_or_onto_the_terminal(site: Site, wallet: Path) -> None:
    async with RotatorLogin(wallet, "wallet", "-o", "json") as login, Person() as ada:
        await ada.sign_in(await login.page())
        code, said = await login.ended()
    assert code == 0
    first = (await kept(site.bao))["refresh_token"]
    async with Rotator(wallet, level="debug") as daemon:
        await daemon.says("token.delivered", credential="wallet")
    second = (await kept(site.bao))["refresh_token"]
    told = said + json.dumps(daemon.events)
    assert first != second
    assert first not in told
    assert second not in told


async def test_who_says_no_is_not_signed_in_and_nothing_is_kept(wallet: Path) -> None:
    async with RotatorLogin(wallet, "wallet") as login, Person() as ada:
        assert "Not signed in" in await ada.sign_in(await login.page(), consents=False)
        code, said = await login.ended()
    assert code == 1
    assert "login_refused" in said
    assert "access_denied" in said
    async with Rotator(wallet) as daemon:
        assert (await daemon.says("credential.rejected", credential="wallet"))["error"] == "login_missing"


async def test_a_path_that_holds_something_else_is_told_of_before_anybody_signs_in(site: Site, wallet: Path) -> None:
    await site.bao.request("POST", "secret/data/logins/wallet", {"data": {"theirs": "x"}})
    code, _, said = await rotator("login", "wallet", "-c", wallet)
    assert code == 1
    assert "sink_foreign" in said
    assert "login.path" in said


async def test_a_device_code_is_approved_on_another_device(site: Site) -> None:
    configuration = await prepared(site, BY_DEVICE, grant="device_code")
    async with RotatorLogin(configuration, "wallet") as login, Person() as ada:
        await ada.approve(await login.page(holding="user_code="))
        code, said = await login.ended()
    assert code == 0, said
    async with Rotator(configuration) as daemon:
        await daemon.says("token.delivered", credential="wallet")


async def test_a_withdrawn_consent_is_told_with_its_cure_and_a_new_sign_in_mends_it(site: Site, wallet: Path) -> None:
    await sign_in(wallet)
    async with Rotator(wallet) as daemon:
        await daemon.says("token.delivered", credential="wallet")
    site.oidc.withdraw(site.clients["wallet"].client_id)
    code, _, said = await rotator("rotate", "wallet", "--force", "-c", wallet)
    assert code == 1
    assert "login_ended" in said
    async with Rotator(wallet) as daemon:
        await daemon.says("token.adopted", credential="wallet")
        async with RotatorLogin(wallet, "wallet") as login, Person() as ada:
            await ada.sign_in(await login.page())
            assert (await login.ended())[0] == 0
        await daemon.says("token.delivered", credential="wallet", within=10)


async def test_h01_two_rotators_at_once_never_use_a_refresh_token_twice_and_the_family_survives(site: Site) -> None:
    configuration = await prepared(site, STARTED, lifetime=20)
    await sign_in(configuration)
    other = configuration.with_name("other.toml")
    other.touch(mode=0o600)
    other.write_text(configuration.read_text().replace("/state", "/other-state"))
    client = site.clients["wallet"].client_id
    async with Rotator(configuration) as one, Rotator(other) as two:
        await one.says("daemon.ready")
        await two.says("daemon.ready")
        both = (one, two)
        async with asyncio.timeout(90):
            while sum(len(daemon.named("token.minted", credential="wallet")) for daemon in both) < 5:
                told = [asyncio.ensure_future(daemon.more()) for daemon in both]
                await asyncio.wait(told, return_when=asyncio.FIRST_COMPLETED)
                for waiting in told:
                    waiting.cancel()
                assert [daemon.named("credential.rejected", credential="wallet") for daemon in both] == [[], []]
    statuses = [received.status for received in site.oidc.requests(client)]
    assert set(statuses) == {200}
    alive = [token for token in site.oidc.refresh_tokens(client) if not token.used]
    assert len(alive) == 1
    assert (await kept(site.bao))["refresh_token"] == alive[0].token.reveal()
