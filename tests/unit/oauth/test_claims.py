"""What a token says of itself, held against what it should say."""

from __future__ import annotations

from typing import Any

import pytest
from joserfc.jwk import ECKey

from rotator.core.errors import Code, RotationError
from rotator.core.model import Grant, Secret
from rotator.oauth.checks.claims import Claims, Expected, check_claims
from tests.support.plain_client import signed
from tests.support.requests import NOW, client

ISSUER = "https://auth.example.com"
WANTED = Expected(issuer=ISSUER, audience="urn:api", scope="openid admin")
GOOD = {"iss": ISSUER, "aud": "urn:api", "scope": "openid admin", "iat": 1000.0, "exp": 1600.0}

STANDS: dict[str, dict[str, Any]] = {
    "all is as wanted": {},
    "the audience is one of several": {"aud": ["urn:other", "urn:api"]},
    "the scope is wider": {"scope": "user admin openid"},
    "the scope is a list": {"scope": ["openid", "admin"]},
    "the scope is in scp": {"scope": None, "scp": ["openid", "admin"]},
    "c05 the provider's clock is an hour ahead of ours": {"iat": 4600.0, "exp": 5200.0},
    "c05 the provider's clock is an hour behind ours": {"iat": 1.0, "exp": 601.0},
    "it is good from its beginning": {"nbf": 1000.0},
    "it is good from a minute after": {"nbf": 1060.0},
    "it is good from before": {"nbf": 940.0},
    "it tells no dates": {"iat": None, "exp": None},
    "it has claims that nobody asks for": {"cats": ["Tom"], "sub": "me"},
}


@pytest.mark.parametrize("case", STANDS)
def test_a_token_stands_when(case: str) -> None:
    check_claims({**GOOD, **STANDS[case]}, WANTED)


FALLS: dict[str, tuple[dict[str, Any], str]] = {
    "another issuer": ({"iss": f"{ISSUER}/"}, "iss is another one; wanted 'https://auth.example.com', to the letter"),
    "an issuer that is no text": ({"iss": [ISSUER]}, "iss is another one"),
    "another audience": ({"aud": "urn:api2"}, "aud is another one; wanted 'urn:api' in it"),
    "audiences without it": ({"aud": ["urn:a", 7]}, "aud is another one"),
    "a word of an audience": ({"aud": "urn:api urn:other"}, "aud is another one"),
    "less scope": ({"scope": "openid"}, "scope is without 'admin'"),
    "no scope": ({"scope": None}, "scope is without 'admin openid'"),
    "an end before its beginning": ({"exp": 999.0}, "ends 1 s before it was issued"),
    "an end at its beginning": ({"exp": 1000.0}, "ends 0 s before it was issued"),
    "an end that is no number": ({"exp": "1600"}, "exp is no number"),
    "an end that is no end": ({"exp": float("inf")}, "exp is no number"),
    "a beginning that is no number": ({"iat": True}, "iat is no number"),
    "a start that is no number": ({"nbf": "now"}, "nbf is no number"),
    "a start after its end": ({"nbf": 1600.0, "iat": None}, "never good"),
    "a late start": ({"nbf": 1061.0}, "good only 61 s after it was issued"),
}


@pytest.mark.parametrize("case", FALLS)
def test_a_token_is_refused_for(case: str) -> None:
    changed, words = FALLS[case]
    with pytest.raises(RotationError, match=words) as caught:
        check_claims({**GOOD, **changed}, WANTED)
    assert caught.value.code is Code.VERIFY_REFUSED


@pytest.mark.parametrize("name", ["iss", "aud"])
def test_a_claim_that_is_missing_is_said_to_be(name: str) -> None:
    with pytest.raises(RotationError, match=f"{name} is missing"):
        check_claims({key: value for key, value in GOOD.items() if key != name}, WANTED)


def test_what_nobody_asks_for_is_not_looked_at() -> None:
    check_claims({}, Expected())


def test_what_a_token_says_of_somebody_is_not_shown() -> None:
    with pytest.raises(RotationError) as caught:
        check_claims({**GOOD, "iss": "CANARY", "aud": "CANARY", "scope": "CANARY"}, WANTED)
    assert "CANARY" not in str(caught.value)


def grant(token: str) -> Grant:
    return Grant(Secret(token), NOW, 600.0, "openid admin")


async def test_without_signatures_a_token_is_believed() -> None:
    token = signed(ECKey.generate_key("P-256"), "ES256", iss=ISSUER, aud="urn:api", scope="openid admin")
    assert await Claims(WANTED, None).verify(client(), grant(token)) == grant(token)


async def test_a_token_that_is_no_jwt_has_no_claims() -> None:
    with pytest.raises(RotationError, match="is no JSON Web Token") as caught:
        await Claims(WANTED, None).verify(client(), grant("opaque"))
    assert caught.value.code is Code.VERIFY_REFUSED
    assert "opaque" not in str(caught.value)
