"""A grant: an assertion that somebody else makes and keeps in the client's document (RFC 7523 section 2.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rotator.plugins import GrantKind, Plugin

if TYPE_CHECKING:
    from rotator.plugins import ClientCredentials, Form, GrantParameters, Moment

ASSERTION = "assertion"


async def form(credentials: ClientCredentials, _: GrantParameters, __: str, ___: Moment) -> Form:
    """What stands in a token request beside scope, audience and whatever proves the client."""
    return [(ASSERTION, credentials.further[ASSERTION].reveal())]


plugin = Plugin(
    api=1, kind=GrantKind(grant_type="urn:ietf:params:oauth:grant-type:jwt-bearer", form=form, fields=(ASSERTION,))
)
