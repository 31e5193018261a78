"""What a token request looks like with each preset, against what the provider's documentation shows."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

import pytest
from joserfc.jwk import RSAKey

from rotator.oauth.grants import ask_for
from rotator.settings import asked
from rotator.settings.presets import PRESETS
from tests.support.requests import NOW, at_once, client

if TYPE_CHECKING:
    from rotator.oauth.request import TokenRequest
    from tests.unit.settings.home import Home

KEY = RSAKey.generate_key(2048).as_pem(private=True).decode()
PLAIN = 'token_url = "https://auth.thx.network/token"'
JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
DATED = {"iat", "exp", "jti"}


def request(home: Home, name: str, provider: str = "", credential: str = "") -> TokenRequest:
    """The request for one token of a credential, as its configuration has it."""
    variables = "".join(f'{key} = "{one.sample}"\n' for key, one in PRESETS[name].variables.items())
    text = home.good.replace(PLAIN, f'preset = "{name}"\n{variables}{provider}')
    home.write(text.replace("[credentials.billing]", f"[credentials.billing]\n{credential}", 1))
    settings = home.loads().settings
    thx, billing = settings.providers["thx"], settings.credentials["billing"]
    made = asked.endpoint(thx, billing)
    audience = made.assertion_audience or thx.issuer or thx.token_url or ""
    known = client("app", KEY if made.client_auth.method == "private_key_jwt" else "s3 cret", private_key=KEY)
    return at_once(ask_for(known, made.parameters, made.client_auth, audience, NOW))


def form(sent: TokenRequest) -> dict[str, str]:
    return {key: value for key, (value,) in parse_qs(sent.body.decode(), strict_parsing=True).items()}


def part(jwt: str, index: int) -> dict[str, Any]:
    text = jwt.split(".")[index]
    decoded: dict[str, Any] = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    return decoded


IN_THE_BODY = {
    "entra": 'scope = "https://graph.microsoft.com/.default"\n',
    "azure-b2c": 'scope = "https://contoso.onmicrosoft.com/api/.default"\n',
    "auth0": 'audience = "https://orders.example.com"\n',
    "salesforce": "",
    "authentik": 'scope = "profile"\n',
}


@pytest.mark.parametrize("name", IN_THE_BODY)
def test_id_and_secret_are_in_the_body_where_the_documentation_has_them_there(home: Home, name: str) -> None:
    sent = request(home, name, IN_THE_BODY[name])
    told = dict([IN_THE_BODY[name].strip().replace('"', "").split(" = ")]) if IN_THE_BODY[name] else {}
    wanted = {"grant_type": "client_credentials", "client_id": "app", "client_secret": "s3 cret", **told}
    assert form(sent) == wanted
    assert "Authorization" not in sent.headers


@pytest.mark.parametrize("name", ["thx", "okta", "keycloak", "cognito", "zitadel", "ping", "ory-hydra"])
def test_id_and_secret_are_in_the_header_where_the_documentation_has_them_there(home: Home, name: str) -> None:
    sent = request(home, name, "" if "scope" in PRESETS[name].keys else 'scope = "orders"\n')
    scope = PRESETS[name].keys.get("scope", "orders")
    assert form(sent) == {"grant_type": "client_credentials", "scope": scope}
    assert base64.b64decode(sent.headers["Authorization"].removeprefix("Basic ")) == b"app:s3+cret"


def test_oktas_own_apis_are_asked_for_with_an_assertion_for_the_token_endpoint(home: Home) -> None:
    sent = form(request(home, "okta-org", 'scope = "okta.users.read"\nassertion = { key_id = "k1" }\n'))
    claims = part(sent["client_assertion"], 1)
    assert (claims["iss"], claims["sub"], claims["aud"]) == ("app", "app", "https://example.okta.com/oauth2/v1/token")
    assert part(sent["client_assertion"], 0) == {"alg": "RS256", "typ": "JWT", "kid": "k1"}
    assert sent["grant_type"] == "client_credentials"


@pytest.mark.parametrize(
    ("name", "audience"),
    [
        ("auth0", "https://example.eu.auth0.com/"),
        ("ory-hydra", "https://example.projects.oryapis.com/oauth2/token"),
        ("keycloak", "https://keycloak.example.com/realms/services"),
        ("okta", "https://example.okta.com/oauth2/default/v1/token"),
    ],
)
def test_a_client_that_proves_itself_by_a_key_names_the_audience_of_the_documentation(
    home: Home, name: str, audience: str
) -> None:
    sent = form(request(home, name, 'client_auth = "private_key_jwt"\n'))
    assert part(sent["client_assertion"], 1)["aud"] == audience


def test_google_gets_the_claims_that_its_library_sends_and_nothing_but_the_assertion(home: Home) -> None:
    scope = "https://www.googleapis.com/auth/cloud-platform"
    provider = f'assertion = {{ claims = {{ scope = "{scope}" }} }}\n'
    sent = form(request(home, "google", provider, 'grant = "jwt_bearer"\n'))
    assert sent.keys() == {"grant_type", "assertion"}
    assert sent["grant_type"] == JWT_BEARER
    claims = part(sent["assertion"], 1)
    assert claims.keys() == {"iss", "scope", "aud", *DATED}
    assert (claims["iss"], claims["scope"], claims["aud"]) == ("app", scope, "https://oauth2.googleapis.com/token")
    assert claims["exp"] - claims["iat"] <= 3600
    assert part(sent["assertion"], 0) == {"alg": "RS256", "typ": "JWT"}


def test_google_is_told_whom_a_service_account_acts_for(home: Home) -> None:
    provider = 'assertion = { claims = { scope = "s", sub = "user@example.com" } }\n'
    sent = form(request(home, "google", provider, 'grant = "jwt_bearer"\n'))
    assert part(sent["assertion"], 1)["sub"] == "user@example.com"


def test_salesforce_is_told_the_user_and_whom_the_assertion_is_for(home: Home) -> None:
    provider = 'assertion = { claims = { sub = "user@example.com" } }\n'
    sent = form(request(home, "salesforce", provider, 'grant = "jwt_bearer"\nclient_auth = "none"\n'))
    assert sent.keys() == {"grant_type", "assertion"}
    claims = part(sent["assertion"], 1)
    assert {key: claims[key] for key in ("iss", "sub", "aud")} == {
        "iss": "app",
        "sub": "user@example.com",
        "aud": "https://login.salesforce.com",
    }


def test_zitadel_gets_an_assertion_of_the_service_user_for_its_domain(home: Home) -> None:
    provider = 'assertion = { key_id = "100509901696068329" }\n'
    sent = form(request(home, "zitadel", provider, 'grant = "jwt_bearer"\nclient_auth = "none"\n'))
    assert sent.keys() == {"grant_type", "scope", "assertion"}
    claims = part(sent["assertion"], 1)
    assert {key: claims[key] for key in ("iss", "sub", "aud")} == {
        "iss": "app",
        "sub": "app",
        "aud": "https://example.zitadel.cloud",
    }
    assert part(sent["assertion"], 0)["kid"] == "100509901696068329"


def test_github_gets_a_jwt_of_ten_minutes_at_most_as_the_bearer(home: Home) -> None:
    sent = request(home, "github-app", "", 'grant = "github_installation"\n')
    bearer = sent.headers["Authorization"].removeprefix("Bearer ")
    claims = part(bearer, 1)
    assert claims["iss"] == "app"
    assert claims["exp"] - NOW.wall.timestamp() <= 600
    assert part(bearer, 0)["alg"] == "RS256"
