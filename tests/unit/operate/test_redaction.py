"""The last net: what looks like a secret does not get through, what people need does, and nothing makes it slow.

What single texts look like afterwards is held by test_logs.py.
"""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rotator.core.errors import Code
from rotator.core.model import Secret
from rotator.operate.redaction import CUT, is_harmless, redact, redact_fields, redact_text

if TYPE_CHECKING:
    from collections.abc import Callable

ALPHANUMERIC = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
PLAIN = st.text("abc xyz\n\t()[]{}", max_size=20)


def _part(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


@st.composite
def jwts(draw: st.DrawFn) -> str:
    header = {"alg": draw(st.sampled_from(["RS256", "none"])), "kid": draw(st.text(max_size=20))}
    claims = {"sub": draw(st.text(max_size=40)), "exp": draw(st.integers(0, 2**32))}
    return f"{_part(header)}.{_part(claims)}.{draw(st.text(ALPHANUMERIC + '-_', min_size=20, max_size=80))}"


@given(jwts(), PLAIN, PLAIN)
def test_a_web_token_is_cut_out_of_whatever_surrounds_it(token: str, before: str, after: str) -> None:
    assert redact_text(f"{before}{token} {after}") == f"{before}{CUT} {after}"


@given(jwts(), st.integers(20, 60))
def test_a_web_token_that_was_torn_off_is_cut_out_too(token: str, length: int) -> None:
    assert redact_text(f"got {token[:length]}") == f"got {CUT}"


@given(st.sampled_from(["hvs.", "hvb.", "hvr.", "s.", "b.", "r."]), st.text(ALPHANUMERIC, min_size=20, max_size=120))
def test_a_token_of_vault_is_cut_out(prefix: str, rest: str) -> None:
    assert redact_text(f"({prefix}{rest})") == f"({CUT})"


@pytest.mark.parametrize(
    "key",
    [
        *["access_token", "refresh_token", "id_token", "client_token", "client_secret", "client_secret_previous"],
        *["secret", "secret_id", "password", "passwd", "private_key", "api_key", "assertion"],
        *["Authorization", "authorization", "X-Vault-Token", "vault.auth.secret_id", "db_password", "ACCESS_TOKEN"],
    ],
)
def test_whatever_stands_under_a_telling_key_is_cut_out(key: str) -> None:
    assert redact_fields({key: "CANARY"}) == {key: CUT}
    assert redact_fields({key: {"deep": ["CANARY"]}}) == {key: CUT}


def test_a_secret_is_cut_out_of_a_key_too() -> None:
    cut: dict[str, object] = {f"Bearer {CUT}": 1, "a": {f"Bearer {CUT}": 2}}
    assert redact_fields({"Bearer CANARY": 1, "a": {"Bearer CANARY": 2}}) == cut


KEPT: dict[str, object] = {
    "credential": "billing",
    "fingerprint": "0123456789ab",
    "expires_at": "2026-11-24T12:00:00Z",
    "token_type": "Bearer",
    "sink": "vault:secret/tokens/billing",
    "secret_id_file": "/etc/rotator/secret-id",
    "secret_version": "v7",
    "token_url": "https://auth.example.com/token",
    "remaining_s": 299.5,
    "attempt": 3,
    "retryable": True,
    "absent": None,
}


@pytest.mark.parametrize("key", KEPT)
def test_what_people_need_is_kept_as_it_is(key: str) -> None:
    assert redact_fields({key: KEPT[key]}) == {key: KEPT[key]}


@pytest.mark.parametrize("code", Code, ids=lambda code: code.text)
def test_the_words_of_our_own_messages_are_kept(code: Code) -> None:
    assert redact_text(f"{code.text} {code.meaning} {code.cure}") == f"{code.text} {code.meaning} {code.cure}"


SUSPECT = (
    "eyJhbGciOiJSUzI1NiJ9", "hvs.CANARYCANARY", "hvb.CANARYCANARY", "hvr.CANARYCANARY", "s.CANARYCANARYCANARYCANARY",
    "b.CANARYCANARYCANARYCANARY", "r.CANARYCANARYCANARYCANARY", "-----BEGIN PRIVATE KEY-----CANARY", "Bearer CANARY",
    "BASIC CANARY", "https://me:CANARY@host", "access_token=CANARY", "ID-TOKEN : CANARY", "client_secret=CANARY",
    "client_secret_previous=CANARY", 'secret_id\\\\": CANARY', "secretid=CANARY", "password=CANARY", "passwd:CANARY",
    "passphrase='CANARY'", "client_assertion=CANARY", "private_key=CANARY", "apikey=CANARY", "Authorization:CANARY",
    "secret=CANARY", "pa\u017f\u017fword=CANARY", "api_\u212aey=CANARY",
)  # fmt: skip


@pytest.mark.parametrize("text", SUSPECT)
def test_the_quick_look_passes_nothing_over_that_a_closer_one_would_cut(text: str) -> None:
    assert not is_harmless(text)
    assert not is_harmless(f"before\0{text}\0after")
    assert CUT in redact_text(text)
    assert redact_fields({"a": "harmless", "b": text, "c": "harmless"})["b"] == redact_text(text)


def test_the_quick_look_lets_what_we_say_every_day_pass() -> None:
    assert all(is_harmless(str(value)) for value in KEPT.values())
    assert is_harmless("vault:secret/tokens/billing\0see https://auth.example.com/token, which is asked again: soon")


HIDES: dict[str, Callable[[object], object]] = {
    "a list": lambda value: [value],
    "a tuple": lambda value: (value,),
    "a set": lambda value: {value},
    "a frozen set": lambda value: frozenset([value]),
    "a mapping": lambda value: {"a": value},
    "a list in a mapping in a list": lambda value: [{"a": [value]}],
}


@pytest.mark.parametrize(
    "secret", [Secret("CANARY"), "Bearer CANARY", b"Bearer CANARY"], ids=["Secret", "str", "bytes"]
)
@pytest.mark.parametrize("place", HIDES)
def test_a_secret_does_not_hide_in(place: str, secret: object) -> None:
    cut = json.dumps(redact(HIDES[place](secret)))
    assert CUT in cut
    assert "CANARY" not in cut


@given(st.binary(max_size=20))
def test_bytes_that_are_no_text_hide_nothing_and_raise_nothing(before: bytes) -> None:
    assert str(redact(before + b"\xff Bearer CANARY")).endswith(f"\ufffd Bearer {CUT}")


@given(st.text())
def test_what_has_been_cut_once_stays_as_it_is(text: str) -> None:
    once = redact_text(text)
    assert redact_text(once) == once


SLOW = {
    "beginnings of web tokens": "eyJ" * 40_000,
    "one endless beginning": "eyJ" + "a" * 120_000,
    "schemes without a place": "://" * 40_000,
    "a user without a host": "://" + "a" * 120_000,
    "beginnings of Vault tokens": "s." * 60_000,
    "names without a value": "client_secret" * 9_000,
    "a bearer of blanks": "Bearer" + " " * 120_000,
}


@pytest.mark.timeout(10)
@pytest.mark.parametrize("text", SLOW)
def test_no_text_holds_the_loop_up(text: str) -> None:
    assert len(redact_text(SLOW[text])) <= len(SLOW[text])
