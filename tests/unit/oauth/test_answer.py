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


def with_lifetime(literal: bytes) -> bytes:
    """An answer with a lifetime that json.dumps would not write."""
    return b'{"access_token":"t","token_type":"Bearer","expires_in":' + literal + b"}"


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
    "P25 null, told by the token itself": ({"expires_in": None, "access_token": jwt(iat=10, exp=310)}, {}, 300),
    "P29 absurdly long": ({"expires_in": 10**30}, {}, 86400),
    "P29 longer than configured": ({"expires_in": 7200}, {"max_lifetime": 3600.0}, 3600),
    "C05 of a token dated by a clock five minutes slow": ({"access_token": jwt(iat=-300, exp=300)}, {}, 600),
    "C05 of a token dated by a clock that is decades ahead": ({"access_token": jwt(iat=4e9, exp=4e9 + 300)}, {}, 300),
    "P18 beside an error that is null": ({"error": None, "expires_in": 600}, {}, 600),
    "P32 longer than the token itself": ({"expires_in": 600, "access_token": jwt(iat=10, exp=70)}, {}, 60),
    "P30 shorter than any margin": ({"expires_in": 1}, {}, 1),
    "P31 as this answer says, not as others did": ({"expires_in": 60}, {"assumed_lifetime": 600.0}, 60),
}


@pytest.mark.parametrize("case", LIFETIMES)
def test_the_lifetime_is_the_least_that_is_known(case: str) -> None:
    changed, expected, lifetime = LIFETIMES[case]
    body = {"access_token": "t", "token_type": "Bearer", **changed}
    assert read(body, **expected).lifetime == lifetime


HINTS: dict[str, tuple[dict[str, Any], dict[str, Any], float | None]] = {
    "as Microsoft sends it": ({"refresh_in": 300}, {}, 300),
    "a text of digits": ({"refresh_in": "300"}, {}, 300),
    "cut to whole seconds": ({"refresh_in": 300.9}, {}, 300),
    "the last second before the end": ({"refresh_in": 599}, {}, 599),
    "one second": ({"refresh_in": 1}, {}, 1),
    "none": ({}, {}, None),
    "null": ({"refresh_in": None}, {}, None),
    "the whole life": ({"refresh_in": 600}, {}, None),
    "more than the life": ({"refresh_in": 601}, {}, None),
    "more than the life that max_lifetime leaves": ({"refresh_in": 300}, {"max_lifetime": 300.0}, None),
    "zero": ({"refresh_in": 0}, {}, None),
    "less than a second": ({"refresh_in": 0.9}, {}, None),
    "negative": ({"refresh_in": -300}, {}, None),
    "a boolean": ({"refresh_in": True}, {}, None),
    "a word": ({"refresh_in": "soon"}, {}, None),
    "a list": ({"refresh_in": [300]}, {}, None),
    "too large for a float": ({"refresh_in": 10**400}, {}, None),
}


@pytest.mark.parametrize("case", HINTS)
def test_a_hint_at_the_renewal_is_taken_or_passed_over_and_never_refused(case: str) -> None:
    changed, expected, refresh_in = HINTS[case]
    assert read({**GOOD, **changed}, **expected).refresh_in == refresh_in


ODD_TOKENS = {
    "no JWT": "opaque",
    "two parts": "e30.e30",
    "claims that are no base64": "e30.~~~.s",
    "claims that are no JSON": "e30.AAAA.s",
    "claims that are a list": "e30.W10.s",
    "claims nested 40,000 deep": f"e30.{base64.urlsafe_b64encode(b'[' * 40_000).decode()}.s",
    "no iat": jwt(exp=70),
    "an exp that is text": jwt(iat=10, exp="70"),
    "an exp that is true": jwt(iat=False, exp=True),
    "an exp beyond any number": jwt(iat=1, exp=10**400),
    "an exp that is NaN": jwt(iat=1, exp=float("nan")),
    "an exp before iat": jwt(iat=70, exp=10),
}


@pytest.mark.parametrize("case", ODD_TOKENS)
def test_a_token_that_tells_no_lifetime_bounds_nothing_p32(case: str) -> None:
    assert read({**GOOD, "access_token": ODD_TOKENS[case].replace("=", "")}).lifetime == 600


@pytest.mark.parametrize("kind", ["bearer", "BEARER", "Bearer"])
def test_the_token_type_is_read_whatever_its_case_p23(kind: str) -> None:
    assert read({**GOOD, "token_type": kind}).access_token.reveal() == "a.b-c"


REFUSED: dict[str, tuple[bytes | dict[str, Any], Code]] = {
    "P17 an error in a 200": ({"error": "invalid_scope"}, Code.INVALID_SCOPE),
    "P17 an error in a 200, and null for a token": ({"error": "x", "access_token": None}, Code.ANSWER_CONTRADICTORY),
    "P17 an error of null and no token": ({"error": None, "expires_in": 600}, Code.TOKEN_MISSING),
    "P18 an error that is empty, and a token": ({**GOOD, "error": ""}, Code.ANSWER_CONTRADICTORY),
    "P18 an error and a token": ({**GOOD, "error": "invalid_scope"}, Code.ANSWER_CONTRADICTORY),
    "P19 no token": ({"token_type": "Bearer", "expires_in": 600}, Code.TOKEN_MISSING),
    "P19 null": ({**GOOD, "access_token": None}, Code.TOKEN_MISSING),
    "P19 empty": ({**GOOD, "access_token": ""}, Code.TOKEN_MISSING),
    "P19 a number": ({**GOOD, "access_token": 7}, Code.TOKEN_MISSING),
    "P19 a list": ({**GOOD, "access_token": ["t"]}, Code.TOKEN_MISSING),
    "P20 a line break": ({**GOOD, "access_token": "a\nb"}, Code.TOKEN_INVALID),
    "P20 a carriage return": ({**GOOD, "access_token": "a\rb"}, Code.TOKEN_INVALID),
    "P20 a line break at the end": ({**GOOD, "access_token": "a\n"}, Code.TOKEN_INVALID),
    "P20 NUL": ({**GOOD, "access_token": "a\0b"}, Code.TOKEN_INVALID),
    "P20 a space": ({**GOOD, "access_token": "a b"}, Code.TOKEN_INVALID),
    "P20 a quote": ({**GOOD, "access_token": "a'b"}, Code.TOKEN_INVALID),
    "P20 a double quote": ({**GOOD, "access_token": 'a"b'}, Code.TOKEN_INVALID),
    "P20 half a surrogate pair": ({**GOOD, "access_token": "a\ud800b"}, Code.TOKEN_INVALID),
    "P20 another script": ({**GOOD, "access_token": "tökén"}, Code.TOKEN_INVALID),
    "P21 one character above 64 KiB": ({**GOOD, "access_token": "a" * (64 * 1024 + 1)}, Code.TOKEN_INVALID),
    "P22 no token type": ({"access_token": "t", "expires_in": 600}, Code.TOKEN_TYPE_UNSUPPORTED),
    "P24 mac": ({**GOOD, "token_type": "mac"}, Code.TOKEN_TYPE_UNSUPPORTED),
    "P24 DPoP": ({**GOOD, "token_type": "DPoP"}, Code.TOKEN_TYPE_UNSUPPORTED),
    "P24 N_A": ({**GOOD, "token_type": "N_A"}, Code.TOKEN_TYPE_UNSUPPORTED),
    "P24 a list": ({**GOOD, "token_type": ["Bearer"]}, Code.TOKEN_TYPE_UNSUPPORTED),
    "P25 no lifetime anywhere": ({"access_token": "t", "token_type": "Bearer"}, Code.LIFETIME_MISSING),
    "P27 true": ({**GOOD, "expires_in": True}, Code.LIFETIME_INVALID),
    "P27 false": ({**GOOD, "expires_in": False}, Code.LIFETIME_INVALID),
    "P28 zero": ({**GOOD, "expires_in": 0}, Code.EXPIRED_ON_ARRIVAL),
    "P28 zero in digits": ({**GOOD, "expires_in": "0"}, Code.EXPIRED_ON_ARRIVAL),
    "P28 minus a half": ({**GOOD, "expires_in": -0.5}, Code.LIFETIME_INVALID),
    "P28 negative": ({**GOOD, "expires_in": -1}, Code.LIFETIME_INVALID),
    "P28 less than a second": ({**GOOD, "expires_in": 0.5}, Code.EXPIRED_ON_ARRIVAL),
    "P28 a word": ({**GOOD, "expires_in": "abc"}, Code.LIFETIME_INVALID),
    "P28 a list": ({**GOOD, "expires_in": [600]}, Code.LIFETIME_INVALID),
    "P28 full-width digits": ({**GOOD, "expires_in": "\uff16\uff10\uff10"}, Code.LIFETIME_INVALID),
    "P28 NaN": (with_lifetime(b"NaN"), Code.ANSWER_NOT_JSON),
    "P28 Infinity": (with_lifetime(b"Infinity"), Code.ANSWER_NOT_JSON),
    "P28 minus Infinity": (with_lifetime(b"-Infinity"), Code.ANSWER_NOT_JSON),
    "P28 1e999": (with_lifetime(b"1e999"), Code.LIFETIME_INVALID),
    "P29 5000 digits": (with_lifetime(b"9" * 5000), Code.LIFETIME_INVALID),
    "P29 5000 negative digits": (with_lifetime(b"-" + b"9" * 5000), Code.LIFETIME_INVALID),
    "P37 a key twice": (b'{"access_token":"t","access_token":"u","token_type":"Bearer"}', Code.ANSWER_CONTRADICTORY),
    "P37 nested 100,000 deep": (b"[" * 100_000, Code.ANSWER_NOT_JSON),
    "P40 a byte order mark": (b"\xef\xbb\xbf" + json.dumps(GOOD).encode(), Code.ANSWER_NOT_JSON),
    "P40 Latin-1": ('{"access_token":"é"}'.encode("latin-1"), Code.ANSWER_NOT_JSON),
    "P40 UTF-16": (json.dumps(GOOD).encode("utf-16"), Code.ANSWER_NOT_JSON),
    "P40 trailing garbage": (json.dumps(GOOD).encode() + b"x", Code.ANSWER_NOT_JSON),
    "P40 a page": (b"<html>", Code.ANSWER_NOT_JSON),
    "P40 a form": (b"access_token=t&token_type=Bearer&expires_in=600", Code.ANSWER_NOT_JSON),
    "P40 nothing": (b"", Code.ANSWER_NOT_JSON),
    "P40 a list": (b"[]", Code.ANSWER_NOT_JSON),
}


@pytest.mark.parametrize("case", REFUSED)
def test_an_answer_is_refused_that_has(case: str) -> None:
    body, code = REFUSED[case]
    assert refused(body) is code


def test_a_token_of_64_kib_is_read_p21() -> None:
    assert len(read({**GOOD, "access_token": "a" * 64 * 1024}).access_token.reveal()) == 64 * 1024


def test_a_number_of_5000_digits_under_a_key_that_nobody_reads_is_left_alone_p37() -> None:
    assert read(with_lifetime(b'600,"serial":' + b"9" * 5000)).lifetime == 600


def test_a_missing_token_type_is_accepted_where_that_is_asked_for_p22() -> None:
    assert read({"access_token": "t", "expires_in": 600}, assume_bearer=True).lifetime == 600


def test_a_narrower_scope_is_refused_and_named_unless_accepted_p35() -> None:
    narrower = {**GOOD, "scope": "openid"}
    assert refused(narrower, scope="openid admin") is Code.SCOPE_NARROWER
    assert read(narrower, scope="openid admin", accept_narrower_scope=True).scope == "openid"


UNREADABLE_SCOPES = {
    "a list": ["openid", "admin"],
    "a line break": "openid admin\nEVIL=1",
    "half a surrogate pair": "openid admin \ud800",
    "a quote": 'openid "admin"',
    "more than 16 KiB": "openid admin " + "a" * 16384,
}


@pytest.mark.parametrize("case", UNREADABLE_SCOPES)
def test_a_scope_that_cannot_be_read_grants_nothing_that_was_asked_for_p35(case: str) -> None:
    answer = {**GOOD, "scope": UNREADABLE_SCOPES[case]}
    assert refused(answer, scope="openid admin") is Code.SCOPE_NARROWER
    assert read(answer).scope == ""


@pytest.mark.parametrize("said", [{}, {"scope": None}])
def test_a_scope_that_the_answer_leaves_out_is_the_one_asked_for_p35(said: dict[str, None]) -> None:
    answer = {key: value for key, value in GOOD.items() if key != "scope"}
    assert read({**answer, **said}, scope="openid admin").scope == "openid admin"


def test_a_refresh_token_and_unknown_keys_are_left_alone_p36_p37() -> None:
    assert "CANARY" not in repr(read({**GOOD, "refresh_token": "CANARY", "new": {"a": [1]}}))


STATUSES = {
    "P08 500": (500, b"", Code.PROVIDER_UNAVAILABLE),
    "P08 502": (502, b"", Code.PROVIDER_UNAVAILABLE),
    "P08 503 in HTML": (503, b"<html>", Code.PROVIDER_UNAVAILABLE),
    "P08 503 that blames the client": (503, b'{"error":"invalid_client"}', Code.PROVIDER_UNAVAILABLE),
    "P08 504": (504, b"", Code.PROVIDER_UNAVAILABLE),
    "P08 408": (408, b"", Code.PROVIDER_UNAVAILABLE),
    "P08 408 that blames the request": (408, b'{"error":"invalid_request"}', Code.PROVIDER_UNAVAILABLE),
    "P08 425": (425, b"", Code.PROVIDER_UNAVAILABLE),
    "P10 429": (429, b"", Code.PROVIDER_THROTTLED),
    "P10 429 that blames the client": (429, b'{"error":"invalid_client"}', Code.PROVIDER_THROTTLED),
    "P13 403 in HTML": (403, b"<html>", Code.PROVIDER_THROTTLED),
    "P13 403 with an error of its own": (403, b'{"error":"blocked"}', Code.PROVIDER_REFUSED),
    "P14 401": (401, b'{"error":"invalid_client"}', Code.INVALID_CLIENT),
    "P14 401 in HTML": (401, b"<html>", Code.INVALID_CLIENT),
    "P14 401 in words of its own": (401, b'{"error":"unauthorized"}', Code.INVALID_CLIENT),
    "P14 400 invalid_client": (400, b'{"error":"invalid_client"}', Code.INVALID_CLIENT),
    "P15 invalid_request": (400, b'{"error":"invalid_request"}', Code.INVALID_REQUEST),
    "P15 invalid_grant": (400, b'{"error":"invalid_grant"}', Code.INVALID_GRANT),
    "P15 unauthorized_client": (400, b'{"error":"unauthorized_client"}', Code.UNAUTHORIZED_CLIENT),
    "P15 unsupported_grant_type": (400, b'{"error":"unsupported_grant_type"}', Code.UNSUPPORTED_GRANT_TYPE),
    "P15 invalid_scope": (400, b'{"error":"invalid_scope"}', Code.INVALID_SCOPE),
    "P15 invalid_target": (400, b'{"error":"invalid_target"}', Code.INVALID_TARGET),
    "P16 400 in HTML": (400, b"<html>", Code.PROVIDER_REFUSED),
    "P16 400 without a body": (400, b"", Code.PROVIDER_REFUSED),
    "N06 407 of a proxy that nobody asked": (407, b"<html>", Code.PROVIDER_REFUSED),
    "P41 302": (302, b"", Code.PROVIDER_REDIRECTED),
    "P41 302 with an error": (302, b'{"error":"login_required"}', Code.PROVIDER_REDIRECTED),
    "P42 204": (204, b"", Code.ANSWER_STATUS),
    "P42 206": (206, json.dumps(GOOD).encode(), Code.ANSWER_STATUS),
    "P42 304": (304, b"", Code.ANSWER_STATUS),
    "temporarily_unavailable": (400, b'{"error":"temporarily_unavailable"}', Code.PROVIDER_UNAVAILABLE),
    "server_error": (400, b'{"error":"server_error"}', Code.PROVIDER_UNAVAILABLE),
    "slow_down": (400, b'{"error":"slow_down"}', Code.PROVIDER_THROTTLED),
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


@pytest.mark.parametrize("said", ["c0ffee0123456789abcdef0123456789", "a-b.c", "A", "a" * 41, "out_of_cheese"])
def test_an_error_code_that_may_be_a_secret_is_not_shown_p44(said: str) -> None:
    with pytest.raises(RotationError) as caught:
        read({"error": said}, 400)
    assert caught.value.detail == "the token endpoint answered with status 400"


def test_an_error_code_that_is_registered_somewhere_is_shown() -> None:
    with pytest.raises(RotationError, match="status 400 and error 'use_dpop_nonce'"):
        read({"error": "use_dpop_nonce"}, 400)


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
    assert grant.scope.isascii()
    assert grant.access_token.reveal().isprintable()


@given(
    changed=st.fixed_dictionaries(
        {},
        optional={
            "access_token": st.one_of(
                st.text(min_size=1, max_size=30),
                st.dictionaries(
                    st.sampled_from(["exp", "iat"]), st.one_of(st.integers(), st.floats(), st.text(), st.none())
                ).map(lambda claims: jwt(**claims)),
            ),
            "expires_in": st.one_of(
                st.integers(), st.floats(), st.booleans(), st.text(max_size=30), st.integers().map(str)
            ),
            "token_type": st.one_of(st.sampled_from(["Bearer", "bearer", "DPoP"]), st.text(max_size=9)),
            "scope": st.one_of(st.text(max_size=30), st.lists(st.text(max_size=3), max_size=3)),
            "error": st.sampled_from(["invalid_client", "x", "", None]),
        },
    )
)
def test_a_good_answer_however_it_is_bent_is_a_grant_or_a_refusal(changed: dict[str, Any]) -> None:
    try:
        grant = read({**GOOD, **changed})
    except RotationError:
        return
    assert "error" not in changed or changed["error"] is None
    assert 0 < grant.lifetime <= 86400
    assert set(grant.access_token.reveal()) <= set(map(chr, range(0x21, 0x7F)))
    assert set(grant.scope) <= set(map(chr, range(0x20, 0x7F)))
