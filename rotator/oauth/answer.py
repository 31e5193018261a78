"""Reading a token answer, strictly: what is not certain is not published (RFC 6749 section 5.1, RFC 6750 section 2.1).

Every function here is pure. The rows P15 to P44 of the catalogue of faults are the cases that it was written for.
"""

from __future__ import annotations

import base64
import json
import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

from rotator.core.errors import Code, RotationError
from rotator.core.model import Grant, Secret
from rotator.oauth.refusal import refusal

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from rotator.core.model import Moment

OK = 200

LONGEST_TOKEN = 64 * 1024
"""Characters. A longer token fits in no header, and Vault would refuse it."""

_BEARER = re.compile(r"[A-Za-z0-9\-._~+/]+=*")
_DIGITS = re.compile(r"-?[0-9]{1,18}(?:\.[0-9]{1,18})?")
_PRINTABLE = re.compile(r"[\x20-\x7e]{1,65536}")
_SCOPE = re.compile(r"[\x20\x21\x23-\x5b\x5d-\x7e]{0,16384}")
"""RFC 6749 section 3.3. Longer ones would not fit beside the token where it is delivered."""


@dataclass(frozen=True, slots=True)
class Expectations:
    """What an answer is held against.

    Attributes:
        scope: As asked for; empty when none was.
        assumed_lifetime: Seconds; used only when neither answer nor token tells a lifetime.
        max_lifetime: Seconds; longer ones are cut.
        assume_bearer: Whether an answer without token_type is accepted.
        accept_narrower_scope: Whether a grant of less than was asked for is accepted.
        refresh_token: Whether the grant goes on by a refresh token; else one that comes along is not kept (P36).
    """

    scope: str = ""
    assumed_lifetime: float | None = None
    max_lifetime: float = 86400.0
    assume_bearer: bool = False
    accept_narrower_scope: bool = False
    refresh_token: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back.

    Attributes:
        status: HTTP status.
        body: Decoded from its transfer and content codings.
        where: The token endpoint, for messages.
        wait: What Retry-After asks for, seconds.
        date: The time by the server's clock when it answered (RFC 9110 section 6.6.1); None when it did not say.
    """

    status: int
    body: bytes
    where: str
    wait: float | None = None
    date: datetime | None = None

    def __repr__(self) -> str:
        return f"Answer(status={self.status}, …)"


def read_answer(answer: Answer, expected: Expectations, issued: Moment) -> Grant:
    """The grant in an answer.

    Args:
        answer: What came back.
        expected: What it is held against.
        issued: Read before the request was sent.

    Raises:
        RotationError: A refusal (see `rotator.oauth.refusal`), or ANSWER_*, TOKEN_*, LIFETIME_*, SCOPE_NARROWER.
    """
    if answer.status != OK:
        raise refused(answer)
    fields = json_object(answer)
    # null says nothing, as in expires_in and scope: servers that write out every member of a class had no error then.
    if fields.get("error") is not None:
        if "access_token" in fields:
            raise RotationError(Code.ANSWER_CONTRADICTORY, f"{answer.where} answered with an error and a token at once")
        raise refusal(answer.status, fields, answer.where, answer.wait)
    token = _access_token(fields, answer.where)
    _check_type(fields, expected, answer.where)
    refuse_bound(jwt_claims(token) or {}, answer.where)
    lifetime = _lifetime(fields, token, expected, answer.where)
    return Grant(
        access_token=Secret(token),
        issued=issued,
        lifetime=lifetime,
        scope=granted_scope(fields, token, expected, answer.where),
        refresh_token=_refresh_token(fields, answer.where) if expected.refresh_token else None,
        refresh_in=_refresh_in(fields, lifetime),
    )


def refused(answer: Answer) -> RotationError:
    """The error for an answer whose status is none that grants anything; see `rotator.oauth.refusal`."""
    return refusal(answer.status, fields_or_none(answer), answer.where, answer.wait)


def fields_or_none(answer: Answer) -> dict[str, object] | None:
    """The JSON object of an answer; None where it has none that can be read."""
    try:
        return json_object(answer)
    except RotationError:
        return None


def json_object(answer: Answer) -> dict[str, object]:
    """The body of an answer as a JSON object in UTF-8 (RFC 8259), each key once, every number a float.

    int() raises at thousands of digits; float() makes infinity of what no float can hold, which is no lifetime.
    Content-Type is not asked: servers leave it out or mislabel good answers, and no label makes a page or a form JSON.
    """
    fields: object = None
    readable = True
    try:
        fields = json.loads(
            answer.body.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_no_constant, parse_int=float
        )
    except RotationError as error:
        raise RotationError(error.code, f"{answer.where} {error.detail}") from None
    except (ValueError, RecursionError):
        # UnicodeDecodeError and JSONDecodeError are ValueErrors that hold the body, and what is raised here holds them.
        readable = False
    if not readable:
        raise RotationError(
            Code.ANSWER_NOT_JSON, f"{answer.where} answered with {len(answer.body)} bytes that are not JSON in UTF-8"
        )
    if not isinstance(fields, dict):
        raise RotationError(Code.ANSWER_NOT_JSON, f"{answer.where} answered with JSON that is not an object")
    return fields


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise RotationError(Code.ANSWER_CONTRADICTORY, "answered with a JSON object that has a key twice")
    return fields


def _no_constant(_: str) -> NoReturn:
    raise ValueError("NaN and Infinity are not JSON")


def _access_token(fields: dict[str, object], where: str) -> str:
    token = fields.get("access_token")
    if not isinstance(token, str) or not token:
        raise RotationError(Code.TOKEN_MISSING, f"{where} answered without an access_token that is a non-empty string")
    if len(token) > LONGEST_TOKEN:
        raise RotationError(
            Code.TOKEN_INVALID, f"{where} answered with a token of {len(token)} characters; at most {LONGEST_TOKEN} fit"
        )
    if not _BEARER.fullmatch(token):
        raise RotationError(
            Code.TOKEN_INVALID,
            f"{where} answered with a token that has characters other than letters, digits and -._~+/=",
        )
    return token


def _check_type(fields: dict[str, object], expected: Expectations, where: str) -> None:
    kind = fields.get("token_type")
    if kind is None and expected.assume_bearer:
        return
    if not isinstance(kind, str) or kind.lower() != "bearer":
        found = "without token_type" if kind is None else "with a token_type other than Bearer"
        raise RotationError(Code.TOKEN_TYPE_UNSUPPORTED, f"{where} answered {found}")


def _refresh_token(fields: dict[str, object], where: str) -> Secret | None:
    """The refresh token that came along (RFC 6749 appendix A.17); None for none: the one before stays good."""
    said = fields.get("refresh_token")
    if said is None:
        return None
    if not isinstance(said, str) or not _PRINTABLE.fullmatch(said):
        raise RotationError(
            Code.TOKEN_INVALID, f"{where} answered with a refresh_token that is no text of printable ASCII characters"
        )
    return Secret(said)


def refuse_bound(claims: Mapping[str, object], where: str) -> None:
    """Refuse a token of which it is said that it is of use with a key only (RFC 7800 section 3.1).

    Raises:
        RotationError: TOKEN_BOUND.
    """
    confirmation = claims.get("cnf")
    if isinstance(confirmation, dict) and confirmation:
        known = {"x5t#S256": "a certificate", "jkt": "a key (DPoP)"}
        kinds = [words for name, words in known.items() if name in confirmation] or ["a key"]
        raise RotationError(Code.TOKEN_BOUND, f"{where} answered with a token that is bound to {kinds[0]}")


def _lifetime(fields: dict[str, object], token: str, expected: Expectations, where: str) -> float:
    said = _seconds(fields["expires_in"], where) if fields.get("expires_in") is not None else None
    known = [seconds for seconds in (said, jwt_lifetime(token)) if seconds is not None]
    if not known:
        if expected.assumed_lifetime is None:
            raise RotationError(
                Code.LIFETIME_MISSING, f"{where} answered without expires_in, and the token itself tells no lifetime"
            )
        known = [expected.assumed_lifetime]
    return min(*known, expected.max_lifetime)


def _seconds(value: object, where: str) -> float:
    """expires_in as whole seconds.

    Servers that hand out one token until it dies say 0 in its last second: that one is over, the next one is good.
    """
    number = _number(value)
    if 0 <= number < 1:
        raise RotationError(Code.EXPIRED_ON_ARRIVAL, f"{where} answered with a token that lives no second longer")
    if not 1 <= number < math.inf:
        raise RotationError(Code.LIFETIME_INVALID, f"{where} answered with an expires_in that is no positive number")
    return float(math.floor(number))


def _number(value: object) -> float:
    """A number, or the digits of one, for some servers send a string; NaN for anything else."""
    readable = isinstance(value, float) or (isinstance(value, str) and _DIGITS.fullmatch(value))
    return float(value) if readable else math.nan  # type: ignore[arg-type]  # a number or its digits, checked above


def _refresh_in(fields: dict[str, object], lifetime: float) -> float | None:
    """When the provider would see a new token asked for, as Microsoft's answers tell it; no RFC knows of it.

    It is a hint: one that cannot be meant is passed over, for the token is good all the same.
    """
    seconds = _number(fields.get("refresh_in"))
    return float(math.floor(seconds)) if 1 <= seconds < lifetime else None


def jwt_claims(token: str) -> dict[str, object] | None:
    """The claims of a JSON Web Token as it says them, its signature not looked at; None for what is none."""
    parts = token.split(".")
    if len(parts) != 3:  # noqa: PLR2004  RFC 7515 section 3.1
        return None
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)), parse_int=float)
    except (ValueError, RecursionError):
        return None
    return claims if isinstance(claims, dict) else None


def jwt_lifetime(token: str) -> float | None:
    """The lifetime that a JSON Web Token tells, exp less iat (RFC 7519 section 4.1), seconds; None when it tells none.

    The signature is not looked at: the token is not trusted for anything here, its lifetime can only be shortened.
    Both claims come from the provider's clock, so that its difference from ours does not matter.
    """
    claims = jwt_claims(token) or {}
    ends, begins = claims.get("exp"), claims.get("iat")
    if not isinstance(ends, float) or not isinstance(begins, float):
        return None
    span = ends - begins
    return span if math.isfinite(span) and span > 0 else None


def granted_scope(fields: Mapping[str, object], token: str, expected: Expectations, where: str) -> str:
    """The scope granted: the one asked for if the answer has none (RFC 6749 section 5.1), none if it is unreadable.

    Raises:
        RotationError: SCOPE_NARROWER.
    """
    said = fields.get("scope")
    if said is None:
        return expected.scope
    # A scope is shown and stored where no token belongs: one that is the token itself is taken for none.
    readable = isinstance(said, str) and _SCOPE.fullmatch(said) and token not in said.split()
    granted = str(said) if readable else ""
    missing = set(expected.scope.split()) - set(granted.split())
    if missing and not expected.accept_narrower_scope:
        what = "granted a scope" if granted == said else "granted something unreadable"
        raise RotationError(
            Code.SCOPE_NARROWER, f"{where} {what} without {' '.join(sorted(missing))!r}, which was asked for"
        )
    return granted
