"""What a plugin's part is handed besides its settings."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeVar

from yarl import URL

from rotator.core.document import Wanted
from rotator.wire.addresses import Reach
from rotator.wire.session import open_session
from rotator.wire.threads import in_thread

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import aiohttp

    from rotator.core.model import Secret
    from rotator.core.ports import Clock

T = TypeVar("T")

CONNECT_WITHIN = 3.0
"""Seconds for one connection to be made."""


class Site:
    """Where a part of a plugin is put up.

    Args:
        credential: The name of the credential that it is for.
        name: Of a sink, `TYPE:PLACE`, which its own `name` has to be; of a source, for messages.
        clock: Time. Nothing else may be asked for it.
        read_secret: Reads the secret in a file, and may block; see `secret`.
        wanted: Which fields a source's document has to hold.

    Attributes:
        credential: See above.
        name: See above.
        clock: See above.
        wanted: See above.
    """

    def __init__(
        self,
        credential: str,
        name: str,
        clock: Clock,
        read_secret: Callable[[Path, bool], Secret],
        wanted: Wanted | None = None,
    ) -> None:
        self.credential = credential
        self.name = name
        self.clock = clock
        self.wanted = wanted or Wanted()
        self._read_secret = read_secret
        self._busy: asyncio.Future[Any] | None = None

    async def in_thread(self, work: Callable[[], T]) -> T:
        """Do what may block in a thread, after what this part had done in one before has ended.

        Cancelling the wait does not end the work: it has to leave nothing half done, whenever it ends.

        Raises:
            Exception: What `work` raises.
        """
        while self._busy is not None and not self._busy.done():
            await asyncio.wait([self._busy])
        running = self._busy = in_thread(work, self.name)
        return await asyncio.shield(running)

    async def secret(self, file: Path, *, lines: bool = False) -> Secret:
        """The secret in a file that is closed to others, read anew each time.

        Args:
            file: Absolute.
            lines: Whether it may have several lines.

        Raises:
            RotationError: SECRET_MISSING when there is no such file; FILE_UNSAFE when it is empty, no text in UTF-8,
                or open to others.
        """
        return await self.in_thread(lambda: self._read_secret(file, lines))

    def open_session(self, url: str, connections: int = 4) -> aiohttp.ClientSession:
        """A session for requests to one server: no cookies, proxies and netrc, no address that must not be talked to.

        Ask with `allow_redirects=False`, and read answers with `rotator.plugins.read_body`. Close it in `close`.

        Args:
            url: Any address of the server.
            connections: Open at most.
        """
        return open_session(connections, CONNECT_WITHIN, Reach.of([URL(url).host]))
