"""How the certified oidc-provider answers what rotator asks of it, told by plain requests: the tests rely on it."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import ssl
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import aiohttp
import pytest
import pytest_asyncio
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, OctKey

from rotator.engine.clock import SystemClock
from tests.support.authority import self_signed
from tests.support.oidc import OidcProvider, Options
from tests.support.person import Person

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from joserfc.jwk import Key
    from yarl import URL

    from tests.support.authority import Certificate
    from tests.support.oidc import Client

DEVICE_CODE = "urn:ietf:params:oauth:grant-type:device_code"
EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
ASSERTION = "urn:ietf:params:oauth:grant-type:jwt-bearer"
ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"
JWT = "urn:ietf:params:oauth:token-type:jwt"
CLIENT_ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

CLIENT_CREDENTIALS = {"grant_type": "client_credentials", "scope": "openid admin"}
OFFLINE = "openid user offline_access"
PERSON = Options(grants=("authorization_code", "refresh_token"))
REDIRECT = "http://127.0.0.1:43210/callback"  # the client is registered without a port
VERIFIER = "a-verifier-of-forty-three-characters-or-more-"
KEY = ECKey.generate_key("P-256")
KEYS = {"keys": [KEY.as_dict(private=False)]}

Answer = tuple[int, dict[str, Any]]


@dataclass(frozen=True)
class Server:
    provider: OidcProvider
    session: aiohttp.ClientSession

    async def post(
        self, url: str, form: dict[str, str], *, tls: ssl.SSLContext | None = None, dpop: str | None = None
    ) -> Answer:
        """Status and body of an answer."""
        headers = {} if dpop is None else {"DPoP": dpop}
        async with self.session.post(url, data=form, headers=headers, ssl=tls or True) as answer:
            return answer.status, await answer.json(content_type=None) or {}

    async def token(self, client: Client, **form: str) -> Answer:
        """What the token endpoint answers a client that sends its id and its secret."""
        return await self.post(self.provider.token_url, {**self.identity(client), **form})

    def identity(self, client: Client) -> dict[str, str]:
        return {"client_id": client.client_id, "client_secret": client.secret.reveal()}

    def authorization(self, client: Client, scope: str = OFFLINE, **more: str) -> str:
        """Where a browser is sent."""
        digest = hashlib.sha256(VERIFIER.encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        asked = {
            "client_id": client.client_id,
            "response_type": "code",
            "redirect_uri": REDIRECT,
            "scope": scope,
            "state": "of-this-test",
            "prompt": "consent",
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        return f"{self.provider.authorization_url}?{urlencode({**asked, **more})}"

    async def consented(self, client: Client, scope: str = OFFLINE, *, consents: bool = True, **more: str) -> URL:
        async with Person() as person:
            return await person.answer(self.authorization(client, scope, **more), consents=consents)

    async def tokens(self, client: Client, scope: str = OFFLINE) -> dict[str, Any]:
        """What a person's consent gives."""
        code = (await self.consented(client, scope)).query["code"]
        status, answer = await self.exchange(client, code)
        assert status == 200, answer
        return answer

    async def exchange(self, client: Client, code: str, verifier: str = VERIFIER) -> Answer:
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": REDIRECT, "code_verifier": verifier}
        return await self.token(client, **form)

    async def refresh(self, client: Client, refresh_token: str) -> Answer:
        return await self.token(client, grant_type="refresh_token", refresh_token=refresh_token)

    async def introspect(self, client: Client, token: str) -> dict[str, Any]:
        status, answer = await self.post(self.provider.introspection_url, {**self.identity(client), "token": token})
        assert status == 200, answer
        return answer

    async def get(self, url: str) -> Answer:
        async with self.session.get(url) as answer:
            return answer.status, await answer.json()


@pytest_asyncio.fixture
async def server(oidc_provider: OidcProvider) -> AsyncIterator[Server]:
    async with aiohttp.ClientSession() as session:
        yield Server(oidc_provider, session)


def person_client(server: Server, options: Options = PERSON, lifetime: int = 600) -> Client:
    return server.provider.register(method="client_secret_post", scope=OFFLINE, lifetime=lifetime, options=options)


def signed(key: Key, alg: str, *, header: dict[str, Any] | None = None, **claims: Any) -> str:
    """A JWT of now, for a minute."""
    now = int(SystemClock().now().wall.timestamp())
    dated = {"iat": now, "exp": now + 60, "jti": uuid.uuid4().hex}
    return jwt.encode({"alg": alg, **(header or {})}, {**dated, **claims}, key)


def claims(token: str) -> dict[str, Any]:
    payload = token.split(".")[1]
    found: dict[str, Any] = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return found


# Discovery


@pytest.mark.parametrize("document", ["openid-configuration", "oauth-authorization-server"])
async def test_both_discovery_documents_name_the_issuer_and_every_endpoint(server: Server, document: str) -> None:
    provider = server.provider
    status, found = await server.get(f"{provider.issuer}/.well-known/{document}")
    assert status == 200
    assert found["issuer"] == provider.issuer
    assert found["token_endpoint"] == provider.token_url
    assert found["authorization_endpoint"] == provider.authorization_url
    assert found["device_authorization_endpoint"] == provider.device_authorization_url
    assert found["introspection_endpoint"] == provider.introspection_url
    assert found["revocation_endpoint"] == provider.revocation_url
    assert found["jwks_uri"] == provider.jwks_url
    assert found["mtls_endpoint_aliases"] == {"token_endpoint": provider.tls_token_url}
    assert {DEVICE_CODE, EXCHANGE, ASSERTION, "refresh_token"} < set(found["grant_types_supported"])


# Client authentication


@pytest.mark.parametrize(
    ("method", "alg", "key"),
    [("client_secret_jwt", "HS256", None), ("private_key_jwt", "ES256", KEY)],
    ids=["client_secret_jwt", "private_key_jwt"],
)
async def test_a_signed_assertion_names_a_client_once(server: Server, method: str, alg: str, key: Key | None) -> None:
    client = server.provider.register(method=method, options=Options(metadata={"jwks": KEYS} if key else {}))
    by = key or OctKey.import_key(client.secret.reveal())
    whose: dict[str, Any] = {"iss": client.client_id, "sub": client.client_id, "aud": server.provider.issuer}
    form = {
        **CLIENT_CREDENTIALS,
        "client_assertion_type": CLIENT_ASSERTION,
        "client_assertion": signed(by, alg, **whose),
    }
    assert (await server.post(server.provider.token_url, form))[0] == 200
    status, answer = await server.post(server.provider.token_url, form)
    assert (status, answer["error"]) == (401, "invalid_client")


@pytest.mark.parametrize("claim", [{"aud": "https://elsewhere.test"}, {"exp": 1}, {"jti": ""}, {"iss": "another"}])
async def test_an_assertion_with_a_wrong_claim_names_nobody(server: Server, claim: dict[str, Any]) -> None:
    client = server.provider.register(method="private_key_jwt", options=Options(metadata={"jwks": KEYS}))
    right = {"iss": client.client_id, "sub": client.client_id, "aud": server.provider.issuer}
    assertion = signed(KEY, "ES256", **{**right, **claim})
    form = {**CLIENT_CREDENTIALS, "client_assertion_type": CLIENT_ASSERTION, "client_assertion": assertion}
    status, answer = await server.post(server.provider.token_url, form)
    assert (status, answer["error"]) == (401, "invalid_client")


async def test_a_client_of_another_method_is_refused(server: Server) -> None:
    client = server.provider.register(method="client_secret_jwt")
    status, answer = await server.token(client, **CLIENT_CREDENTIALS)
    assert (status, answer["error"]) == (401, "invalid_client")


async def test_metadata_that_fit_no_client_are_refused_with_the_servers_reason(server: Server) -> None:
    with pytest.raises(RuntimeError, match="jwks or jwks_uri is mandatory"):
        server.provider.register(method="private_key_jwt")


@pytest.fixture
def shows(server: Server, tmp_path: Path) -> Any:
    """TLS settings that trust the server, and show a certificate if there is one."""

    def settings(certificate: Certificate | None = None) -> ssl.SSLContext:
        context = ssl.create_default_context(cadata=server.provider.authority.root.pem)
        if certificate is not None:
            certificate.write(tmp_path / "certificate.pem", tmp_path / "key.pem")
            context.load_cert_chain(tmp_path / "certificate.pem", tmp_path / "key.pem")
        return context

    return settings


async def test_a_certificate_of_the_authority_names_a_client_and_binds_its_token(server: Server, shows: Any) -> None:
    right, other = server.provider.authority.client("billing"), server.provider.authority.client("other")
    bound = {"tls_client_auth_subject_dn": right.subject, "tls_client_certificate_bound_access_tokens": True}
    client = server.provider.register(method="tls_client_auth", options=Options(metadata=bound))
    form = {**CLIENT_CREDENTIALS, "client_id": client.client_id}
    status, answer = await server.post(server.provider.tls_token_url, form, tls=shows(right))
    assert (status, answer["token_type"]) == (200, "Bearer")
    assert claims(answer["access_token"])["cnf"] == {"x5t#S256": right.thumbprint}
    for shown in (other, self_signed("billing"), None):
        assert (await server.post(server.provider.tls_token_url, form, tls=shows(shown)))[0] == 401
    assert (await server.post(server.provider.token_url, form))[0] == 401


async def test_a_certificate_by_its_dns_name_is_found_as_well(server: Server, shows: Any) -> None:
    certificate = server.provider.authority.client("billing")
    metadata = {"tls_client_auth_san_dns": "billing.test"}
    client = server.provider.register(method="tls_client_auth", options=Options(metadata=metadata))
    form = {**CLIENT_CREDENTIALS, "client_id": client.client_id}
    assert (await server.post(server.provider.tls_token_url, form, tls=shows(certificate)))[0] == 200


async def test_a_certificate_that_nobody_vouches_for_names_the_client_that_registered_it(
    server: Server, shows: Any
) -> None:
    mine, other = self_signed("mine"), self_signed("mine")
    metadata = {"jwks": mine.jwks()}
    client = server.provider.register(method="self_signed_tls_client_auth", options=Options(metadata=metadata))
    form = {**CLIENT_CREDENTIALS, "client_id": client.client_id}
    assert (await server.post(server.provider.tls_token_url, form, tls=shows(mine)))[0] == 200
    assert (await server.post(server.provider.tls_token_url, form, tls=shows(other)))[0] == 401


async def test_a_proof_of_possession_makes_a_token_that_is_no_bearer(server: Server) -> None:
    metadata = {"dpop_bound_access_tokens": True}
    client = server.provider.register(method="client_secret_post", options=Options(metadata=metadata))
    form = {**CLIENT_CREDENTIALS, **server.identity(client)}
    header = {"typ": "dpop+jwt", "jwk": KEY.as_dict(private=False)}
    proof = signed(KEY, "ES256", header=header, htm="POST", htu=server.provider.token_url)
    status, answer = await server.post(server.provider.token_url, form, dpop=proof)
    assert (status, answer["token_type"]) == (200, "DPoP")
    assert claims(answer["access_token"])["cnf"] == {"jkt": KEY.thumbprint()}
    status, answer = await server.post(server.provider.token_url, form)
    assert (status, answer["error"]) == (400, "invalid_grant")


# Introspection and revocation


async def test_an_opaque_token_is_told_of_until_it_is_revoked(server: Server) -> None:
    client = server.provider.register(method="client_secret_post", options=Options(opaque=True))
    token = (await server.token(client, **CLIENT_CREDENTIALS))[1]["access_token"]
    found = await server.introspect(client, token)
    assert (found["active"], found["scope"], found["client_id"]) == (True, "openid admin", client.client_id)
    revocation = await server.post(server.provider.revocation_url, {**server.identity(client), "token": token})
    assert revocation == (200, {})
    assert await server.introspect(client, token) == {"active": False}
    paths = [
        len(server.provider.requests(client.client_id, f"/token/{name}")) for name in ("introspection", "revocation")
    ]
    assert paths == [2, 1]


@pytest.mark.parametrize("endpoint", ["introspection_url", "revocation_url"])
async def test_a_jwt_can_be_neither_introspected_nor_revoked_here(server: Server, endpoint: str) -> None:
    client = server.provider.register(method="client_secret_post")
    token = (await server.token(client, **CLIENT_CREDENTIALS))[1]["access_token"]
    form = {**server.identity(client), "token": token}
    status, answer = await server.post(getattr(server.provider, endpoint), form)
    assert (status, answer["error"]) == (400, "unsupported_token_type")


# Authorization code and refresh token


async def test_a_person_who_consents_gives_tokens_for_the_scope_that_was_asked(server: Server) -> None:
    client = person_client(server)
    back = await server.consented(client)
    assert str(back).startswith(f"{REDIRECT}?")
    assert (back.query["state"], back.query["iss"]) == ("of-this-test", server.provider.issuer)
    status, answer = await server.exchange(client, back.query["code"])
    assert (status, answer["token_type"], answer["expires_in"], answer["scope"]) == (200, "Bearer", 600, OFFLINE)
    found = claims(answer["access_token"])
    assert (found["sub"], found["aud"]) == ("ada", client.client_id)
    keys = KeySet.import_key_set((await server.get(server.provider.jwks_url))[1])  # type: ignore[arg-type]
    assert jwt.decode(answer["id_token"], keys, algorithms=["RS256"]).claims["sub"] == "ada"


async def test_a_person_who_refuses_sends_the_client_an_error(server: Server) -> None:
    back = await server.consented(person_client(server), consents=False)
    assert (back.query["error"], back.query["state"]) == ("access_denied", "of-this-test")


async def test_a_code_is_exchanged_with_its_verifier_only(server: Server) -> None:
    client = person_client(server)
    code = (await server.consented(client)).query["code"]
    status, answer = await server.exchange(client, code, "another-verifier-of-forty-three-characters-")
    assert (status, answer["error"]) == (400, "invalid_grant")


async def test_a_code_that_comes_twice_takes_its_tokens_along(server: Server) -> None:
    client = person_client(server)
    code = (await server.consented(client)).query["code"]
    await server.exchange(client, code)
    assert len(server.provider.refresh_tokens(client.client_id)) == 1
    assert (await server.exchange(client, code))[1]["error"] == "invalid_grant"
    assert server.provider.refresh_tokens(client.client_id) == []


@pytest.mark.parametrize("lacking", ["code_challenge", "redirect_uri"])
async def test_a_request_without_pkce_or_to_another_address_is_refused(server: Server, lacking: str) -> None:
    more = {lacking: "" if lacking == "code_challenge" else "http://127.0.0.1:43210/elsewhere"}
    async with server.session.get(server.authorization(person_client(server), **more), allow_redirects=False) as answer:
        refused = answer.headers.get("Location", await answer.text())
    assert ("invalid_request" if lacking == "code_challenge" else "invalid_redirect_uri") in refused


@pytest.mark.parametrize("prompt", ["consent", "login"])
async def test_offline_access_needs_consent_to_be_asked_for(server: Server, prompt: str) -> None:
    client = person_client(server)
    code = (await server.consented(client, prompt=prompt)).query["code"]
    answer = (await server.exchange(client, code))[1]
    assert ("refresh_token" in answer, answer["scope"]) == (
        (True, OFFLINE) if prompt == "consent" else (False, "openid user")
    )


async def test_a_server_may_give_a_refresh_token_unasked(server: Server) -> None:
    client = person_client(server, Options(grants=PERSON.grants, unasked=True))
    answer = await server.tokens(client, "openid user")
    assert (answer["scope"], "refresh_token" in answer) == ("openid user", True)


async def test_a_refresh_token_is_rotated_and_its_second_use_kills_the_family(server: Server) -> None:
    client = person_client(server)
    first = (await server.tokens(client))["refresh_token"]
    status, answer = await server.refresh(client, first)
    second = answer["refresh_token"]
    assert (status, answer["scope"], first == second) == (200, OFFLINE, False)
    known = {one.token.reveal(): one.used for one in server.provider.refresh_tokens(client.client_id)}
    assert known == {first: True, second: False}
    assert (await server.refresh(client, first))[1]["error"] == "invalid_grant"
    assert server.provider.refresh_tokens(client.client_id) == []
    assert (await server.refresh(client, second))[1]["error"] == "invalid_grant"


async def test_a_refresh_token_may_stay_the_same(server: Server) -> None:
    client = person_client(server, Options(grants=PERSON.grants, rotation=False))
    first = (await server.tokens(client))["refresh_token"]
    assert [(await server.refresh(client, first))[1]["refresh_token"] for _ in range(2)] == [first, first]


async def test_two_who_refresh_at_once_are_not_told_apart_from_a_thief(server: Server) -> None:
    client = person_client(server)
    first = (await server.tokens(client))["refresh_token"]
    answers = await asyncio.gather(*(server.refresh(client, first) for _ in range(2)))
    assert sorted(status for status, _ in answers) == [200, 400]
    assert server.provider.refresh_tokens(client.client_id) == []


async def test_a_consent_that_is_withdrawn_ends_the_grant(server: Server) -> None:
    client = person_client(server)
    first = (await server.tokens(client))["refresh_token"]
    assert [server.provider.withdraw(client.client_id) for _ in range(2)] == [1, 0]
    assert (await server.refresh(client, first))[1]["error"] == "invalid_grant"


async def test_a_revoked_refresh_token_ends_the_grant(server: Server) -> None:
    client = person_client(server)
    first = (await server.tokens(client))["refresh_token"]
    form = {**server.identity(client), "token": first, "token_type_hint": "refresh_token"}
    assert (await server.post(server.provider.revocation_url, form))[0] == 200
    assert (await server.refresh(client, first))[1]["error"] == "invalid_grant"


async def test_lifetimes_are_what_the_client_was_registered_with(server: Server) -> None:
    client = person_client(server, Options(grants=PERSON.grants, refresh_lifetime=1), lifetime=7)
    answer = await server.tokens(client)
    assert answer["expires_in"] == 7
    async with asyncio.timeout(10):
        while (await server.introspect(client, answer["refresh_token"]))["active"]:  # noqa: ASYNC110  it is another process
            await asyncio.sleep(0.1)
    assert (await server.refresh(client, answer["refresh_token"]))[1]["error"] == "invalid_grant"


# Device code


async def device(server: Server) -> tuple[Client, dict[str, Any]]:
    client = person_client(server, Options(grants=(DEVICE_CODE, "refresh_token")))
    form = {**server.identity(client), "scope": OFFLINE}
    status, answer = await server.post(server.provider.device_authorization_url, form)
    assert status == 200, answer
    return client, answer


@pytest.mark.parametrize("consents", [True, False])
async def test_a_device_waits_for_a_person_who_confirms_or_aborts(server: Server, consents: bool) -> None:  # noqa: FBT001  a table
    client, started = await device(server)
    assert started["expires_in"] == 600
    assert "interval" not in started  # RFC 8628 section 3.2: five seconds then
    ask = {"grant_type": DEVICE_CODE, "device_code": started["device_code"]}
    assert (await server.token(client, **ask))[1]["error"] == "authorization_pending"
    async with Person() as person:
        await person.approve(started["verification_uri_complete"], consents=consents)
    status, answer = await server.token(client, **ask)
    if consents:
        assert (status, answer["scope"], "refresh_token" in answer) == (200, OFFLINE, True)
    else:
        assert (status, answer["error"]) == (400, "access_denied")


async def test_a_device_code_that_nobody_confirms_expires(server: Server) -> None:
    options = Options(grants=(DEVICE_CODE, "refresh_token"), device_lifetime=1)
    client = person_client(server, options)
    form = {**server.identity(client), "scope": OFFLINE}
    code = (await server.post(server.provider.device_authorization_url, form))[1]["device_code"]
    said = "authorization_pending"
    async with asyncio.timeout(10):
        while said == "authorization_pending":
            await asyncio.sleep(0.1)
            said = (await server.token(client, grant_type=DEVICE_CODE, device_code=code))[1]["error"]
    assert said == "expired_token"


# Token exchange and assertions


async def test_a_token_is_exchanged_for_one_to_another_audience(server: Server) -> None:
    options = Options(grants=("client_credentials", EXCHANGE), audiences=("https://api.test",))
    client = server.provider.register(method="client_secret_post", options=options)
    mine = (await server.token(client, **CLIENT_CREDENTIALS))[1]["access_token"]
    ask = {"grant_type": EXCHANGE, "subject_token": mine, "subject_token_type": ACCESS_TOKEN}
    status, answer = await server.token(client, **ask, audience="https://api.test", scope="openid")
    assert (status, answer["issued_token_type"], answer["token_type"]) == (200, ACCESS_TOKEN, "Bearer")
    found = claims(answer["access_token"])
    assert (found["aud"], found["sub"], found["scope"]) == ("https://api.test", client.client_id, "openid")
    delegated = await server.token(client, **ask, actor_token=mine, actor_token_type=ACCESS_TOKEN)
    assert claims(delegated[1]["access_token"])["act"] == {"sub": client.client_id}


@pytest.mark.parametrize(
    ("more", "error"),
    [
        ({"audience": "https://elsewhere.test"}, "invalid_target"),
        ({"scope": "user"}, "invalid_scope"),
        ({"subject_token": "nonsense"}, "invalid_request"),
        ({"subject_token_type": "urn:ietf:params:oauth:token-type:saml2"}, "invalid_request"),
        ({"requested_token_type": "urn:ietf:params:oauth:token-type:saml2"}, "invalid_request"),
        ({"actor_token": "alone"}, "invalid_request"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else value,
)
async def test_an_exchange_that_is_not_to_be_is_refused(server: Server, more: dict[str, str], error: str) -> None:
    options = Options(grants=("client_credentials", EXCHANGE))
    client = server.provider.register(method="client_secret_post", options=options)
    mine = (await server.token(client, **CLIENT_CREDENTIALS))[1]["access_token"]
    ask = {"grant_type": EXCHANGE, "subject_token": mine, "subject_token_type": ACCESS_TOKEN}
    status, answer = await server.token(client, **{**ask, **more})
    assert (status, answer["error"]) == (400, error)


async def test_a_jwt_of_a_registered_issuer_is_exchanged(server: Server) -> None:
    options = Options(grants=(EXCHANGE,), issuers={"https://cluster.test": KEYS})
    client = server.provider.register(method="client_secret_post", options=options)
    token = signed(KEY, "ES256", iss="https://cluster.test", sub="workload", aud=server.provider.issuer)
    status, answer = await server.token(client, grant_type=EXCHANGE, subject_token=token, subject_token_type=JWT)
    assert (status, claims(answer["access_token"])["sub"]) == (200, "workload")


async def test_an_assertion_is_taken_once_for_whom_it_speaks_of(server: Server) -> None:
    options = Options(grants=(ASSERTION,), issuers={"https://issuer.test": KEYS})
    client = server.provider.register(method="client_secret_post", options=options)
    assertion = signed(KEY, "ES256", iss="https://issuer.test", sub="robot", aud=server.provider.token_url)
    status, answer = await server.token(client, grant_type=ASSERTION, assertion=assertion, scope="openid")
    assert (status, answer["scope"], claims(answer["access_token"])["sub"]) == (200, "openid", "robot")
    assert "issued_token_type" not in answer
    assert (await server.token(client, grant_type=ASSERTION, assertion=assertion))[1]["error"] == "invalid_grant"


async def test_an_assertion_alone_names_the_client_that_signed_it(server: Server) -> None:
    issuer = f"robot-{uuid.uuid4().hex}@project.test"
    server.provider.register(issuer, method="none", options=Options(grants=(ASSERTION,), issuers={issuer: KEYS}))
    assertion = signed(KEY, "ES256", iss=issuer, sub=issuer, aud=server.provider.token_url)
    form = {"grant_type": ASSERTION, "assertion": assertion}
    assert (await server.post(server.provider.token_url, form))[0] == 200


@pytest.mark.parametrize("claim", [{"aud": "https://elsewhere.test"}, {"exp": 1}, {"iss": "another"}, {"sub": None}])
async def test_an_assertion_with_a_wrong_claim_is_no_grant(server: Server, claim: dict[str, Any]) -> None:
    options = Options(grants=(ASSERTION,), issuers={"https://issuer.test": KEYS})
    client = server.provider.register(method="client_secret_post", options=options)
    right = {"iss": "https://issuer.test", "sub": "robot", "aud": server.provider.token_url}
    assertion = signed(KEY, "ES256", **{**right, **claim})
    status, answer = await server.token(client, grant_type=ASSERTION, assertion=assertion)
    assert (status, answer["error"]) == (400, "invalid_grant")
