"""People sign in and consent in a real browser, and it comes back to the client on loopback."""

from __future__ import annotations

import base64
import hashlib
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import aiohttp
import pytest
from aiohttp import web

from tests.browser.signing_in import approve, sign_in
from tests.support.oidc import Options
from tests.support.second_server import SecondOptions

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from multidict import MultiMapping

    from tests.browser.chromium import Chromium
    from tests.support.oidc import OidcProvider
    from tests.support.second_server import SecondServer

pytestmark = pytest.mark.asyncio(loop_scope="session")

SCOPE = "openid user offline_access"
VERIFIER = "a-verifier-of-forty-three-characters-or-more-"
DEVICE_CODE = "urn:ietf:params:oauth:grant-type:device_code"


@asynccontextmanager
async def loopback(came: list[MultiMapping[str]]) -> AsyncIterator[str]:
    """A client's address at a port of the moment, and what came there."""

    async def answer(request: web.Request) -> web.Response:
        came.append(request.query)
        return web.Response(text="You may close this page.")

    app = web.Application()
    app.router.add_get("/callback", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/callback"
    finally:
        await runner.cleanup()


@pytest.mark.parametrize("consents", [True, False])
async def test_a_person_comes_back_from_the_consent_page_to_a_port_of_the_moment(
    browser: Chromium,
    oidc_provider: OidcProvider,
    consents: bool,  # noqa: FBT001  a table
) -> None:
    client = oidc_provider.register(
        method="none", scope=SCOPE, options=Options(grants=("authorization_code", "refresh_token"))
    )
    challenge = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
    came: list[MultiMapping[str]] = []
    async with loopback(came) as redirect:
        query = {
            "client_id": client.client_id, "response_type": "code", "redirect_uri": redirect, "scope": SCOPE,
            "state": "of-this-test", "prompt": "consent", "code_challenge": challenge, "code_challenge_method": "S256",
        }  # fmt: skip
        said = await sign_in(browser, f"{oidc_provider.authorization_url}?{urlencode(query)}", consents=consents)
    assert said == "You may close this page."
    (back,) = came
    assert back["state"] == "of-this-test"
    if not consents:
        assert back["error"] == "access_denied"
        return
    form = {
        "grant_type": "authorization_code", "code": back["code"], "redirect_uri": redirect,
        "code_verifier": VERIFIER, "client_id": client.client_id,
    }  # fmt: skip
    async with aiohttp.ClientSession() as session, session.post(oidc_provider.token_url, data=form) as answer:
        assert (answer.status, "refresh_token" in await answer.json()) == (200, True)


async def test_a_person_finds_the_way_on_another_servers_pages(browser: Chromium, second_server: SecondServer) -> None:
    client = second_server.register(scope="openid user", options=SecondOptions("authorization_code"))
    challenge = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
    came: list[MultiMapping[str]] = []
    async with loopback(came) as redirect:
        query = {
            "client_id": client.client_id, "response_type": "code", "redirect_uri": redirect, "scope": "openid user",
            "state": "of-this-test", "code_challenge": challenge, "code_challenge_method": "S256",
        }  # fmt: skip
        await sign_in(browser, f"{second_server.authorization_url}?{urlencode(query)}")
    assert [(back["state"], "code" in back) for back in came] == [("of-this-test", True)]


@pytest.mark.parametrize(("consents", "error"), [(True, None), (False, "access_denied")])
async def test_a_person_confirms_the_code_of_a_device_or_aborts(
    browser: Chromium,
    oidc_provider: OidcProvider,
    consents: bool,  # noqa: FBT001  a table
    error: str | None,
) -> None:
    options = Options(grants=(DEVICE_CODE, "refresh_token"))
    client = oidc_provider.register(method="none", scope=SCOPE, options=options)
    async with aiohttp.ClientSession() as session:
        form = {"client_id": client.client_id, "scope": SCOPE}
        async with session.post(oidc_provider.device_authorization_url, data=form) as answer:
            started = await answer.json()
        await approve(browser, started["verification_uri_complete"], consents=consents)
        ask = {"grant_type": DEVICE_CODE, "device_code": started["device_code"], "client_id": client.client_id}
        async with session.post(oidc_provider.token_url, data=ask) as answer:
            assert (await answer.json()).get("error") == error
