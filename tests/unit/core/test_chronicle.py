"""What the journal is told of one credential: every event with every field, and each change once."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from rotator.core.chronicle import Chronicle
from rotator.core.errors import Code
from rotator.core.model import BearerToken, CredentialSpec, Moment, Secret
from rotator.core.observation import NEVER, Failure, Stage
from rotator.core.policy import Plan, Reason
from rotator.testing import EPOCH, MemorySink, RecordingJournal

if TYPE_CHECKING:
    from collections.abc import Callable

SPEC = CredentialSpec("billing", "thx", (), renew_at=0.8)
NOW = Moment(EPOCH, 1000.0)
SINK = MemorySink("memory:token")
PLAN = Plan(1240.0, Reason.NEARING_EXPIRY)
TOKEN = BearerToken(Secret("CANARY"), Moment(EPOCH - timedelta(seconds=100), 900.0), 600.0, "openid", "in", "aaaa")
BETTER = replace(TOKEN, lifetime=700.0, fingerprint="bbbb")
FAILURE = Failure(Code.PROVIDER_TIMEOUT, Stage.GRANT, "slow", 1, 1000.0, 1000.0, inputs="in")
UNSAID = {
    "credential": "billing",
    "provider": "thx",
    "stage": "grant",
    "error": "provider_timeout",
    "detail": "slow",
    "retryable": True,
    "attempt": 1,
    "next_attempt_at": EPOCH + timedelta(seconds=240),
    "remaining_s": 12.3,
}
"""What is told of FAILURE whatever became of it."""

CHANGES: dict[str, tuple[Callable[[Chronicle], None], str, dict[str, Any]]] = {
    "a token has been minted": (
        lambda told: told.minted(TOKEN, Reason.ABSENT, PLAN, NOW, repeated=False),
        "token.minted",
        {
            "credential": "billing",
            "provider": "thx",
            "reason": Reason.ABSENT,
            "expires_at": EPOCH + timedelta(seconds=500),
            "lifetime_s": 600.0,
            "next_mint_at": EPOCH + timedelta(seconds=240),
            "fingerprint": "aaaa",
        },
    ),
    "a token expires sooner than the one held": (
        lambda told: told.not_better(TOKEN, BETTER, NOW),
        "token.rejected",
        {
            "credential": "billing",
            "error": "expires_sooner",
            "stage": Stage.VERIFY,
            "fingerprint": "aaaa",
            "expires_at": EPOCH + timedelta(seconds=500),
            "kept": "bbbb",
            "kept_expires_at": EPOCH + timedelta(seconds=600),
        },
    ),
    "a token was found in a sink": (
        lambda told: told.adopted(TOKEN, PLAN, Moment(EPOCH, 1000.34)),
        "token.adopted",
        {
            "credential": "billing",
            "fingerprint": "aaaa",
            "expires_at": EPOCH + timedelta(seconds=499.66),
            "remaining_s": 499.7,
            "next_mint_at": EPOCH + timedelta(seconds=239.66),
        },
    ),
    "the previous secret was needed": (
        lambda told: told.previous_secret(),
        "credential.previous_secret",
        {
            "credential": "billing",
            "provider": "thx",
            "cure": (
                "The provider does not accept client_secret yet, or it is wrong; client_secret_previous still works."
            ),
        },
    ),
    "a mint failed": (
        lambda told: told.mint_failed(FAILURE, PLAN, 12.345, NOW, parked=False),
        "token.mint_failed",
        {**UNSAID, "cure": Code.PROVIDER_TIMEOUT.cure},
    ),
    "a mint failed of which nobody knows whether it minted": (
        lambda told: told.mint_failed(replace(FAILURE, ambiguous=True), PLAN, 12.345, NOW, parked=False),
        "token.mint_failed",
        {**UNSAID, "cure": Code.PROVIDER_TIMEOUT.cure, "ambiguous": True},
    ),
    "a credential was refused": (
        lambda told: told.mint_failed(replace(FAILURE, code=Code.INVALID_CLIENT), PLAN, 12.345, NOW, parked=True),
        "credential.rejected",
        {**UNSAID, "error": "invalid_client", "retryable": False, "cure": Code.INVALID_CLIENT.cure},
    ),
    "an answer was not taken": (
        lambda told: told.mint_failed(
            replace(FAILURE, code=Code.ANSWER_NOT_JSON, stage=Stage.VERIFY), PLAN, 12.345, NOW, parked=False
        ),
        "token.rejected",
        {**UNSAID, "error": "answer_not_json", "stage": "verify", "cure": Code.ANSWER_NOT_JSON.cure},
    ),
    "a sink holds the token": (
        lambda told: told.delivered(SINK, TOKEN),
        "token.delivered",
        {"credential": "billing", "sink": "memory:token", "sink_kind": "memory", "fingerprint": "aaaa"},
    ),
    "a sink could not be written": (
        lambda told: told.delivery_failed(SINK, FAILURE, 1240.0, 12.345, NOW),
        "token.delivery_failed",
        {**UNSAID, "sink": "memory:token", "sink_kind": "memory", "cure": Code.PROVIDER_TIMEOUT.cure},
    ),
    "a sink could not be written again": (
        lambda told: told.delivery_failed(SINK, replace(FAILURE, count=2), 1240.0, 12.345, NOW),
        "token.delivery_retried",
        {**UNSAID, "attempt": 2, "sink": "memory:token", "sink_kind": "memory", "cure": Code.PROVIDER_TIMEOUT.cure},
    ),
    "a sink was written after two failures": (
        lambda told: told.sink_recovered(SINK, replace(FAILURE, count=2)),
        "credential.recovered",
        {"credential": "billing", "after": "provider_timeout", "sink": "memory:token", "attempts": 3},
    ),
    "consumers hold an expired token": (
        lambda told: told.expired(TOKEN, NOW),
        "token.expired",
        {"credential": "billing", "fingerprint": "aaaa", "expires_at": EPOCH + timedelta(seconds=500)},
    ),
}


@pytest.fixture
def journal() -> RecordingJournal:
    return RecordingJournal()


@pytest.fixture
def told(journal: RecordingJournal) -> Chronicle:
    return Chronicle(SPEC, journal)


@pytest.mark.parametrize("change", CHANGES)
def test_one_line_with_these_fields_says_that(change: str, told: Chronicle, journal: RecordingJournal) -> None:
    tell, event, fields = CHANGES[change]
    tell(told)
    assert journal.events == [(event, fields)]


def test_a_token_that_was_handed_out_again_is_told_as_such(told: Chronicle, journal: RecordingJournal) -> None:
    told.minted(TOKEN, Reason.FORCED, PLAN, NOW, repeated=True)
    assert journal.named("token.minted")[0]["repeated"] is True


def test_a_plan_without_a_date_is_for_now(told: Chronicle, journal: RecordingJournal) -> None:
    told.minted(TOKEN, Reason.ABSENT, Plan(NEVER, Reason.ABSENT), NOW, repeated=False)
    assert journal.named("token.minted")[0]["next_mint_at"] == EPOCH


def test_the_end_of_a_run_of_failures_is_told_once_with_what_they_were(
    told: Chronicle, journal: RecordingJournal
) -> None:
    told.mint_failed(FAILURE, PLAN, 0.0, NOW, parked=False)
    told.minted(TOKEN, Reason.ABSENT, PLAN, NOW, repeated=False)
    told.minted(BETTER, Reason.NEARING_EXPIRY, PLAN, NOW, repeated=False)
    assert journal.named("credential.recovered") == [{"credential": "billing", "after": "provider_timeout"}]


AGAIN: dict[str, tuple[Failure, bool, str]] = {
    "the same": (FAILURE, False, "token.mint_retried"),
    "another one": (replace(FAILURE, code=Code.PROVIDER_UNREACHABLE), False, "token.mint_failed"),
    "the same, and nobody but a person can help now": (FAILURE, True, "credential.rejected"),
}


@pytest.mark.parametrize("next_one", AGAIN)
def test_a_failure_after_another_is_told_as_what_changed(
    next_one: str, told: Chronicle, journal: RecordingJournal
) -> None:
    failure, parked, event = AGAIN[next_one]
    told.mint_failed(FAILURE, PLAN, 0.0, NOW, parked=False)
    told.mint_failed(failure, PLAN, 0.0, NOW, parked=parked)
    assert [name for name, _ in journal.events] == ["token.mint_failed", event]


@pytest.mark.parametrize("tell", [Chronicle.expired, lambda told, token, now: told.adopted(token, PLAN, now)])
def test_the_same_is_not_told_twice_of_one_token(
    tell: Callable[[Chronicle, BearerToken, Moment], None], told: Chronicle, journal: RecordingJournal
) -> None:
    for token in (TOKEN, TOKEN, BETTER):
        tell(told, token, NOW)
    assert [fields["fingerprint"] for _, fields in journal.events] == ["aaaa", "bbbb"]


def test_a_lead_of_more_than_half_the_life_is_told_of_once_p30(journal: RecordingJournal) -> None:
    told = Chronicle(replace(SPEC, renew_at=0.3), journal)
    told.minted(TOKEN, Reason.ABSENT, PLAN, NOW, repeated=False)
    told.minted(BETTER, Reason.NEARING_EXPIRY, PLAN, NOW, repeated=False)
    assert journal.named("credential.lead_clamped") == [{"credential": "billing", "renew_at": 0.3, "applied": 0.5}]
