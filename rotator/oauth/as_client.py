"""Requests to the endpoints beside the token endpoint, with which a client proves itself in the same way."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rotator.oauth.client_auth import prove
from rotator.oauth.request import token_request

if TYPE_CHECKING:
    from rotator.core.model import ClientCredentials, Moment
    from rotator.oauth.client_auth import Form
    from rotator.oauth.endpoint import EndpointSettings
    from rotator.oauth.provider import Provider
    from rotator.oauth.request import TokenRequest


async def client_request(
    form: Form, credentials: ClientCredentials, provider: Provider, settings: EndpointSettings, now: Moment
) -> TokenRequest:
    """The request that says `form`, for the first of the client's secrets.

    Raises:
        RotationError: SECRET_MALFORMED, VAULT_*; see `rotator.oauth.client_auth.prove`.
    """
    audience = settings.assertion_audience or provider.audience
    return token_request(form, await prove(credentials, settings.client_auth, audience, now))
