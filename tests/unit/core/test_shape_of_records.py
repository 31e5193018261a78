"""What consumers and later versions rely on: the exact shape of a record, a fingerprint, a digest of inputs."""

from __future__ import annotations

import pickle
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from rotator.core.model import (
    BearerToken,
    ClientCredentials,
    CredentialSpec,
    Moment,
    Secret,
    TokenRecord,
    fingerprint,
)
from rotator.testing import EPOCH

ABC = Secret("abc")
NOW = Moment(EPOCH, 1000.0)
RECORD = TokenRecord.of(BearerToken(ABC, NOW, 600.0, "openid admin", "inputs", fingerprint(ABC)))


def test_a_fingerprint_is_the_first_twelve_digits_of_the_tokens_sha_256() -> None:
    # FIPS 180-4 gives "abc" as its example: ba7816bf 8f01cfea …
    assert fingerprint(ABC) == "ba7816bf8f01"


def test_consumers_read_these_fields_and_no_others() -> None:
    assert RECORD.fields() == {
        "access_token": "abc",
        "token_type": "Bearer",
        "issued_at": "2026-01-01T00:00:00Z",
        "expires_at": "2026-01-01T00:10:00Z",
        "expires_in": "600",
        "scope": "openid admin",
        "fingerprint": "ba7816bf8f01",
        "inputs": "inputs",
    }


def test_a_token_survives_its_record_whole() -> None:
    token = RECORD.token(NOW)
    assert TokenRecord.of(token) == RECORD
    assert (token.scope, token.expires, token.issued) == ("openid admin", 1600.0, NOW)


def test_a_record_that_ends_in_the_second_it_begins_is_none() -> None:
    assert TokenRecord.parse({**RECORD.fields(), "expires_at": RECORD.fields()["issued_at"]}) is None
    one_second = replace(RECORD, expires_at=RECORD.issued_at + timedelta(seconds=1))
    assert TokenRecord.parse(one_second.fields()) == one_second


def test_times_are_in_utc_whatever_zone_they_were_written_in_c06() -> None:
    parsed = TokenRecord.parse({**RECORD.fields(), "issued_at": "2026-01-01T05:45:00+05:45"})
    assert parsed is not None
    assert parsed.issued_at == datetime(2026, 1, 1, tzinfo=UTC)
    assert parsed.issued_at.tzinfo is UTC


def test_the_digest_of_the_inputs_is_the_same_in_every_version_or_an_upgrade_would_mint_everything_anew() -> None:
    spec = CredentialSpec("billing", "thx", (("scope", "openid"),))
    # printf '["thx", ["scope", "openid"], "client", "v1"]' | sha256sum | cut -c 1-16
    assert spec.inputs(ClientCredentials("client", (ABC,), "v1")) == "2924f89015abdb89"


def test_a_secret_is_shown_as_three_dots() -> None:
    assert f"{ABC} {ABC!r}" == "Secret('…') Secret('…')"


def test_whoever_pickles_a_secret_is_told_why_not() -> None:
    with pytest.raises(TypeError, match=r"^a Secret is not to be pickled or copied out of the process$"):
        pickle.dumps(ABC)


def test_secrets_are_told_apart_in_a_set_without_being_compared() -> None:
    assert hash(Secret("a")) != hash(Secret("b"))


def test_a_time_without_utc_is_refused_with_a_reason_c06() -> None:
    with pytest.raises(ValueError, match=r"^a Moment's wall time is in UTC$"):
        Moment(datetime(2026, 1, 1), 0.0)  # noqa: DTZ001  it is what is refused
