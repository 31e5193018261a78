from __future__ import annotations

from base64 import b64decode
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, unquote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rotator.core.errors import Code, RotationError
from rotator.core.model import Secret
from rotator.oauth.client_auth import basic_credentials
from rotator.oauth.grants import GrantParameters
from tests.support.requests import built

if TYPE_CHECKING:
    from rotator.oauth.client_auth import BasicEncoding

SEED_ID = "_lntZMrYTLdoc_Eqxd1mZ"
SEED_SECRET = Secret("3LlIsWk5Ef2DU_OOERbLqrXEhtMru8hxuMZ7fo8WD8E5aJAXDVLppdkoMMgxcPbktzlgps5fe_SyjQH8CWv6XQ")
SEED_HEADER = (
    "Basic X2xudFpNcllUTGRvY19FcXhkMW1aOjNMbElzV2s1RWYyRFVfT09FUmJMcXJYRWh0TXJ1OGh4dU1aN2ZvOFdEOEU1YUpBWERWTHBwZGtvTU1n"
    "eGNQYmt0emxncHM1ZmVfU3lqUUg4Q1d2NlhR"
)


@pytest.mark.parametrize("encoding", ["rfc6749", "raw"])
def test_the_first_providers_request_is_reproduced(encoding: BasicEncoding) -> None:
    parameters = GrantParameters(scope="openid admin")
    request = built(parameters, "client_secret_basic", encoding, SEED_ID, SEED_SECRET)
    assert request.headers["Authorization"] == SEED_HEADER
    assert request.headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert request.body == b"grant_type=client_credentials&scope=openid+admin"


@pytest.mark.parametrize(
    ("client_id", "secret", "header"),
    [
        (
            "1PpG/Q 1",
            "z/tZ9VwFZqApmIQ+ZH1I5pLk/uB4ud:X2/8bL+wfFTt1rFw=",
            (
                "Basic MVBwRyUyRlErMTp6JTJGdFo5VndGWnFBcG1JUSUyQlpIMUk1cExrJTJGdUI0dWQ"
                "lM0FYMiUyRjhiTCUyQndmRlR0MXJGdyUzRA=="
            ),
        ),
    ],
)
def test_a_published_vector_is_reproduced_p46(client_id: str, secret: str, header: str) -> None:
    assert basic_credentials(client_id, Secret(secret), "rfc6749") == header


def test_the_example_of_rfc_6749_appendix_b_is_reproduced_p46() -> None:
    header = basic_credentials("id", Secret(" %&+£€"), "rfc6749")
    assert b64decode(header.removeprefix("Basic ")).decode() == "id:+%25%26%2B%C2%A3%E2%82%AC"


@given(client_id=st.text(min_size=1), secret=st.text(min_size=1))
def test_whatever_id_and_secret_are_a_server_that_decodes_finds_them_again_p46(client_id: str, secret: str) -> None:
    try:
        client_id.encode()
        secret.encode()
    except UnicodeEncodeError:
        return  # lone surrogates are no text
    pair = b64decode(basic_credentials(client_id, Secret(secret), "rfc6749").removeprefix("Basic ")).decode()
    found_id, _, found_secret = pair.partition(":")
    assert (unquote_plus(found_id), unquote_plus(found_secret)) == (client_id, secret)


def test_raw_refuses_an_id_with_a_colon() -> None:
    with pytest.raises(RotationError, match="colon") as caught:
        basic_credentials("a:b", Secret("CANARY"), "raw")
    assert caught.value.code is Code.SECRET_MALFORMED
    assert "CANARY" not in str(caught.value)


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
@pytest.mark.parametrize("encoding", ["rfc6749", "raw"])
def test_a_secret_that_is_no_text_is_refused_and_not_shown(method: str, encoding: BasicEncoding) -> None:
    with pytest.raises(RotationError) as caught:
        built(GrantParameters(), method, encoding, "id", Secret("CANARY\ud800"))
    assert caught.value.code is Code.SECRET_MALFORMED
    assert "CANARY" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


def test_client_secret_post_puts_id_and_secret_into_the_form_and_not_into_a_header() -> None:
    request = built(GrantParameters(), "client_secret_post", "rfc6749", "a:b", Secret("s %&"))
    assert "Authorization" not in request.headers
    assert parse_qsl(request.body.decode()) == [
        ("grant_type", "client_credentials"),
        ("client_id", "a:b"),
        ("client_secret", "s %&"),
    ]


def test_scope_audience_resources_and_further_parameters_are_sent_in_order() -> None:
    parameters = GrantParameters(
        scope="a b", audience="api", resource=("https://x.example", "https://y.example"), extra=(("tenant", "t"),)
    )
    assert parameters.form() == [
        ("grant_type", "client_credentials"),
        ("scope", "a b"),
        ("audience", "api"),
        ("resource", "https://x.example"),
        ("resource", "https://y.example"),
        ("tenant", "t"),
    ]


def test_a_request_does_not_show_its_secret() -> None:
    request = built(GrantParameters(), "client_secret_post", "rfc6749", "id", Secret("CANARY"))
    assert "CANARY" not in repr(request)
