"""Reading token answers: what is published, and what is refused as what; the ids are rows of the fault catalogue."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rotator.core.errors import Code, RotationError
from rotator.oauth.answer import Answer, Expectations, read_answer
from rotator.testing import FakeClock

if TYPE_CHECKING:
    from rotator.core.model import Grant

NOW = FakeClock().now()
GOOD = {"access_token": "a.b-c", "expires_in": 600, "token_type": "Bearer", "scope": "openid admin"}


def jwt(**claims: object) -> str:
    parts = [base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in ({}, claims)]
    return ".".join([*parts, "signature"])


def read(body: bytes | dict[str, Any], status: int = 200, **expected: Any) -> Grant:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return read_answer(Answer(status, raw, "the token endpoint"), Expectations(**expected), NOW)


def refused(body: bytes | dict[str, Any], status: int = 200, **expected: Any) -> Code:
    with pytest.raises(RotationError) as caught:
        read(body, status, **expected)
    return caught.value.code


def test_the_first_providers_answer_is_read() -> None:
    token = jwt(iat=1614676262, exp=1614676862)
    grant = read({**GOOD, "access_token": token}, scope="openid admin")
    assert grant.access_token.reveal() == token
    assert (grant.lifetime, grant.scope, grant.issued) == (600.0, "openid admin", NOW)


LIFETIMES: dict[str, tuple[dict[str, Any], dict[str, Any], float]] = {
    "P25 missing, told by the token itself": ({"access_token": jwt(iat=10, exp=310)}, {}, 300),
    "P25 missing, assumed": ({}, {"assumed_lifetime": 120.0}, 120),
    "P26 a text of digits": ({"expires_in": "600"}, {}, 600),
    "P27 a float": ({"expires_in": 600.0}, {}, 600),
    "P27 a float with a rest": ({"expires_in": 600.9}, {}, 600),
    "P29 absurdly long": ({"expires_in": 10**30}, {}, 86400),
    "P29 longer than configured": ({"expires_in": 7200}, {"max_lifetime": 3600.0}, 3600),
    "P32 longer than the token itself": ({"expires_in": 600, "access_token": jwt(iat=10, exp=70)}, {}, 60),
    "a token whose claims make no sense bounds nothing": (
        {"expires_in": 600, "access_token": jwt(iat=9, exp="x")},
        {},
        600,
    ),
}


@pytest.mark.parametrize("case", LIFETIMES)
def test_the_lifetime_is_the_least_that_is_known(case: str) -> None:
    changed, expected, lifetime = LIFETIMES[case]
    body = {"access_token": "t", "token_type": "Bearer", **changed}
    assert read(body, **expected).lifetime == lifetime


@pytest.mark.parametrize("kind", ["bearer", "BEARER", "Bearer"])
def test_the_token_type_is_read_whatever_its_case_p23(kind: str) -> None:
    assert read({**GOOD, "token_type": kind}).access_token.reveal() == "a.b-c"


REFUSED: dict[str, tuple[bytes | dict[str, Any], Code]] = {
    "P17 an error in a 200": ({"error": "invalid_scope"}, Code.INVALID_SCOPE),
    "P18 an error and a token": ({**GOOD, "error": "invalid_scope"}, Code.ANSWER_CONTRADICTORY),
    "P19 no token": ({"token_type": "Bearer", "expires_in": 600}, Code.TOKEN_MISSING),
    "P19 null": ({**GOOD, "access_token": None}, Code.TOKEN_MISSING),
    "P19 empty": ({**GOOD, "access_token": ""}, Code.TOKEN_MISSING),
    "P19 a number": ({**GOOD, "access_token": 7}, Code.TOKEN_MISSING),
    "P19 a list": ({**GOOD, "access_token": ["t"]}, Code.TOKEN_MISSING),
    "P20 a line break": ({**GOOD, "access_token": "a\nb"}, Code.TOKEN_INVALID),
    "P20 a line break at the end": ({**GOOD, "access_token": "a\n"}, Code.TOKEN_INVALID),
    "P20 NUL": ({**GOOD, "access_token": "a\0b"}, Code.TOKEN_INVALID),
    "P20 a space": ({**GOOD, "access_token": "a b"}, Code.TOKEN_INVALID),
    "P20 a quote": ({**GOOD, "access_token": "a'b"}, Code.TOKEN_INVALID),
    "P20 another script": ({**GOOD, "access_token": "tökén"}, Code.TOKEN_INVALID),
    "P21 a MiB": ({**GOOD, "access_token": "a" * (1 << 20)}, Code.TOKEN_INVALID),
    "P22 no token type": ({"access_token": "t", "expires_in": 600}, Code.TOKEN_TYPE_UNSUPPORTED),
    "P24 mac": ({**GOOD, "token_type": "mac"}, Code.TOKEN_TYPE_UNSUPPORTED),
    "P24 DPoP": ({**GOOD, "token_type": "DPoP"}, Code.TOKEN_TYPE_UNSUPPORTED),
    "P25 no lifetime anywhere": ({"access_token": "t", "token_type": "Bearer"}, Code.LIFETIME_MISSING),
    "P27 true": ({**GOOD, "expires_in": True}, Code.LIFETIME_INVALID),
    "P28 zero": ({**GOOD, "expires_in": 0}, Code.LIFETIME_INVALID),
    "P28 negative": ({**GOOD, "expires_in": -1}, Code.LIFETIME_INVALID),
    "P28 less than a second": ({**GOOD, "expires_in": 0.5}, Code.LIFETIME_INVALID),
    "P28 a word": ({**GOOD, "expires_in": "abc"}, Code.LIFETIME_INVALID),
    "P28 a list": ({**GOOD, "expires_in": [600]}, Code.LIFETIME_INVALID),
    "P28 full-width digits": ({**GOOD, "expires_in": "\uff16\uff10\uff10"}, Code.LIFETIME_INVALID),
    "P28 NaN": (b'{"access_token":"t","token_type":"Bearer","expires_in":NaN}', Code.ANSWER_NOT_JSON),
    "P28 Infinity": (b'{"access_token":"t","token_type":"Bearer","expires_in":Infinity}', Code.ANSWER_NOT_JSON),
    "P28 1e999": (b'{"access_token":"t","token_type":"Bearer","expires_in":1e999}', Code.LIFETIME_INVALID),
    "P37 a key twice": (b'{"access_token":"t","access_token":"u","token_type":"Bearer"}', Code.ANSWER_CONTRADICTORY),
    "P37 nested 100,000 deep": (b"[" * 100_000, Code.ANSWER_NOT_JSON),
    "P40 a byte order mark": (b"\xef\xbb\xbf" + json.dumps(GOOD).encode(), Code.ANSWER_NOT_JSON),
    "P40 Latin-1": ('{"access_token":"é"}'.encode("latin-1"), Code.ANSWER_NOT_JSON),
    "P40 UTF-16": (json.dumps(GOOD).encode("utf-16"), Code.ANSWER_NOT_JSON),
    "P40 trailing garbage": (json.dumps(GOOD).encode() + b"x", Code.ANSWER_NOT_JSON),
    "P40 a page": (b"<html>", Code.ANSWER_NOT_JSON),
    "P40 a list": (b"[]", Code.ANSWER_NOT_JSON),
}


@pytest.mark.parametrize("case", REFUSED)
def test_an_answer_is_refused_that_has(case: str) -> None:
    body, code = REFUSED[case]
    assert refused(body) is code


def test_a_number_of_5000_digits_is_a_long_lifetime_and_no_crash_p29() -> None:
    body = b'{"access_token":"t","token_type":"Bearer","expires_in":' + b"9" * 5000 + b"}"
    assert read(body).lifetime == 86400


def test_a_missing_token_type_is_accepted_where_that_is_asked_for_p22() -> None:
    assert read({"access_token": "t", "expires_in": 600}, assume_bearer=True).lifetime == 600


def test_a_narrower_scope_is_refused_and_named_unless_accepted_p35() -> None:
    narrower = {**GOOD, "scope": "openid"}
    assert refused(narrower, scope="openid admin") is Code.SCOPE_NARROWER
    assert read(narrower, scope="openid admin", accept_narrower_scope=True).scope == "openid"


def test_a_refresh_token_and_unknown_keys_are_left_alone_p36_p37() -> None:
    assert "CANARY" not in repr(read({**GOOD, "refresh_token": "CANARY", "new": {"a": [1]}}))


STATUSES = {
    "P08 500": (500, b"", Code.PROVIDER_UNAVAILABLE),
    "P08 503 in HTML": (503, b"<html>", Code.PROVIDER_UNAVAILABLE),
    "P10 429": (429, b"", Code.PROVIDER_THROTTLED),
    "P13 403 in HTML": (403, b"<html>", Code.PROVIDER_THROTTLED),
    "P14 401": (401, b'{"error":"invalid_client"}', Code.INVALID_CLIENT),
    "P14 401 in HTML": (401, b"<html>", Code.INVALID_CLIENT),
    "P14 400 invalid_client": (400, b'{"error":"invalid_client"}', Code.INVALID_CLIENT),
    "P15 invalid_grant": (400, b'{"error":"invalid_grant"}', Code.INVALID_GRANT),
    "P15 unauthorized_client": (400, b'{"error":"unauthorized_client"}', Code.UNAUTHORIZED_CLIENT),
    "P15 unsupported_grant_type": (400, b'{"error":"unsupported_grant_type"}', Code.UNSUPPORTED_GRANT_TYPE),
    "P15 invalid_scope": (400, b'{"error":"invalid_scope"}', Code.INVALID_SCOPE),
    "P15 invalid_target": (400, b'{"error":"invalid_target"}', Code.INVALID_TARGET),
    "P16 400 in HTML": (400, b"<html>", Code.PROVIDER_REFUSED),
    "P16 400 without a body": (400, b"", Code.PROVIDER_REFUSED),
    "P41 302": (302, b"", Code.PROVIDER_REDIRECTED),
    "P41 307": (307, b"", Code.PROVIDER_REDIRECTED),
    "P42 204": (204, b"", Code.ANSWER_STATUS),
    "P42 206": (206, b"{", Code.ANSWER_STATUS),
    "temporarily_unavailable": (400, b'{"error":"temporarily_unavailable"}', Code.PROVIDER_UNAVAILABLE),
    "an error nobody registered": (400, b'{"error":"out_of_cheese"}', Code.PROVIDER_REFUSED),
}


@pytest.mark.parametrize("case", STATUSES)
def test_a_refusal_is_told_as_what_it_is(case: str) -> None:
    status, body, code = STATUSES[case]
    assert refused(body, status) is code


@pytest.mark.parametrize(
    "body",
    [
        {"error": "invalid_client", "error_description": "CANARY"},
        {"error": "CANARY is wrong", "error_uri": "https://CANARY"},
        {"error": ["CANARY"]},
        {"message": "CANARY"},
    ],
)
def test_what_a_server_says_beside_its_error_code_is_not_repeated_p44(body: dict[str, Any]) -> None:
    with pytest.raises(RotationError) as caught:
        read(body, 400)
    assert "CANARY" not in f"{caught.value!r} {caught.value.detail}"


@given(
    body=st.one_of(
        st.binary(max_size=200),
        st.recursive(
            st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=9)),
            lambda inner: st.one_of(
                st.lists(inner, max_size=3),
                st.dictionaries(
                    st.sampled_from(["access_token", "expires_in", "token_type", "scope", "error", "x"]),
                    inner,
                    max_size=5,
                ),
            ),
            max_leaves=12,
        ).map(lambda value: json.dumps(value).encode()),
    ),
    status=st.integers(100, 599),
)
def test_whatever_comes_it_is_a_grant_or_a_refusal(body: bytes, status: int) -> None:
    try:
        grant = read(body, status, assumed_lifetime=60.0)
    except RotationError:
        return
    assert 0 < grant.lifetime <= 86400
