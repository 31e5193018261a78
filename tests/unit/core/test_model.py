"""The values: what they show, what they keep, and what they take for whole."""

from __future__ import annotations

import copy
import json
import pickle
import traceback
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rotator.core.model import (
    BearerToken,
    ClientCredentials,
    CredentialSpec,
    Grant,
    Moment,
    Secret,
    TokenRecord,
    fingerprint,
)
from rotator.testing import EPOCH

if TYPE_CHECKING:
    from collections.abc import Callable

CANARY = Secret("CANARY")
NOW = Moment(EPOCH, 1000.0)
TOKEN = BearerToken(CANARY, NOW, 600.9, "openid admin", "inputs", fingerprint(CANARY))
RECORD = TokenRecord.of(TOKEN)


def _traceback_with_locals(secret: Secret) -> str:
    with pytest.raises(TypeError) as caught:
        len(secret)  # type: ignore[arg-type]  # raises, with the secret among the local variables
    return "".join(traceback.TracebackException.from_exception(caught.value, capture_locals=True).format())


SHOWN: dict[str, Callable[[Secret], str]] = {
    "repr": repr,
    "str": str,
    "format": lambda secret: f"{secret}",
    "format with a width": lambda secret: f"{secret:>40}",
    "the percent sign": lambda secret: "%s %r" % (secret, secret),  # noqa: UP031  it is one of the ways
    "a list of it": lambda secret: str([secret]),
    "json that asks for its text": lambda secret: json.dumps({"a": secret}, default=str),
    "a traceback with local variables": _traceback_with_locals,
}


@pytest.mark.parametrize("way", SHOWN)
def test_a_secret_does_not_show_itself_in(way: str) -> None:
    shown = SHOWN[way](CANARY)
    assert "Secret" in shown
    assert "CANARY" not in shown


TAKEN: dict[str, Callable[[Secret], object]] = {
    "pickle": pickle.dumps,
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "json": json.dumps,
    "vars": vars,
}


@pytest.mark.parametrize("way", TAKEN)
def test_a_secret_cannot_be_carried_off_by(way: str) -> None:
    with pytest.raises(TypeError) as caught:
        TAKEN[way](CANARY)
    assert "CANARY" not in str(caught.value)


HOLDERS = {
    "credentials": ClientCredentials("client", (CANARY,), "v1"),
    "a grant": Grant(CANARY, NOW, 600, ""),
    "a token": TOKEN,
    "a record": RECORD,
}


@pytest.mark.parametrize("holder", HOLDERS)
def test_no_secret_is_in_the_repr_of(holder: str) -> None:
    assert "Secret('…')" in repr(HOLDERS[holder])
    assert "CANARY" not in repr(HOLDERS[holder])


def test_secrets_are_equal_when_their_strings_are_and_never_to_the_string_itself() -> None:
    assert Secret("ключ") == Secret("ключ")
    assert len({Secret("a"), Secret("a"), Secret("b")}) == 2
    assert CANARY != "CANARY"


@pytest.mark.parametrize("zone", [None, timezone(timedelta(hours=1))], ids=["none", "another"])
def test_a_moment_with_a_zone_that_is_not_utc_is_refused_c06(zone: timezone | None) -> None:
    with pytest.raises(ValueError, match="UTC"):
        Moment(datetime(2026, 1, 1, tzinfo=zone), 0.0)


@given(st.floats(-1e6, 1e6))
def test_a_moment_finds_the_wall_time_of_an_instant_and_back(elapsed: float) -> None:
    assert NOW.when(NOW.at(elapsed)).elapsed == pytest.approx(elapsed, abs=1e-5)


def test_a_record_never_says_more_than_the_token_lives() -> None:
    late = replace(TOKEN, issued=Moment(EPOCH + timedelta(seconds=0.7), 1000.7), lifetime=600.9)
    record = TokenRecord.of(late)
    assert (record.issued_at, record.expires_at, record.expires_in) == (EPOCH, EPOCH + timedelta(seconds=601), 600)


def test_a_record_keeps_nothing_but_strings_and_shows_its_token_in_one_field_only() -> None:
    assert all(isinstance(value, str) for value in RECORD.fields().values())
    assert [name for name, value in RECORD.fields().items() if "CANARY" in value] == ["access_token"]
    assert "access_token" not in RECORD.metadata()


@given(
    st.text(st.characters(codec="utf-8"), min_size=1),
    st.text(st.characters(codec="utf-8")),
    st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1)),  # noqa: DTZ001  its zone is given below
    st.integers(1, 10**6),
)
def test_a_record_is_read_as_it_was_written(token: str, scope: str, issued: datetime, life: int) -> None:
    at = issued.replace(microsecond=0, tzinfo=UTC)
    secret = Secret(token)
    record = TokenRecord(secret, at, at + timedelta(seconds=life), life, scope, fingerprint(secret), "inputs")
    assert TokenRecord.parse(json.loads(json.dumps(record.fields()))) == record


UNWHOLE: dict[str, dict[str, object]] = {
    "without a token": {"access_token": None},
    "with another token": {"access_token": "edited"},
    "with a token that no encoding can carry": {"access_token": "\ud800"},
    "that ends before it begins": {"expires_at": "2025-01-01T00:00:00Z"},
    "with a date without its zone": {"expires_at": "2026-01-01T01:00:00"},
    "with a date before all dates": {"issued_at": "0001-01-01T00:00:00+23:59"},
    "with a date after all dates": {"expires_at": "9999-12-31T23:59:59-23:59"},
    "with a date that is none": {"issued_at": "yesterday"},
    "with a life that is no number": {"expires_in": "long"},
    "with a life of five thousand digits": {"expires_in": "9" * 5000},
    "with a life that is no string": {"expires_in": 600},
    "with a scope that is no string": {"scope": ["openid"]},
}


@pytest.mark.parametrize("what", UNWHOLE)
def test_no_record_is_seen_in_one(what: str) -> None:
    assert TokenRecord.parse({**RECORD.fields(), **UNWHOLE[what]}) is None


@pytest.mark.parametrize("missing", sorted(RECORD.fields().keys() - {"token_type"}))
def test_no_record_is_seen_in_one_that_lacks(missing: str) -> None:
    assert TokenRecord.parse({key: value for key, value in RECORD.fields().items() if key != missing}) is None


@given(st.dictionaries(st.sampled_from(list(RECORD.fields())), st.text() | st.none() | st.integers() | st.binary()))
def test_whatever_somebody_wrote_into_a_record_is_read_or_is_none(edited: dict[str, object]) -> None:
    parsed = TokenRecord.parse({**RECORD.fields(), **edited})
    assert parsed is None or parsed.fingerprint == fingerprint(parsed.access_token)


OTHER = replace(RECORD, access_token=Secret("other"), fingerprint=fingerprint(Secret("other")))
SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
STAYS = {
    "the same record": (RECORD, True),
    "another token that expires sooner": (replace(OTHER, expires_at=RECORD.expires_at - MINUTE), True),
    "another token that ends when this one is issued c03": (replace(OTHER, expires_at=RECORD.issued_at), False),
    "another token that ends just after this one is issued": (
        replace(OTHER, expires_at=RECORD.issued_at + SECOND),
        True,
    ),
    "another token that expires later": (replace(OTHER, expires_at=RECORD.expires_at + HOUR), False),
    "another token that expires in the same second": (OTHER, False),
    "the same token dated back": (replace(RECORD, expires_at=RECORD.expires_at - HOUR), False),
    "a token from other inputs that expires sooner": (
        replace(OTHER, inputs="changed", expires_at=RECORD.expires_at - HOUR),
        False,
    ),
}


def test_c03_a_record_that_a_clock_dated_ahead_counts_as_issued_now() -> None:
    boot = Moment(datetime(1970, 1, 1, tzinfo=UTC), 30.0)
    assert RECORD.token(boot).expires == 30.0 + 600.0
    assert RECORD.token(NOW).expires == 1600.0


@pytest.mark.parametrize("other", STAYS)
def test_whether_a_record_stays_before(other: str) -> None:
    record, stays = STAYS[other]
    assert RECORD.stays_before(record) is stays


CREDENTIALS = ClientCredentials("client", (CANARY,), "v1")
SPEC = CredentialSpec("billing", "thx", (("scope", "openid"),))
CHANGES = {
    "the provider": (replace(SPEC, provider="other"), CREDENTIALS),
    "the scope": (replace(SPEC, identity=(("scope", "admin"),)), CREDENTIALS),
    "a further parameter": (replace(SPEC, identity=(*SPEC.identity, ("audience", "x"))), CREDENTIALS),
    "the client id": (SPEC, replace(CREDENTIALS, client_id="other")),
    "the secret's version": (SPEC, replace(CREDENTIALS, version="v2")),
}


@pytest.mark.parametrize("change", CHANGES)
def test_the_inputs_change_with(change: str) -> None:
    spec, credentials = CHANGES[change]
    assert spec.inputs(credentials) != SPEC.inputs(CREDENTIALS)


def test_the_inputs_do_not_change_with_the_name_or_when_it_is_renewed() -> None:
    same = replace(SPEC, name="other", renew_at=0.8, recheck_interval=5.0)
    assert same.inputs(CREDENTIALS) == SPEC.inputs(CREDENTIALS)


@pytest.mark.parametrize(("asked", "applies", "clamped"), [(0.3, 0.5, True), (0.5, 0.5, False), (0.8, 0.8, False)])
def test_a_token_is_lived_to_its_half_at_least_p30(asked: float, applies: float, *, clamped: bool) -> None:
    spec = replace(SPEC, renew_at=asked)
    assert (spec.renewal_share, spec.lead_is_clamped) == (applies, clamped)
