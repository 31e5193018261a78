"""What people are told of an answer that was not taken: where, what was found, and none of its text."""

from __future__ import annotations

import json
from typing import Any

import pytest

from rotator.core.errors import RotationError
from rotator.core.model import Secret
from rotator.oauth.answer import LONGEST_TOKEN, Answer, Expectations, read_answer
from rotator.oauth.client_auth import basic_credentials
from rotator.oauth.grants import GrantParameters
from rotator.oauth.request import TokenRequest
from rotator.testing import FakeClock
from tests.support.requests import built

NOW = FakeClock().now()
WHERE = "the token endpoint https://auth.example.com/token"
GOOD: dict[str, Any] = {"access_token": "CANARY", "expires_in": 600, "token_type": "Bearer"}


def _refusal(body: bytes | dict[str, Any], status: int = 200, wait: float | None = None) -> RotationError:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    with pytest.raises(RotationError) as caught:
        read_answer(Answer(status, raw, WHERE, wait), Expectations(scope="openid admin api"), NOW)
    return caught.value


TOLD: dict[str, tuple[bytes | dict[str, Any], str]] = {
    "a page": (b"<html>CANARY", "answered with 12 bytes that are not JSON in UTF-8"),
    "a list": (b'["CANARY"]', "answered with JSON that is not an object"),
    "a key twice": (
        b'{"access_token": "CANARY", "access_token": "CANARY2"}',
        "answered with a JSON object that has a key twice",
    ),
    "an error and a token": ({**GOOD, "error": "CANARY"}, "answered with an error and a token at once"),
    "an error": ({"error": "invalid_scope", "x": "CANARY"}, "answered with status 200 and error 'invalid_scope'"),
    "no token": (
        {**GOOD, "access_token": ["CANARY"]},
        "answered without an access_token that is a non-empty string",
    ),
    "a token that is too long": (
        {**GOOD, "access_token": "C" * (LONGEST_TOKEN + 1)},
        "answered with a token of 65537 characters; at most 65536 fit",
    ),
    "a token with a blank": (
        {**GOOD, "access_token": "CANARY CANARY"},
        "answered with a token that has characters other than letters, digits and -._~+/=",
    ),
    "no type": ({**GOOD, "token_type": None}, "answered without token_type"),
    "another type": ({**GOOD, "token_type": "CANARY"}, "answered with a token_type other than Bearer"),
    "no life": (
        {**GOOD, "expires_in": None},
        "answered without expires_in, and the token itself tells no lifetime",
    ),
    "an unreadable life": ({**GOOD, "expires_in": "CANARY"}, "answered with an expires_in that is no positive number"),
    "a narrower scope": (
        {**GOOD, "scope": "CANARY2 openid"},
        "granted a scope without 'admin api', which was asked for",
    ),
    "an unreadable scope": (
        {**GOOD, "scope": ["CANARY"]},
        "granted something unreadable without 'admin api openid', which was asked for",
    ),
}


@pytest.mark.parametrize("answer", TOLD)
def test_the_message_names_the_endpoint_and_what_it_did_with(answer: str) -> None:
    body, told = TOLD[answer]
    assert _refusal(body).detail == f"{WHERE} {told}"


@pytest.mark.parametrize("status", [200, 400])
def test_a_wait_that_comes_with_an_error_is_carried_on_whatever_its_status_p10(status: int) -> None:
    assert _refusal({"error": "slow_down"}, status, wait=7.0).retry_after == 7.0


def test_an_id_with_a_colon_is_refused_with_what_to_set_instead() -> None:
    with pytest.raises(RotationError) as caught:
        basic_credentials("a:b", Secret("CANARY"), "raw")
    assert caught.value.detail == (
        'the client id has a colon, which basic_encoding = "raw" cannot carry; use "rfc6749" or client_secret_post'
    )


def test_a_secret_that_is_no_text_is_refused_with_what_is_wrong_with_it() -> None:
    with pytest.raises(RotationError) as caught:
        built(GrantParameters(), "client_secret_post", "rfc6749", "id", Secret("CANARY\ud800"))
    assert caught.value.detail == (
        "the client id or the client secret holds half of a surrogate pair, which is no character; store it anew"
    )


def test_a_request_shows_that_it_is_one_and_nothing_else() -> None:
    assert repr(TokenRequest({"Authorization": "CANARY"}, b"CANARY")) == "TokenRequest(…)"


@pytest.mark.parametrize(
    ("encoding", "header"),
    [("rfc6749", "Basic YStiOnMlMjVz"), ("raw", "Basic YSBiOnMlcw==")],
    ids=["rfc6749", "raw"],
)
def test_id_and_secret_are_encoded_as_configured_p46(encoding: Any, header: str) -> None:
    request = built(GrantParameters(), "client_secret_basic", encoding, "a b", Secret("s%s"))
    assert request.headers["Authorization"] == header
