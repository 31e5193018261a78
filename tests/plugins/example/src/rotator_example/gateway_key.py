"""A client authentication: a gateway before the authorization server takes a key in a header of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rotator.plugins import CLIENT_SECRET, ClientAuth, Plugin, Proof

if TYPE_CHECKING:
    from rotator.plugins import ClientAuthSettings, ClientCredentials, Moment


async def prove(credentials: ClientCredentials, _: ClientAuthSettings, __: str, ___: Moment) -> Proof:
    """Show the key; the form says whose it is."""
    return Proof(headers={"X-Api-Key": credentials.secrets[0].reveal()}, form=[("client_id", credentials.client_id)])


plugin = Plugin(api=1, kind=ClientAuth(prove, field=CLIENT_SECRET))
