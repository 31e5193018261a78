"""Answers that are no token: which error they are (RFC 6749 section 5.2, RFC 8707 section 2, RFC 9110 section 15)."""

from __future__ import annotations

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

_SHOWABLE = frozenset(
    {
        *OAUTH_ERRORS,
        # OAuth Extensions Error Registry, what a token endpoint may say (RFC 8628, RFC 9449, RFC 9126, OpenID Connect).
        *("authorization_pending", "expired_token", "invalid_dpop_proof", "use_dpop_nonce", "invalid_request_object"),
        *("unsupported_token_type", "insufficient_scope", "invalid_token", "interaction_required", "login_required"),
        *(
            "consent_required",
            "account_selection_required",
            "invalid_authorization_details",
            "insufficient_user_authentication",
        ),
        # Words of widespread servers.
        *("not_allowed", "too_many_requests", "rate_limit_exceeded", "mfa_required", "unsupported_response_type"),
    }
)
"""Error codes that may be shown. No others: servers have been seen to echo secrets, and a secret may look like one."""

BEFORE_THE_BODY = {
    429: Code.PROVIDER_THROTTLED,
    # RFC 9110 section 15.5.9 and RFC 8470 section 5.2: the same request may be sent again.
    408: Code.PROVIDER_UNAVAILABLE,
    425: Code.PROVIDER_UNAVAILABLE,
    # An answer to a question that was not asked; it redirects nowhere.
    304: Code.ANSWER_STATUS,
}
"""Statuses that decide whatever the body says."""

CLASS_BEFORE_THE_BODY = {
    3: Code.PROVIDER_REDIRECTED,
    # A server that fails says nothing certain about its client: nothing is parked because of it.
    5: Code.PROVIDER_UNAVAILABLE,
}
"""The same by their hundreds."""

AFTER_THE_BODY = {
    # RFC 6749 section 5.2 keeps 401 for failed client authentication; some servers name it in words of their own.
    401: Code.INVALID_CLIENT,
}
"""Statuses that decide when the body names no registered error."""

WITHOUT_AN_ERROR = {
    # No token endpoint answers 403 without an error code; a page with it is a rate limit or a firewall in front of it.
    403: Code.PROVIDER_THROTTLED,
}
"""Statuses that decide when the body names no error at all."""

_CLIENT_ERROR = 4


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
    shown = f" and error {said!r}" if isinstance(said, str) and said in _SHOWABLE else ""
    return RotationError(code, f"{where} answered with status {status}{shown}", retry_after=wait)


def _code(status: int, said: object) -> Code:
    registered = OAUTH_ERRORS.get(said) if isinstance(said, str) else None
    decided = (
        BEFORE_THE_BODY.get(status)
        or CLASS_BEFORE_THE_BODY.get(status // 100)
        or registered
        or AFTER_THE_BODY.get(status)
    )
    if decided is not None:
        return decided
    if said is None and status in WITHOUT_AN_ERROR:
        return WITHOUT_AN_ERROR[status]
    return Code.PROVIDER_REFUSED if said is not None or status // 100 == _CLIENT_ERROR else Code.ANSWER_STATUS
