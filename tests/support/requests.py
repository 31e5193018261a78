"""Requests to a token endpoint as they are built, without a server."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

from rotator.core.model import ClientCredentials, Moment, Secret
from rotator.oauth.client_auth import ClientAuthSettings
from rotator.oauth.grants import GrantParameters, ask_for

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from rotator.oauth.client_auth import BasicEncoding
    from rotator.oauth.request import TokenRequest

T = TypeVar("T")

NOW = Moment(datetime(2026, 1, 1, tzinfo=UTC), 0.0)


def client(client_id: str = "client", *secrets: str, **further: str) -> ClientCredentials:
    """Credentials as a source gives them."""
    kept = {name: Secret(text) for name, text in further.items()}
    return ClientCredentials(client_id, tuple(map(Secret, secrets or ("secret",))), "v1", kept)


def at_once(work: Coroutine[Any, Any, T]) -> T:
    """What a coroutine returns that waits for nothing."""
    try:
        work.send(None)
    except StopIteration as done:
        result: T = done.value
        return result
    raise AssertionError("it waits for something")


def built(
    parameters: GrantParameters, method: str, encoding: BasicEncoding, client_id: str, secret: Secret
) -> TokenRequest:
    """The request for one token."""
    credentials = ClientCredentials(client_id, (secret,), "v1")
    return at_once(ask_for(credentials, parameters, ClientAuthSettings(method, encoding), "https://as.example", NOW))
