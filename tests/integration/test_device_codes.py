"""Waiting for a person who types a device code in, while the provider has its troubles (RFC 8628 section 3.5)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web

from rotator.core.errors import Code, RotationError
from rotator.engine.clock import SystemClock
from rotator.oauth.answer import Expectations
from rotator.oauth.client_auth import ClientAuthSettings
from rotator.oauth.discovery import DEVICE_AUTHORIZATION
from rotator.oauth.endpoint import EndpointSettings
from rotator.oauth.provider import Provider, ProviderSettings
from rotator.oauth.signing_in import Asked, SignIn
from tests.support.http import serving
from tests.support.requests import client

if TYPE_CHECKING:
    from collections.abc import Iterator

PENDING = (400, {"error": "authorization_pending"})
TOKEN = {"access_token": "a", "token_type": "Bearer", "expires_in": 600}
GOOD: tuple[int, dict[str, Any]] = (200, {**TOKEN, "refresh_token": "kept"})
NOTHING: dict[str, Any] = {}
FAILING, BROKEN = (503, NOTHING), (0, NOTHING)


def server(answers: Iterator[tuple[int, dict[str, Any]]]) -> web.Application:
    async def authorize(_: web.Request) -> web.Response:
        document = {"device_code": "d", "user_code": "ABCD", "verification_uri": "https://as.example/device"}
        return web.json_response({**document, "expires_in": 30, "interval": 0.01})

    async def token(request: web.Request) -> web.Response:
        status, document = next(answers)
        if not status:
            assert request.transport is not None
            request.transport.abort()
        return web.json_response(document, status=status or 500)

    app = web.Application()
    app.router.add_post("/device", authorize)
    app.router.add_post("/token", token)
    return app


async def poll(*answers: tuple[int, dict[str, Any]]) -> str:
    async with serving(server(iter(answers))) as url:
        endpoints = {DEVICE_AUTHORIZATION: f"{url}/device"}
        provider = Provider(ProviderSettings(f"{url}/token", endpoints=endpoints, timeout=1.0), SystemClock())
        settings = EndpointSettings(client_auth=ClientAuthSettings("none"), expected=Expectations(refresh_token=True))
        sign_in = SignIn(provider, settings, client("tv"), SystemClock())
        try:
            return (await sign_in.poll(await sign_in.begin_device(Asked("openid")))).reveal()
        finally:
            await provider.close()


@pytest.mark.parametrize("trouble", [FAILING, BROKEN], ids=["503", "a broken connection"])
async def test_a_provider_that_fails_while_the_code_is_typed_in_costs_no_sign_in(trouble: Any) -> None:
    assert await poll(PENDING, trouble, PENDING, GOOD) == "kept"


@pytest.mark.parametrize(
    ("error", "code"),
    [
        ("access_denied", Code.LOGIN_REFUSED),
        ("expired_token", Code.LOGIN_REFUSED),
        ("invalid_client", Code.INVALID_CLIENT),
    ],
)
async def test_what_the_server_refuses_for_good_ends_it(error: str, code: Code) -> None:
    with pytest.raises(RotationError) as caught:
        await poll(PENDING, (400, {"error": error}))
    assert caught.value.code is code


async def test_an_answer_without_a_refresh_token_is_told_with_what_to_ask_for() -> None:
    with pytest.raises(RotationError) as caught:
        await poll((200, TOKEN))
    assert caught.value.code is Code.NO_REFRESH_TOKEN
    assert "offline_access" in caught.value.code.cure
