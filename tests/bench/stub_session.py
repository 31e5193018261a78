"""What the stub's Vault answers about its one token and its one mount; see `tests.bench.stub_vault`."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from tests.bench.http11 import response

if TYPE_CHECKING:
    from rotator.core.model import Moment

TOKEN = "s.the-stub-knows-this-one"
ACCESSOR = "accessor-of-the-one"
LEASE = 3600
"""Seconds that the token lives, from each login and renewal."""

DENIED = response(403, b'{"errors":["permission denied"]}')
MISSING = response(404, b'{"errors":[]}')
EMPTY = response(204)
ENVELOPE = b'{"request_id":"00000000-0000-0000-0000-000000000000","lease_id":"","renewable":false,"lease_duration":0,'


def date(seconds: float) -> str:
    """As OpenBao writes times."""
    return f"{datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None).isoformat(timespec='microseconds')}000Z"


def data(data: bytes, auth: bytes = b"null") -> bytes:
    """A response whose envelope holds this."""
    return response(200, b'%b"data":%b,"wrap_info":null,"warnings":null,"auth":%b}\n' % (ENVELOPE, data, auth))


def login(body: bytes) -> bytes:
    """The answer to an AppRole login with any role id and secret id."""
    sent = json.loads(body)
    if not sent.get("role_id") or not sent.get("secret_id"):
        return response(400, b'{"errors":["invalid role or secret ID"]}')
    return _lease()


def _lease() -> bytes:
    lease: dict[str, Any] = {
        "client_token": TOKEN,
        "accessor": ACCESSOR,
        "policies": ["default", "rotator"],
        "token_policies": ["default", "rotator"],
        "metadata": {"role_name": "rotator"},
        "lease_duration": LEASE,
        "renewable": True,
        "entity_id": "entity",
        "token_type": "service",
        "orphan": True,
        "mfa_requirement": None,
        "num_uses": 0,
    }
    return data(b"null", json.dumps(lease).encode())


def _lookup(now: Moment) -> bytes:
    wall = now.wall.timestamp()
    found = {
        "accessor": ACCESSOR,
        "creation_time": int(wall),
        "creation_ttl": LEASE,
        "display_name": "approle",
        "entity_id": "entity",
        "expire_time": date(wall + LEASE),
        "explicit_max_ttl": 0,
        "id": TOKEN,
        "issue_time": date(wall),
        "meta": {"role_name": "rotator"},
        "num_uses": 0,
        "orphan": True,
        "path": "auth/approle/login",
        "policies": ["default", "rotator"],
        "renewable": True,
        "ttl": LEASE - 1,
        "type": "service",
    }
    return data(json.dumps(found).encode())


MOUNT = {
    "accessor": "kv_stub",
    "config": {"default_lease_ttl": 0, "force_no_cache": False, "max_lease_ttl": 0},
    "deprecation_status": "supported",
    "description": "",
    "external_entropy_access": False,
    "local": False,
    "options": {"version": "2"},
    "path": "secret/",
    "plugin_version": "",
    "running_plugin_version": "v2.7.2+builtin.bao",
    "running_sha256": "",
    "seal_wrap": False,
    "type": "kv",
    "uuid": "stub",
}


def session(place: str, now: Moment) -> bytes:
    """What concerns the token itself, and the mounts."""
    if place.startswith("sys/internal/ui/mounts/secret/"):
        return data(json.dumps(MOUNT).encode())
    match place:
        case "auth/token/lookup-self":
            return _lookup(now)
        case "auth/token/renew-self":
            return _lease()
        case "auth/token/revoke-self":
            return EMPTY
        case _:
            return MISSING
