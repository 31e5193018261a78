from __future__ import annotations

import base64
from urllib.parse import quote_plus, urlencode

import pytest

from rotator.core.model import Secret
from rotator.demo.token_request import FORM, RefusedError, read_token_request

RESERVED = "a:b%/+ z&=£€"
ASKS = {"grant_type": "client_credentials", "scope": "openid admin"}


def basic(client_id: str, secret: str) -> str:
    return raw_basic(f"{quote_plus(client_id)}:{quote_plus(secret)}")


def raw_basic(pair: str) -> str:
    return "Basic " + base64.b64encode(pair.encode()).decode()


def form(**fields: str) -> bytes:
    return urlencode(fields).encode()


def test_an_id_and_a_secret_in_the_header_are_form_decoded_p46() -> None:
    asked = read_token_request(FORM, basic(RESERVED, RESERVED), form(**ASKS))
    assert (asked.client_id, asked.secret) == (RESERVED, Secret(RESERVED))
    assert (asked.grant_type, asked.scope) == ("client_credentials", "openid admin")


def test_an_id_and_a_secret_may_stand_in_the_form_p46() -> None:
    asked = read_token_request(FORM, None, form(client_id=RESERVED, client_secret=RESERVED, **ASKS))
    assert (asked.client_id, asked.secret) == (RESERVED, Secret(RESERVED))


def test_a_published_vector_is_read_p46() -> None:
    header = (
        "Basic MVBwRyUyRlErMTp6JTJGdFo5VndGWnFBcG1JUSUyQlpIMUk1cExrJTJGdUI0dWQlM0FYMiUyRjhiTCUyQndmRlR0MXJGdyUzRA=="
    )
    asked = read_token_request(FORM, header, form(**ASKS))
    assert (asked.client_id, asked.secret) == ("1PpG/Q 1", Secret("z/tZ9VwFZqApmIQ+ZH1I5pLk/uB4ud:X2/8bL+wfFTt1rFw="))


def test_a_missing_scope_is_an_empty_one() -> None:
    assert read_token_request(FORM, basic("id", "secret"), form(grant_type="client_credentials")).scope == ""


@pytest.mark.parametrize(
    ("authorization", "body"),
    [
        pytest.param(None, form(**ASKS), id="nothing"),
        pytest.param(None, form(client_id="id", **ASKS), id="an id alone"),
        pytest.param(None, form(client_id="id", client_secret="", **ASKS), id="an empty secret"),
        pytest.param("Bearer aWQ6c2VjcmV0", form(**ASKS), id="another scheme"),
        pytest.param("Basic id:secret", form(**ASKS), id="no base64"),
        pytest.param(raw_basic("id"), form(**ASKS), id="no colon"),
        pytest.param(raw_basic("id:%ff"), form(**ASKS), id="no UTF-8"),
        pytest.param(raw_basic("id:£"), form(**ASKS), id="not form-encoded"),
    ],
)
def test_a_client_that_does_not_prove_itself_is_refused_with_401(authorization: str | None, body: bytes) -> None:
    with pytest.raises(RefusedError) as refused:
        read_token_request(FORM, authorization, body)
    assert (refused.value.error, refused.value.status) == ("invalid_client", 401)


@pytest.mark.parametrize(
    ("media_type", "body"),
    [
        pytest.param("application/json", form(**ASKS), id="another media type"),
        pytest.param(FORM, b"\xff", id="bytes that are no text"),
        pytest.param(FORM, b"grant_type=%ff", id="no UTF-8"),
        pytest.param(FORM, form(**ASKS) + b"&scope=openid", id="a parameter twice"),
        pytest.param(FORM, form(**ASKS, **{f"p{number}": "1" for number in range(31)}), id="too many parameters"),
        pytest.param(FORM, form(scope="openid"), id="no grant type"),
        pytest.param(FORM, form(client_secret="secret", **ASKS), id="two proofs"),
        pytest.param(FORM, form(client_id="another", **ASKS), id="two ids"),
    ],
)
def test_a_request_that_cannot_be_read_is_an_invalid_request(media_type: str, body: bytes) -> None:
    with pytest.raises(RefusedError) as refused:
        read_token_request(media_type, basic("id", "secret"), body)
    assert (refused.value.error, refused.value.status) == ("invalid_request", 400)
