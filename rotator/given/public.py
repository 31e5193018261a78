"""A client without a secret: a public one (RFC 6749 section 2.1), or one whose key is kept elsewhere."""

from __future__ import annotations

from rotator.core.model import ClientCredentials


class PublicSource:
    """Knows a client by its name alone.

    Args:
        client_id: The client's name.
    """

    def __init__(self, client_id: str) -> None:
        self._credentials = ClientCredentials(client_id, (), "v1")

    async def read(self) -> ClientCredentials:
        """See `rotator.core.ports.Source`. It never fails, and the version never changes."""
        return self._credentials
