"""A status as the JSON of `/api/v1/status` and of `-o json`: wall times for people, seconds for programs.

Fields are only ever added. What is not known, or does not apply, is null.
"""

from __future__ import annotations

import math
from datetime import datetime
from typing import TYPE_CHECKING, Any

from rotator.core.model import rfc3339
from rotator.operate.redaction import redact_fields, redact_text
from rotator.operate.status import MEANING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rotator.core.model import Moment
    from rotator.operate.history import Event
    from rotator.operate.status import (
        CredentialStatus,
        ProviderStatus,
        QuotaStatus,
        SinkStatus,
        Status,
        Trouble,
        VaultStatus,
    )

Document = dict[str, Any]


def whole(status: Status, events: Iterable[Event] = ()) -> Document:
    """Everything that is known of one rotator."""
    now = status.now
    return {
        "version": status.version,
        "config": status.config,
        "now": rfc3339(now.wall),
        "started_at": rfc3339(status.started.wall),
        "healthy": not status.faults,
        "ready": not status.unready,
        "reasons": [*status.faults, *status.unready],
        "reload_ok": status.reloaded,
        "summary": {str(state): count for state, count in status.counts().items()},
        "vault": vault(status.vault, now),
        "vaults": [{"vault": one.name, **vault(one, now)} for one in status.vaults],
        "providers": [provider(one, now) for one in status.providers],
        "credentials": [credential(one, now) for one in status.credentials],
        "events": [event(one) for one in events],
    }


def credential(status: CredentialStatus, now: Moment) -> Document:
    """One credential."""
    token = status.token
    return {
        "credential": status.name,
        "provider": status.provider,
        "required": status.required,
        "state": str(status.state),
        "meaning": MEANING[status.state],
        "served_until": at(status.served_until, now),
        "valid_for_s": _seconds(max(0.0, status.served_until - now.elapsed)),
        "outage_budget_s": _seconds(status.outage_budget),
        "token": None
        if token is None
        else {
            "fingerprint": token.fingerprint,
            "issued_at": at(token.issued.elapsed, now),
            "expires_at": at(token.expires, now),
            "lifetime_s": token.lifetime,
            "scope": token.scope,
        },
        "next_mint_at": at(max(status.next_mint.at, now.elapsed), now),
        "next_mint_in_s": _seconds(max(0.0, status.next_mint.at - now.elapsed)),
        "next_mint_reason": str(status.next_mint.reason),
        "last_success_at": at(status.last_success, now),
        "client_secret_expires_at": None if status.secret is None else rfc3339(status.secret.at),
        "client_secret_valid_for_s": None if status.secret is None else _left(status.secret.at, now),
        "consecutive_failures": status.attempts,
        "failure": trouble(status.worst, now),
        "sinks": [sink(one, now) for one in status.sinks],
    }


def sink(status: SinkStatus, now: Moment) -> Document:
    """One sink."""
    token = status.token
    return {
        "sink": status.name,
        "kind": status.kind,
        "fingerprint": None if token is None else token.fingerprint,
        "expires_at": None if token is None else at(token.expires, now),
        "valid_for_s": 0.0 if token is None else _seconds(max(0.0, token.remaining(now.elapsed))),
        "behind": status.behind,
        "failure": trouble(status.trouble, now),
    }


def trouble(found: Trouble | None, now: Moment) -> Document | None:
    """A run of failures, with what to do about it."""
    if found is None:
        return None
    return {
        "error": found.code.text,
        "stage": str(found.stage),
        "detail": redact_text(found.detail),
        "cure": found.code.cure,
        "since": at(found.since, now),
        "last_at": at(found.at, now),
        "attempts": found.attempts,
        "retryable": not found.parked,
        "next_attempt_at": at(found.next_attempt, now),
    }


def provider(status: ProviderStatus, now: Moment) -> Document:
    """One provider."""
    return {
        "provider": status.name,
        "in_outage": status.in_outage,
        "waiting": status.waiting,
        "in_flight": status.in_flight,
        "retry_after": at(status.opens_at, now) if status.opens_at > now.elapsed else None,
        "quota": quota(status.quota),
    }


def quota(status: QuotaStatus | None) -> Document | None:
    """What a provider grants and what has been used of it; counted since the start, so at first too little."""
    return None if status is None else {"limit": status.limit, "span_s": status.span, "used": status.used}


def vault(status: VaultStatus, now: Moment) -> Document:
    """The session with Vault."""
    return {
        "address": status.address,
        "authenticated": status.authenticated,
        "token_expires_at": None if status.token_expires is None else at(status.token_expires, now),
        "error": None if status.trouble is None else status.trouble.text,
        "detail": redact_text(status.detail) or None,
        "cure": None if status.trouble is None else status.trouble.cure,
    }


def event(told: Event) -> Document:
    """One event, as the log has it."""
    fields = {key: rfc3339(value) if isinstance(value, datetime) else value for key, value in told.fields.items()}
    return {"timestamp": rfc3339(told.at), "event": told.name, **redact_fields(fields)}


def at(elapsed: float, now: Moment) -> str | None:
    """The wall time of a reading of the elapsed clock; None for never and for ever."""
    return rfc3339(now.at(elapsed)) if math.isfinite(elapsed) else None


def _left(end: datetime, now: Moment) -> float:
    """Seconds until a date of the calendar; 0 after it."""
    return max(0.0, round((end - now.wall).total_seconds(), 1))


def _seconds(value: float) -> float | None:
    return round(value, 1) if math.isfinite(value) else None
