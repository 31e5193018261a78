"""Grants by assertion, by exchange and of a GitHub App: at the certified server, and at one like GitHub's."""

from __future__ import annotations

import json
import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, RSAKey

from rotator.core.errors import Code, RotationError
from rotator.core.model import ClientCredentials, Secret, fingerprint
from rotator.engine.clock import SystemClock
from rotator.oauth.answer import Expectations
from rotator.oauth.client_auth import ClientAuthSettings
from rotator.oauth.endpoint import EndpointSettings, HttpTokenEndpoint
from rotator.oauth.exchanging import ExchangingEndpoint
from rotator.oauth.grants import GrantParameters
from rotator.oauth.provider import Provider, ProviderSettings
from tests.support.http import serving
from tests.support.oidc import Options
from tests.support.requests import client

if TYPE_CHECKING:
    from rotator.core.model import Grant
    from rotator.core.ports import TokenEndpoint
    from tests.support.oidc import OidcProvider

EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
JWT = "urn:ietf:params:oauth:token-type:jwt"

KEY = ECKey.generate_key("P-256")
PEM = KEY.as_pem(private=True).decode()
KEYS = {"keys": [KEY.as_dict(private=False)]}


async def mint(
    url: str, parameters: GrantParameters, credentials: ClientCredentials, method: str = "none", subject: Any = None
) -> Grant:
    provider = Provider(ProviderSettings(url), SystemClock())
    settings = EndpointSettings(parameters, ClientAuthSettings(method), expected=Expectations(parameters.scope))
    endpoint: TokenEndpoint = HttpTokenEndpoint(provider, settings, SystemClock())
    try:
        return await (endpoint if subject is None else ExchangingEndpoint(endpoint, subject)).mint(credentials)
    finally:
        await provider.close()


async def test_an_assertion_alone_gets_a_token_and_names_its_client_as_googles_service_accounts_do(
    oidc_provider: OidcProvider,
) -> None:
    robot = f"robot-{uuid.uuid4().hex}@project.test"
    oidc_provider.register(robot, method="none", options=Options(grants=(BEARER,), issuers={robot: KEYS}))
    asked = GrantParameters("jwt_bearer", scope="openid")
    credentials = client(robot, private_key=PEM)
    first, second = [await mint(oidc_provider.token_url, asked, credentials) for _ in range(2)]
    assert first.lifetime == 600.0
    assert fingerprint(first.access_token) != fingerprint(second.access_token), "no assertion is taken for a replay"
    (received, _) = oidc_provider.requests(robot)
    assert "client_id" not in received.body


async def test_an_assertion_may_speak_for_somebody_while_a_secret_proves_the_client(
    oidc_provider: OidcProvider,
) -> None:
    options = Options(grants=(BEARER,), issuers={"https://issuer.test": KEYS})
    who = oidc_provider.register(options=options)
    claims = (("iss", "https://issuer.test"), ("sub", "ada"))
    asked = GrantParameters("jwt_bearer", scope="openid", claims=claims)
    credentials = replace(who.credentials, further={"private_key": Secret(PEM)})
    grant = await mint(oidc_provider.token_url, asked, credentials, "client_secret_basic")
    told = jwt.decode(grant.access_token.reveal(), await keys(oidc_provider), algorithms=["RS256"]).claims
    assert told["sub"] == "ada"


async def keys(server: OidcProvider) -> Any:
    provider = Provider(ProviderSettings(server.token_url), SystemClock())
    try:
        answer = await provider.get(server.jwks_url, "the keys at")
    finally:
        await provider.close()
    return KeySet.import_key_set(json.loads(answer.body))


async def test_an_assertion_of_another_key_is_no_grant(oidc_provider: OidcProvider) -> None:
    robot = f"robot-{uuid.uuid4().hex}@project.test"
    oidc_provider.register(robot, method="none", options=Options(grants=(BEARER,), issuers={robot: KEYS}))
    other = ECKey.generate_key("P-256").as_pem(private=True).decode()
    with pytest.raises(RotationError) as caught:
        await mint(oidc_provider.token_url, GrantParameters("jwt_bearer"), client(robot, private_key=other))
    assert caught.value.code is Code.INVALID_GRANT


class Subject:
    """A source of subject tokens that are new each time."""

    def __init__(self, audience: str) -> None:
        self.audience = audience
        self.reads = 0

    async def read(self) -> ClientCredentials:
        self.reads += 1
        now = datetime.now(UTC)  # noqa: TID251  the server looks at its own clock
        claims: dict[str, Any] = {"iss": "https://cluster.test", "sub": f"workload-{self.reads}", "aud": self.audience}
        claims |= {"iat": int(now.timestamp()), "exp": int(now.timestamp()) + 60}
        token = jwt.encode({"alg": "ES256"}, claims, KEY)
        return ClientCredentials("", (), "v1", {"subject_token": Secret(token)})


async def test_a_subject_token_is_read_for_each_exchange(oidc_provider: OidcProvider) -> None:
    who = oidc_provider.register(options=Options(grants=(EXCHANGE,), issuers={"https://cluster.test": KEYS}))
    asked = GrantParameters("token_exchange", scope="openid", subject_token_type=JWT)
    subject = Subject(oidc_provider.issuer)
    for number in (1, 2):
        grant = await mint(oidc_provider.token_url, asked, who.credentials, "client_secret_basic", subject)
        told = jwt.decode(grant.access_token.reveal(), await keys(oidc_provider), algorithms=["RS256"]).claims
        assert told["sub"] == f"workload-{number}"


async def test_a_subject_token_that_is_missing_is_told_of_and_nobody_is_asked(oidc_provider: OidcProvider) -> None:
    who = oidc_provider.register(options=Options(grants=(EXCHANGE,)))
    with pytest.raises(RotationError, match="holds no subject_token") as caught:
        await mint(oidc_provider.token_url, GrantParameters("token_exchange"), who.credentials, "client_secret_basic")
    assert caught.value.code is Code.SECRET_MALFORMED
    assert oidc_provider.requests(who.client_id) == []


APP = RSAKey.generate_key(2048)
INSTALLATION = "/app/installations/1/access_tokens"


def github(token: str = "ghs_16C7e42F292c6912E7710c838347Ae178B4a", hours: float = 1) -> web.Application:  # noqa: S107  from GitHub's documentation
    """What GitHub's documentation says of installation access tokens."""

    async def tokens(request: web.Request) -> web.Response:
        assertion = request.headers["Authorization"].removeprefix("Bearer ")
        claims = jwt.decode(assertion, APP, algorithms=["RS256"]).claims
        now = datetime.now(UTC)  # noqa: TID251  a server has its own clock
        assert request.headers["Accept"] == "application/vnd.github+json"
        assert claims["exp"] - claims["iat"] <= 600
        assert claims["iat"] < now.timestamp()
        if claims["iss"] != "Iv1.app":
            return web.json_response({"message": "A JSON web token could not be decoded"}, status=401)
        ends = (now + timedelta(hours=hours)).strftime("%Y-%m-%dT%H:%M:%SZ")
        document = {"token": token, "expires_at": ends, "permissions": (await request.json()).get("permissions")}
        return web.json_response(document, status=201)

    app = web.Application()
    app.router.add_post(INSTALLATION, tokens)
    return app


async def test_a_github_app_gets_an_installation_token_with_its_hour() -> None:
    asked = GrantParameters("github_installation", extra=(("permissions", '{"contents": "read"}'),))
    async with serving(github()) as url:
        grant = await mint(
            f"{url}{INSTALLATION}", asked, client("Iv1.app", private_key=APP.as_pem(private=True).decode())
        )
    assert grant.access_token.reveal().startswith("ghs_")
    assert 3590 < grant.lifetime <= 3600


@pytest.mark.parametrize(
    ("app", "hours", "code"),
    [("Iv1.other", 1, Code.INVALID_CLIENT), ("Iv1.app", -1, Code.LIFETIME_INVALID)],
    ids=["another app", "an end that is over"],
)
async def test_what_github_refuses_or_says_wrongly_is_told(app: str, hours: float, code: Code) -> None:
    credentials = client(app, private_key=APP.as_pem(private=True).decode())
    async with serving(github(hours=hours)) as url:
        with pytest.raises(RotationError) as caught:
            await mint(f"{url}{INSTALLATION}", GrantParameters("github_installation"), credentials)
    assert caught.value.code is code
