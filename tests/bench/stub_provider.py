"""The stub's token endpoint (RFC 6749 section 4.4): opaque tokens, and when each was asked for."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from rotator.core import policy
from rotator.core.model import BearerToken, CredentialSpec, Secret, fingerprint
from tests.bench.http11 import response

if TYPE_CHECKING:
    from rotator.core.model import Moment
    from tests.bench.stub_counts import Counts

REFUSED = response(400, json.dumps({"error": "invalid_client"}).encode())


def due(name: str, token: str, issued: Moment, lifetime: int) -> float:
    """When the token of a credential is due to be renewed, by rotator's own policy, on the elapsed clock."""
    spec = CredentialSpec(name, "", ())
    held = BearerToken(Secret(""), issued, lifetime, "", "", fingerprint(Secret(token)))
    return policy.renewal_due(spec, held)


class Provider:
    """Issues tokens to clients whose ids are the names of their credentials.

    Args:
        lifetime: Seconds that tokens live.
    """

    def __init__(self, lifetime: int) -> None:
        self._lifetime = lifetime
        self._issued = 0
        self._due: dict[str, float] = {}

    def forget(self) -> None:
        """Expect no renewal of what has been issued."""
        self._due.clear()

    def answer(self, body: bytes, now: Moment, counts: Counts) -> bytes:
        """A token for the client that asks, `now` being when its request came."""
        name = body.partition(b"client_id=")[2].partition(b"&")[0].decode()
        if not name or b"client_secret=" not in body:
            return REFUSED
        if name in self._due:
            counts.renewed(name, now.elapsed - self._due[name])
        self._issued += 1
        token = f"opaque-{self._issued:036x}"
        self._due[name] = due(name, token, now, self._lifetime)
        answer = f'{{"access_token":"{token}","token_type":"Bearer","expires_in":{self._lifetime}}}'
        return response(200, answer.encode())
