"""Token records as KV documents."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from rotator.core.model import Secret, TokenRecord, fingerprint
from rotator.vault.kv_v1 import ttl
from rotator.vault.records import rename, restore

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def record(name: str = "one", life: int = 600, inputs: str = "inputs") -> TokenRecord:
    secret = Secret(name)
    return TokenRecord(secret, NOW, NOW + timedelta(seconds=life), life, "openid", fingerprint(secret), inputs)


@pytest.mark.parametrize("fields", [{}, {"token": "access_token"}, {"scope": "access_token", "granted": "scope"}])
def test_a_renamed_record_is_read_back_as_it_was(fields: dict[str, str]) -> None:
    assert restore(rename(record().fields(), fields), fields) == record()


def test_a_renamed_field_does_not_appear_under_its_own_name_too() -> None:
    document = rename(record().fields(), {"token": "access_token"})
    assert document["token"] == "one"
    assert "access_token" not in document


def test_a_document_that_lacks_a_renamed_field_holds_no_record() -> None:
    assert restore(record().fields(), {"token": "access_token"}) is None


@pytest.mark.parametrize(
    ("held", "stays"),
    [
        pytest.param(record("one"), True, id="the same record"),
        pytest.param(record("two", life=601), True, id="another writer's that lives longer"),
        pytest.param(record("two", life=600), False, id="another writer's that lives as long"),
        pytest.param(record("two", life=601, inputs="other"), False, id="one from other inputs"),
        pytest.param(
            replace(record("one"), expires_at=NOW + timedelta(seconds=4200)),
            False,
            id="C01 the same token dated by a wrong clock",
        ),
    ],
)
def test_only_the_same_or_a_better_record_stays(held: TokenRecord, stays: bool) -> None:  # noqa: FBT001  a table's column
    assert held.stays_before(record("one")) is stays


@pytest.mark.parametrize(("left", "seconds"), [(600, 60), (19, 1), (5, 1), (-3, 1)])
def test_the_ttl_of_kv_v1_is_a_tenth_of_the_remaining_life_and_at_least_one(left: int, seconds: int) -> None:
    assert ttl(NOW + timedelta(seconds=left), NOW) == seconds
