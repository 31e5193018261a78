"""The page about signing in, done as it is written, by somebody who goes through the pages of a real server."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest_asyncio
from aiohttp import ClientSession
from yarl import URL

from rotator.demo.stage import ROTATOR_POLICY
from tests.docs.conftest import place
from tests.support.oidc import Options
from tests.support.pages import example, examples, unsaid
from tests.support.person import Person
from tests.support.process import Rotator
from tests.support.signing_in import RotatorLogin

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from rotator.demo.bao import BaoServer
    from tests.conftest import Admission
    from tests.docs.conftest import Place
    from tests.support.oidc import OidcProvider

PAGE = "docs/howto/sign-in.md"
THX = "https://auth.thx.network"

STARTED = Options(
    grants=("authorization_code", "refresh_token", "urn:ietf:params:oauth:grant-type:device_code"),
)


@pytest_asyncio.fixture
async def wallet(
    tmp_path: Path, bao: BaoServer, admission: Admission, oidc_provider: OidcProvider
) -> AsyncIterator[Place]:
    """All that the page says before anybody signs in."""
    async with place(tmp_path, bao, admission, {}, ROTATOR_POLICY + example(PAGE, "policy")) as site:
        who = {
            "backend": oidc_provider.register(),
            "wallet": oidc_provider.register(scope="openid user offline_access", options=STARTED),
        }
        site.configure("")
        file = site.home / "config.toml"
        head = file.read_text().partition("[providers.")[0]
        (configuration,) = examples(PAGE, "toml")
        file.write_text(head + configuration.text.replace(THX, oidc_provider.issuer))
        await site.sh("bao kv metadata delete secret/logins/wallet; bao kv metadata delete secret/tokens/wallet")
        await site.sh(example(PAGE, "versions"))
        for name, client in who.items():
            secret = site.home / "secret"
            secret.write_text(client.secret.reveal())
            await site.sh(f"bao kv put secret/apps/{name} client_id={client.client_id} client_secret=@secret")
        yield site


def missing(label: str, said: str, issuer: str) -> list[str]:
    """The lines that the page shows and that were not said; two streams of output have no order between them."""
    shown = example(PAGE, label).replace(THX, issuer).replace("45123", "…")
    return [line for line in shown.splitlines() if line and unsaid([line], said)]


async def scope(site: Place, name: str) -> str:
    return (await site.sh(f"bao kv get -field=scope secret/tokens/{name}")).strip()


async def test_a_person_signs_in_while_the_daemon_runs_and_both_rows_of_the_table_are_served(
    wallet: Place, oidc_provider: OidcProvider
) -> None:
    file = wallet.home / "config.toml"
    assert "login_missing" in await wallet.sh("rotator check --live", code=1)
    async with Rotator(file) as daemon:
        await daemon.says("credential.rejected", credential="wallet", error="login_missing")
        async with RotatorLogin(file, "wallet") as login, Person() as ada:
            assert "Signed in" in await ada.sign_in(await login.page())
            code, said = await login.ended()
        assert code == 0, said
        assert missing("login", said, oidc_provider.issuer) == [], said
        await daemon.says("token.delivered", credential="wallet", within=12)
    assert await scope(wallet, "backend") == "openid admin"
    assert await scope(wallet, "wallet") == "openid user"
    kept = json.loads(await wallet.sh("bao kv get -format=json secret/logins/wallet"))["data"]["data"]
    assert {name: bool(text) for name, text in kept.items()} == {
        "refresh_token": True,
        "login": True,
        "signed_in_at": True,
        "claimed_by": False,
    }
    await wallet.sh("rotator check --live")
    await wallet.sh(example(PAGE, "forget"))
    assert "login_missing" in await wallet.sh("rotator rotate --force", code=1)


async def test_an_answer_to_another_sign_in_is_sent_away_and_changes_nothing(wallet: Place) -> None:
    async with RotatorLogin(wallet.home / "config.toml", "wallet") as login, Person() as ada, ClientSession() as page:
        asked = await login.page()
        redirect = URL(asked).query["redirect_uri"]
        for brought in ({"code": "theirs", "state": "theirs"}, {"code": "theirs"}, {"error": "access_denied"}):
            async with page.get(redirect, params=brought) as answer:
                assert answer.status == 400
                assert "theirs" not in await answer.text()
        assert "Signed in" in await ada.sign_in(asked)
        assert (await login.ended())[0] == 0


async def test_a_code_is_typed_in_on_another_device(wallet: Place, oidc_provider: OidcProvider) -> None:
    file = wallet.home / "config.toml"
    async with RotatorLogin(file, "wallet", "--device") as login, Person() as ada:
        await ada.approve(await login.page(holding="user_code="))
        code, said = await login.ended()
    assert code == 0, said
    assert missing("device", said, oidc_provider.issuer) == [], said
    await wallet.sh("rotator rotate")
    assert await scope(wallet, "wallet") == "openid user"


async def test_a_refresh_token_that_was_got_elsewhere_is_taken_over(wallet: Place) -> None:
    file, token = wallet.home / "config.toml", wallet.home / "refresh-token"
    async with RotatorLogin(file, "wallet") as login, Person() as ada:
        await ada.sign_in(await login.page())
        assert (await login.ended())[0] == 0
    token.touch(mode=0o600)
    token.write_text((await wallet.sh("bao kv get -field=refresh_token secret/logins/wallet")).strip())
    await wallet.sh(example(PAGE, "forget"))
    await wallet.sh(example(PAGE, "import"))
    assert not token.exists()
    await wallet.sh("rotator rotate")
    assert await scope(wallet, "wallet") == "openid user"
