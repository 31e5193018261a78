from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey

from rotator.demo import tokens
from rotator.testing import FakeClock

ISSUER = "http://127.0.0.1:1"


def decoded(part: str) -> Any:
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


def issue(clock: FakeClock) -> str:
    return tokens.issue(clock, ISSUER, "client", "openid admin", 600)


def test_header_and_claims_are_those_of_the_first_provider_in_its_order() -> None:
    clock = FakeClock()
    header, claims, _ = issue(clock).split(".")
    now = int(clock.now().wall.timestamp())
    assert list(decoded(header)) == ["alg", "typ", "kid"]
    assert (decoded(header)["alg"], decoded(header)["typ"]) == ("RS256", "JWT")
    assert list(decoded(claims)) == ["jti", "iat", "exp", "scope", "iss", "aud"]
    assert list(decoded(claims).values())[1:] == [now, now + 600, "openid admin", ISSUER, "client"]


def test_two_tokens_of_the_same_second_differ() -> None:
    clock = FakeClock()
    assert issue(clock) != issue(clock)


def test_the_published_key_verifies_a_token_and_is_no_private_one() -> None:
    published = tokens.published_keys()
    key_set = KeySet.import_key_set(published)  # type: ignore[arg-type]  # a typed dict there, JSON here
    assert jwt.decode(issue(FakeClock()), key_set, algorithms=["RS256"]).claims["aud"] == "client"
    assert set(published["keys"][0]) == {"kty", "use", "alg", "kid", "n", "e"}


def test_a_token_holds_until_its_last_second_and_not_longer() -> None:
    clock = FakeClock()
    token = issue(clock)
    clock.advance(599)
    assert tokens.verify(clock, ISSUER, token)["aud"] == "client"
    clock.advance(1)
    with pytest.raises(tokens.InvalidTokenError, match="expired"):
        tokens.verify(clock, ISSUER, token)


def test_a_token_of_another_issuer_is_refused() -> None:
    clock = FakeClock()
    with pytest.raises(tokens.InvalidTokenError, match="another issuer"):
        tokens.verify(clock, "http://127.0.0.1:2", issue(clock))


def forged(token: str, header: dict[str, str], signature: str) -> str:
    encoded = base64.urlsafe_b64encode(json.dumps(header).encode()).decode().rstrip("=")
    return ".".join((encoded, token.split(".")[1], signature))


@pytest.mark.parametrize("kind", ["another key", "no algorithm", "a changed claim", "no token"])
def test_a_token_that_this_server_did_not_sign_is_refused(kind: str) -> None:
    clock = FakeClock()
    token = issue(clock)
    header, claims, signature = token.split(".")
    other = RSAKey.generate_key(2048, {"kid": decoded(header)["kid"]}, private=True)
    later = {**decoded(claims), "exp": decoded(claims)["exp"] + 600}
    changed = base64.urlsafe_b64encode(json.dumps(later).encode()).decode().rstrip("=")
    tokens_by_kind = {
        "another key": jwt.encode({"alg": "RS256"}, decoded(claims), other),
        "no algorithm": forged(token, {"alg": "none"}, ""),
        "a changed claim": f"{header}.{changed}.{signature}",
        "no token": "words",
    }
    with pytest.raises(tokens.InvalidTokenError, match="not signed"):
        tokens.verify(clock, ISSUER, tokens_by_kind[kind])
