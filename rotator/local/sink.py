"""The local socket as a sink."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rotator.core.model import TokenRecord
    from rotator.local.peers import Peers
    from rotator.local.server import LocalServer


class SocketSink:
    """A token that local consumers ask for.

    It is held in memory and nowhere else. After a restart the sink holds nothing; what another sink of the credential
    holds is then delivered here as well, and where there is no other one a token is minted.

    Args:
        server: Who answers.
        credential: Whose token it is, and what it is asked for by.
        peers: Who may ask.
        fields: The consumers' names to the record's, where they differ: `{"token": "access_token"}`.

    Attributes:
        credential: See above.
        peers: See above.
        fields: See above.
    """

    kind = "socket"

    def __init__(
        self, server: LocalServer, credential: str, peers: Peers, fields: Mapping[str, str] | None = None
    ) -> None:
        self.name = f"socket:/token/{credential}"
        self.credential = credential
        self.peers = peers
        self.fields = dict(fields or {})
        self._server = server

    async def read(self) -> TokenRecord | None:
        """See `rotator.core.ports.Sink`."""
        return self._server.shelf.record(self.credential)

    async def write(self, record: TokenRecord) -> TokenRecord:
        """See `rotator.core.ports.Sink`.

        Raises:
            RotationError: LOCAL_PEERS: nothing has changed; nobody could have asked for it.
        """
        await self.check()
        return self._server.shelf.put(self.credential, record)

    async def check(self) -> None:
        """See `rotator.core.ports.Sink`.

        Raises:
            RotationError: LOCAL_PEERS.
        """
        await self._server.accounts.check(self.peers)
