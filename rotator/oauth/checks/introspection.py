"""Whether the provider itself takes a token for good: introspection (RFC 7662)."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from rotator.core.errors import Code, RotationError
from rotator.oauth.answer import OK, granted_scope, json_object, refuse_bound
from rotator.oauth.answer import refused as refused_answer
from rotator.oauth.as_client import client_request
from rotator.oauth.checks.check import is_passing, refused, unavailable
from rotator.oauth.discovery import INTROSPECTION

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from rotator.core.model import ClientCredentials, Grant
    from rotator.core.ports import Clock
    from rotator.oauth.answer import Answer, Expectations
    from rotator.oauth.checks.outages import Outages
    from rotator.oauth.endpoint import EndpointSettings
    from rotator.oauth.provider import Provider
    from rotator.oauth.request import TokenRequest

SAME_END = 2.0
"""Seconds by which an end may be told earlier without being another one: dates are cut to whole seconds, twice."""


def read_introspection(answer: Answer, grant: Grant, expected: Expectations, asked: float) -> Grant:
    """The grant as the provider describes it (RFC 7662 section 2.2): it lives no longer, and has no other scope.

    When it ends is read by the provider's own clock, as its Date header has it, or from the token's iat (C05).

    Args:
        answer: To the introspection request.
        grant: The token.
        expected: What a scope is held against.
        asked: When the request was sent, on the elapsed clock.

    Raises:
        RotationError: See `rotator.oauth.checks.check.Check`.
    """
    if answer.status != OK:
        raise unavailable(refused_answer(answer).detail)
    fields = _fields(answer)
    active = fields.get("active")
    if active is False:
        raise refused(f"{answer.where} says of the token that it is not active")
    if active is not True:
        raise unavailable(f"{answer.where} answered without an active that is true or false (RFC 7662 section 2.2)")
    refuse_bound(fields, answer.where)
    token = grant.access_token.reveal()
    scope = grant.scope if fields.get("scope") is None else granted_scope(fields, token, expected, answer.where)
    ends = _end(fields, grant, answer, asked)
    lifetime = grant.lifetime if ends is None else ends - grant.issued.elapsed
    if ends is not None and ends <= asked:
        raise RotationError(
            Code.EXPIRED_ON_ARRIVAL, f"{answer.where} says of the token that it ended {asked - ends:.0f} s ago"
        )
    if lifetime > grant.lifetime - SAME_END:
        return replace(grant, scope=scope)
    hint = grant.refresh_in
    return replace(grant, scope=scope, lifetime=lifetime, refresh_in=None if hint is None or hint >= lifetime else hint)


def _fields(answer: Answer) -> dict[str, object]:
    try:
        return json_object(answer)
    except RotationError as error:
        raise unavailable(error.detail) from None


def _end(fields: Mapping[str, object], grant: Grant, answer: Answer, asked: float) -> float | None:
    """When the token ends, on the elapsed clock; None when that is not told, or not by which clock."""
    ends, begins = fields.get("exp"), fields.get("iat")
    if not isinstance(ends, float) or not math.isfinite(ends):
        return None
    if answer.date is not None:
        return asked + ends - answer.date.timestamp()
    if isinstance(begins, float) and math.isfinite(begins):
        return grant.issued.elapsed + ends - begins
    return None


class Introspection:
    """Asks the provider, as the client that the token is for; see `rotator.oauth.checks.check.Check`.

    Args:
        provider: The authorization server.
        settings: How the client proves itself, and what it asked for.
        outages: Shared by all checks.
        clock: Time.
    """

    name = "introspection"

    def __init__(self, provider: Provider, settings: EndpointSettings, outages: Outages, clock: Clock) -> None:
        self._provider = provider
        self._settings = settings
        self._outages = outages
        self._clock = clock

    async def verify(self, credentials: ClientCredentials, grant: Grant) -> Grant:
        """See `rotator.oauth.checks.check.Check`."""
        form = [("token", grant.access_token.reveal()), ("token_type_hint", "access_token")]
        try:
            request = await client_request(form, credentials, self._provider, self._settings, self._clock.now())
        except RotationError as error:
            raise unavailable(f"the introspection request could not be made: {error.detail}") from None
        asked = self._clock.now().elapsed
        place = f"the introspection endpoint of {self._provider.audience}"
        answer = await self._outages.ask(place, lambda: self._ask(request))
        checked = read_introspection(answer, grant, self._settings.expected, asked)
        return replace(checked, scope=grant.scope) if _echoes(checked.scope, credentials) else checked

    async def _ask(self, request: TokenRequest) -> Answer:
        try:
            answer = await self._provider.ask(request, INTROSPECTION)
        except RotationError as error:
            raise unavailable(error.detail, error.retry_after) from None
        if is_passing(answer.status):
            raise unavailable(f"{answer.where} answered with status {answer.status}", answer.wait)
        return answer


def _echoes(scope: str, credentials: ClientCredentials) -> bool:
    """Whether a server has put a secret where a scope is shown (P44)."""
    sent: Collection[str] = {secret.reveal() for secret in (*credentials.secrets, *credentials.further.values())}
    return not {*sent}.isdisjoint(scope.split())
