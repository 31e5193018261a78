"""The lifetime that a JSON Web Token tells of itself, or that it tells none."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rotator.oauth.answer import jwt_lifetime

CLAIMS = {
    "a lifetime of ten minutes": (b'{"iat": 1000, "exp": 1600}', 600.0),
    "a lifetime of one second": (b'{"iat": 1000, "exp": 1001}', 1.0),
    "a lifetime of less": (b'{"iat": 1000, "exp": 1000.25}', 0.25),
    "no life": (b'{"iat": 1000, "exp": 1000}', None),
    "an end before its beginning": (b'{"iat": 1000, "exp": 999}', None),
    "an end beyond all numbers": (b'{"iat": 1000, "exp": 1' + b"0" * 400 + b"}", None),
    "an end that is true": (b'{"iat": 0, "exp": true}', None),
    "a beginning that is true": (b'{"iat": false, "exp": 1600}', None),
    "an end that is a text": (b'{"iat": 1000, "exp": "1600"}', None),
    "no end": (b'{"iat": 1000}', None),
    "no claims": (b"[1000, 1600]", None),
    "nothing readable": (b"{", None),
}


def _token(claims: bytes) -> str:
    return f"e30.{base64.urlsafe_b64encode(claims).decode().rstrip('=')}.signature"


@pytest.mark.parametrize("what", CLAIMS)
def test_a_token_tells(what: str) -> None:
    claims, lifetime = CLAIMS[what]
    assert jwt_lifetime(_token(claims)) == lifetime


@given(st.text("abcdefgh?>~", max_size=40))
def test_a_lifetime_is_found_however_long_the_claims_are(subject: str) -> None:
    claims = f'{{"iat": 1000, "exp": 1600, "sub": "{subject}"}}'.encode()
    assert jwt_lifetime(_token(claims)) == 600.0


@given(st.text(max_size=60), st.integers(0, 4))
def test_a_text_that_is_no_token_tells_nothing(text: str, dots: int) -> None:
    assert jwt_lifetime(text + "." * dots) is None
