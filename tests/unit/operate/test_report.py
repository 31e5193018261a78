"""The JSON of a status: its keys are a contract, and are only ever added to."""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace
from datetime import timedelta

import pytest

from rotator.core.errors import Code
from rotator.core.observation import NEVER
from rotator.operate import report
from rotator.operate.history import Event
from rotator.operate.status import State, VaultStatus
from tests.support.fleets import NOW, Case, history, night, night_status, status

WHOLE = {
    "version", "config", "now", "started_at", "healthy", "ready", "reasons", "reload_ok", "summary", "vault",
    "vaults", "providers", "credentials", "events",
}  # fmt: skip
CREDENTIAL = {
    "credential", "provider", "required", "state", "meaning", "served_until", "valid_for_s", "outage_budget_s", "token",
    "next_mint_at", "next_mint_in_s", "next_mint_reason", "last_success_at", "consecutive_failures", "failure", "sinks",
    "client_secret_expires_at", "client_secret_valid_for_s",
}  # fmt: skip
TOKEN = {"fingerprint", "issued_at", "expires_at", "lifetime_s", "scope"}
SINK = {"sink", "kind", "fingerprint", "expires_at", "valid_for_s", "behind", "failure"}
FAILURE = {"error", "stage", "detail", "cure", "since", "last_at", "attempts", "retryable", "next_attempt_at"}
PROVIDER = {"provider", "in_outage", "waiting", "in_flight", "retry_after", "quota"}
VAULT = {"address", "authenticated", "token_expires_at", "error", "detail", "cure"}
DATE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


def the_night() -> report.Document:
    return report.whole(night_status(), history(night()).events)


def test_the_keys_are_those_that_programs_rely_on() -> None:
    found = the_night()
    assert found.keys() == WHOLE
    assert found["vault"].keys() == VAULT
    assert found["summary"].keys() == set(State)
    assert {frozenset(one) for one in found["providers"]} == {frozenset(PROVIDER)}
    assert {frozenset(one) for one in found["credentials"]} == {frozenset(CREDENTIAL)}
    assert {frozenset(one["token"]) for one in found["credentials"] if one["token"]} == {frozenset(TOKEN)}
    assert {frozenset(sink) for one in found["credentials"] for sink in one["sinks"]} == {frozenset(SINK)}
    failures = [one["failure"] for one in found["credentials"] if one["failure"]]
    assert {frozenset(one) for one in failures} == {frozenset(FAILURE)}


def test_every_date_is_rfc_3339_in_utc_and_every_state_is_one_of_the_closed_list() -> None:
    found = the_night()
    dates = [found["now"], found["started_at"], *(event["timestamp"] for event in found["events"])]
    for one in found["credentials"]:
        dates += [one["next_mint_at"], *filter(None, (one["served_until"], one["last_success_at"]))]
        dates += [] if one["failure"] is None else [one["failure"][key] for key in ("since", "last_at")]
    assert len(dates) > 40
    assert [date for date in dates if not DATE.fullmatch(date)] == []
    assert {one["state"] for one in found["credentials"]} == set(State)


def test_it_is_json_and_the_events_come_as_the_log_has_them() -> None:
    found = json.loads(json.dumps(the_night()))
    assert found["ready"] is False
    assert found["healthy"] is True
    assert found["reasons"] == ["consumers hold no good token of asset-pool, reports"]
    failed = next(event for event in found["events"] if event["event"] == "token.mint_failed")
    assert failed["error"] == "provider_unreachable"


def test_a_credential_of_which_nothing_is_known_yet_has_nulls_and_nothing_made_up() -> None:
    found = report.whole(status([Case("reports", ages=(), looked=False)]))["credentials"][0]
    assert found["state"] == "pending"
    assert (found["served_until"], found["token"], found["last_success_at"], found["failure"]) == (None,) * 4
    assert (found["valid_for_s"], found["outage_budget_s"], found["next_mint_in_s"]) == (0.0, 0.0, 0.0)
    assert found["next_mint_at"] == report.at(NOW.elapsed, NOW)
    assert found["sinks"][0]["fingerprint"] is None


@pytest.mark.parametrize("never", [NEVER, math.inf])
def test_never_and_for_ever_are_null(never: float) -> None:
    assert report.at(never, NOW) is None


def test_a_vault_token_without_an_end_and_one_that_is_not_there_are_null() -> None:
    up = VaultStatus("https://vault.example.com", True, True, math.inf, None, "")
    assert report.vault(up, NOW)["token_expires_at"] is None
    away = replace(up, authenticated=False, token_expires=None, trouble=Code.VAULT_UNAVAILABLE, detail="sealed")
    found = report.vault(away, NOW)
    assert (found["error"], found["detail"]) == ("vault_unavailable", "sealed")
    assert found["cure"] == Code.VAULT_UNAVAILABLE.cure


def test_a_retry_after_that_is_over_is_null() -> None:
    thx, entra = (one for one in night_status().providers if one.name in {"thx", "entra"})
    assert report.provider(entra, NOW)["retry_after"] == report.at(NOW.elapsed + 47, NOW)
    assert report.provider(replace(entra, opens_at=NOW.elapsed - 1), NOW)["retry_after"] is None
    assert report.provider(thx, NOW)["in_outage"] is True


def test_a_quota_is_told_with_what_is_used_of_it_and_none_is_null() -> None:
    told = {one.name: report.provider(one, NOW)["quota"] for one in night_status().providers}
    assert told == {"thx": None, "entra": {"limit": 2000, "span_s": 86400.0, "used": 170}, "keycloak": None}


def test_what_looks_like_a_secret_is_cut_from_details_and_events() -> None:
    token = "eyJ" + "a" * 40
    away = VaultStatus("https://v", True, False, None, Code.VAULT_UNAVAILABLE, f"the answer was {token}")
    told = Event(NOW.wall + timedelta(seconds=1), "vault.unavailable", {"detail": token, "client_secret": "abc"})
    assert token not in json.dumps([report.vault(away, NOW), report.event(told)])
    assert "abc" not in json.dumps(report.event(told))
