"""What a provider says of a token when it is asked, and what becomes of it."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from rotator.core.errors import Code, RotationError
from rotator.core.model import Grant, Secret
from rotator.oauth.answer import Answer, Expectations
from rotator.oauth.checks.introspection import read_introspection
from tests.support.requests import NOW

GRANT = Grant(Secret("opaque"), NOW, 600.0, "openid admin", refresh_in=400.0)
EXPECTED = Expectations("openid admin")
THEIRS = NOW.wall + timedelta(minutes=5)
"""Their clock is five minutes ahead of ours."""
WHEN = THEIRS.timestamp()


def answer(fields: object = None, status: int = 200, *, dated: bool = True) -> Answer:
    body = fields if isinstance(fields, bytes) else json.dumps(fields or {}).encode()
    return Answer(status, body, "the introspection endpoint", None, THEIRS if dated else None)


def read(fields: dict[str, Any], *, dated: bool = True, asked: float = 1.0, expected: Expectations = EXPECTED) -> Grant:
    return read_introspection(answer({"active": True, **fields}, dated=dated), GRANT, expected, NOW.elapsed + asked)


def failure(said: Answer, expected: Expectations = EXPECTED) -> RotationError:
    with pytest.raises(RotationError) as caught:
        read_introspection(said, GRANT, expected, NOW.elapsed + 1)
    return caught.value


def test_an_active_token_is_as_it_was() -> None:
    assert read({}) == GRANT
    assert read({"scope": "openid admin", "exp": WHEN + 599, "iat": WHEN - 1}) == GRANT


def test_c05_an_earlier_end_shortens_the_life_by_the_provider_s_own_clock() -> None:
    shortened = read({"exp": int(WHEN) + 500})
    assert shortened == replace(GRANT, lifetime=501.0)


def test_a_hint_beyond_the_shorter_life_is_none() -> None:
    assert read({"exp": int(WHEN) + 300}) == replace(GRANT, lifetime=301.0, refresh_in=None)


def test_c05_an_answer_without_a_date_is_read_by_the_token_s_own_beginning() -> None:
    assert read({"exp": 1400, "iat": 1000}, dated=False) == replace(GRANT, lifetime=400.0, refresh_in=None)


@pytest.mark.parametrize("end", [{"exp": 5}, {"exp": "soon"}, {"exp": True}, {"exp": None}, {"exp": 5, "iat": "x"}])
def test_c05_an_end_by_an_unknown_clock_or_that_is_none_changes_nothing(end: dict[str, Any]) -> None:
    assert read(end, dated=False) == GRANT


def test_a_later_end_prolongs_nothing() -> None:
    assert read({"exp": WHEN + 9000}) == GRANT


def test_dates_that_are_cut_to_whole_seconds_are_no_earlier_end() -> None:
    assert read({"exp": int(WHEN) + 598}) == GRANT, "599 s of life left at second 1"


def test_a_token_that_has_ended_by_the_provider_s_clock_is_no_use_and_another_one_may_be() -> None:
    error = failure(answer({"active": True, "exp": int(WHEN) - 3}))
    assert error.code is Code.EXPIRED_ON_ARRIVAL
    assert error.detail == "the introspection endpoint says of the token that it ended 3 s ago"


def test_a_token_that_is_not_active_is_refused() -> None:
    assert failure(answer({"active": False})).code is Code.VERIFY_REFUSED


def test_a_token_that_is_bound_to_a_key_is_refused_although_it_does_not_say_so_itself() -> None:
    assert failure(answer({"active": True, "cnf": {"jkt": "x"}})).code is Code.TOKEN_BOUND


def test_a_narrower_scope_is_refused_or_recorded_as_configured_p35() -> None:
    narrower = {"active": True, "scope": "openid"}
    assert failure(answer(narrower)).code is Code.SCOPE_NARROWER
    assert read(narrower, expected=replace(EXPECTED, accept_narrower_scope=True)).scope == "openid"


NOTHING_SAID: dict[str, tuple[Answer, str]] = {
    "active is missing": (answer({"scope": "openid"}), "without an active"),
    "active is a text": (answer({"active": "true"}), "without an active"),
    "it is no JSON": (answer(b"<html>"), "not JSON"),
    "it says a thing twice": (answer(b'{"active": true, "active": true}'), "a key twice"),
    "our client may not ask": (answer({"error": "invalid_client"}, 401), "status 401 and error 'invalid_client'"),
    "it is found elsewhere": (answer(b"", 302), "status 302"),
}


@pytest.mark.parametrize("case", NOTHING_SAID)
def test_nobody_could_tell_when(case: str) -> None:
    said, words = NOTHING_SAID[case]
    error = failure(said)
    assert error.code is Code.VERIFY_UNAVAILABLE
    assert words in error.detail


def test_p44_a_scope_that_is_the_token_itself_is_not_shown() -> None:
    error = failure(answer({"active": True, "scope": "opaque"}))
    assert "opaque" not in error.detail
