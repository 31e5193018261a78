"""Installation access tokens of a GitHub App, which are got much as RFC 6749 has it, and written quite otherwise.

See "Generating an installation access token for a GitHub App" and "Generating a JSON Web Token (JWT) for a GitHub App"
in GitHub's documentation.
"""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

from rotator.oauth.answer import OK, json_object, read_answer, refused
from rotator.oauth.request import TokenRequest

if TYPE_CHECKING:
    from rotator.core.model import Grant, Moment, Secret
    from rotator.oauth.answer import Answer, Expectations

CREATED = 201

HEADERS = {"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28"}


def request(assertion: Secret, members: tuple[tuple[str, str], ...]) -> TokenRequest:
    """The request: the app proves itself by a JWT in place of a token.

    Args:
        assertion: Signed by the app.
        members: Of the JSON document that is sent. Those that are JSON themselves stay so, others are texts.
    """
    return TokenRequest(
        {**HEADERS, "Authorization": f"Bearer {assertion.reveal()}", "Content-Type": "application/json"},
        json.dumps({name: _json(text) for name, text in members}).encode(),
    )


def _json(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        return text


def read_installation_token(answer: Answer, expected: Expectations, issued: Moment) -> Grant:
    """The grant in an answer.

    Raises:
        RotationError: As `rotator.oauth.answer.read_answer`.
    """
    if answer.status != CREATED:
        raise refused(answer)
    fields = json_object(answer)
    said = {"access_token": fields.get("token"), "token_type": "bearer", "expires_in": _left(fields, issued)}
    # Read as an answer of RFC 6749, so that it is held to the same.
    return read_answer(replace(answer, status=OK, body=json.dumps(said).encode()), expected, issued)


def _left(fields: dict[str, object], issued: Moment) -> float | None:
    """Seconds until `expires_at`. GitHub tells no lifetime, so that both clocks have a part in it."""
    said = fields.get("expires_at")
    try:
        ends = datetime.fromisoformat(said if isinstance(said, str) else "")
    except ValueError:
        return None
    return None if ends.tzinfo is None else (ends - issued.wall).total_seconds()
