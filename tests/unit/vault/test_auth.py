"""Secrets that logins read, and the leases that logins give."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest

from rotator.core.errors import Code, RotationError
from rotator.core.model import Secret
from rotator.vault import auth, inputs, pacing
from rotator.vault.logins.approle import AppRoleLogin

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("content", "found"),
    [(b"", "nothing"), (b" \n", "nothing"), (b"a\nb", "several lines"), (b"a\x00b", "control"), (b"\xff", "no UTF-8")],
)
def test_a_secret_file_that_holds_no_secret_is_refused_by_name(tmp_path: Path, content: bytes, found: str) -> None:
    file = tmp_path / "secret-id"
    file.write_bytes(content)
    with pytest.raises(RotationError) as caught:
        inputs.fetch(file, "the secret id")
    assert caught.value.code is Code.VAULT_LOGIN_REFUSED
    assert str(file) in caught.value.detail
    assert found in caught.value.detail


def test_a_missing_secret_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(RotationError, match=r"the role id cannot be read from .*/role-id: FileNotFoundError"):
        inputs.fetch(tmp_path / "role-id", "the role id")


def test_white_space_around_a_secret_in_a_file_is_no_part_of_it(tmp_path: Path) -> None:
    file = tmp_path / "secret-id"
    file.write_text(" s3cret\n")
    assert inputs.fetch(file, "the secret id").reveal() == "s3cret"


def test_a_secret_may_be_fetched_by_a_function() -> None:
    assert inputs.fetch(lambda: Secret("from elsewhere"), "the secret id").reveal() == "from elsewhere"


def test_a_function_that_fails_is_a_refused_login_and_its_text_stays_behind() -> None:
    def fetch() -> Secret:
        raise ValueError("s.leaked")

    with pytest.raises(RotationError) as caught:
        inputs.fetch(fetch, "the secret id")
    assert caught.value.code is Code.VAULT_LOGIN_REFUSED
    assert "leaked" not in str(caught.value)


def test_v13_a_replaced_file_changes_the_stamp(tmp_path: Path) -> None:
    file, other = tmp_path / "secret-id", tmp_path / "other"
    login = AppRoleLogin(role_id=Secret("role"), secret_id=file)
    absent = login.stamp()
    file.write_text("one")
    first = login.stamp()
    other.write_text("two")
    other.replace(file)
    assert len({absent, first, login.stamp()}) == 3


@pytest.mark.parametrize(
    "document",
    [{}, {"auth": None}, {"auth": {}}, {"auth": {"client_token": "", "lease_duration": 1, "renewable": True}}],
)
def test_an_answer_to_a_login_without_a_token_is_malformed(document: dict[str, object]) -> None:
    with pytest.raises(RotationError) as caught:
        auth.auth_lease(document)
    assert caught.value.code is Code.VAULT_MALFORMED


def test_a_token_without_a_lifetime_never_expires() -> None:
    lease = auth.lookup_lease(Secret("s.root"), {"data": {"ttl": 0}})
    assert lease.ttl == math.inf


def test_v12_the_waits_between_failures_stay_between_one_and_four_seconds() -> None:
    error = RotationError(Code.VAULT_UNAVAILABLE, "away")
    waits = [pacing.wait_after(error, failures, "1") for failures in range(1, 50)]
    assert min(waits) >= 1.0
    assert max(waits) <= 4.0
    assert waits[0] < waits[1] < waits[2]


def test_v13_a_refused_login_is_not_repeated_within_a_minute() -> None:
    assert pacing.wait_after(RotationError(Code.VAULT_LOGIN_REFUSED, "no"), 1, "1") == 60.0


@pytest.mark.parametrize("salt", ["a", "b", "c", "s.token"])
def test_v11_a_token_is_renewed_at_two_thirds_of_its_life_or_a_tenth_earlier(salt: str) -> None:
    assert 2 / 3 - 0.1 <= pacing.renewal_share(salt) <= 2 / 3
