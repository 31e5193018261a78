"""Answers that are no token: which error they are (RFC 6749 section 5.2, RFC 8707 section 2, RFC 9110 section 15)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from rotator.core.errors import Code, RotationError

if TYPE_CHECKING:
    from collections.abc import Mapping

OAUTH_ERRORS = {
    "invalid_client": Code.INVALID_CLIENT,
    "invalid_request": Code.INVALID_REQUEST,
    "invalid_grant": Code.INVALID_GRANT,
    "unauthorized_client": Code.UNAUTHORIZED_CLIENT,
    "unsupported_grant_type": Code.UNSUPPORTED_GRANT_TYPE,
    "invalid_scope": Code.INVALID_SCOPE,
    "invalid_target": Code.INVALID_TARGET,
    "access_denied": Code.UNAUTHORIZED_CLIENT,
    "temporarily_unavailable": Code.PROVIDER_UNAVAILABLE,
    "server_error": Code.PROVIDER_UNAVAILABLE,
    "slow_down": Code.PROVIDER_THROTTLED,
}
"""The `error` of an answer, where it has one that is registered."""

_SHOWABLE = re.compile(r"[a-z][a-z0-9_.-]{0,39}")
"""An error code that may be shown: nothing that a client secret could be hidden in, should a server echo it."""

BY_STATUS = {
    429: Code.PROVIDER_THROTTLED,
    # RFC 6749 section 5.2 keeps 401 for failed client authentication, whatever the body looks like.
    401: Code.INVALID_CLIENT,
    # No token endpoint answers 403 without an error code; a page with it is a rate limit or a firewall in front of it.
    403: Code.PROVIDER_THROTTLED,
}
"""Statuses that speak for themselves when the body names no registered error."""

BY_CLASS = {3: Code.PROVIDER_REDIRECTED, 4: Code.PROVIDER_REFUSED, 5: Code.PROVIDER_UNAVAILABLE}
"""The rest of them, by their hundreds."""

_TOO_MANY = 429


def refusal(status: int, fields: Mapping[str, object] | None, where: str, wait: float | None) -> RotationError:
    """The error for an answer that carries no token.

    Args:
        status: HTTP status.
        fields: The JSON object of the body, or None if it has none.
        where: The token endpoint, for the message.
        wait: What Retry-After asks for, seconds.

    Returns:
        An error whose message holds the status and a registered or harmless error code, and nothing else of the
        body: servers have been seen to echo the secret in error_description.
    """
    said = fields.get("error") if fields is not None else None
    code = _code(status, said)
    shown = f" and error {said!r}" if isinstance(said, str) and _SHOWABLE.fullmatch(said) else ""
    return RotationError(code, f"{where} answered with status {status}{shown}", retry_after=wait)


def _code(status: int, said: object) -> Code:
    if status != _TOO_MANY and isinstance(said, str) and said in OAUTH_ERRORS:
        return OAUTH_ERRORS[said]
    if said is not None and status < 500 and status != _TOO_MANY:  # noqa: PLR2004  a server error says enough
        return Code.PROVIDER_REFUSED
    return BY_STATUS.get(status) or BY_CLASS.get(status // 100, Code.ANSWER_STATUS)
