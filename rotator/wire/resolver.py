"""Name lookups that cannot hold anything up (N01).

The system's getaddrinfo has no deadline: with a silent name server it takes half a minute. Each lookup has a thread of
its own and not one of asyncio's few, which would soon all wait for one provider's name server while the names of
others, and whatever else needs a thread, waited behind them. The threads are daemons: a lookup that hangs must not keep
the process from ending. A session has one lookup per host under way at most, since aiohttp lets further requests join.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, TypeAlias

from aiohttp.abc import AbstractResolver, ResolveResult

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from aiohttp import AddrInfoType

Lookup: TypeAlias = "Callable[[str, int, socket.AddressFamily], Sequence[AddrInfoType]]"
"""Finds the addresses of a host and port; may block, raises OSError."""

_NUMERIC = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV


def system_lookup(host: str, port: int, family: socket.AddressFamily) -> Sequence[AddrInfoType]:
    """As the system has it: /etc/hosts, DNS and whatever else it is set up to ask."""
    return socket.getaddrinfo(host, port, family, socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)


class ThreadResolver(AbstractResolver):
    """A resolver for aiohttp.

    Args:
        lookup: What finds the addresses, in a thread.
    """

    def __init__(self, lookup: Lookup = system_lookup) -> None:
        self._lookup = lookup

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """The addresses of a host.

        Raises:
            OSError: There are none, or the lookup failed.
        """
        found = await self._in_thread(host, port, family)
        return [
            ResolveResult(
                hostname=host, host=str(address[0]), port=int(address[1]), family=kind, proto=protocol, flags=_NUMERIC
            )
            for kind, _, protocol, _, address in found
        ]

    async def close(self) -> None:
        """Nothing is kept."""

    def _in_thread(self, host: str, port: int, family: socket.AddressFamily) -> asyncio.Future[Sequence[AddrInfoType]]:
        loop = asyncio.get_running_loop()
        found: asyncio.Future[Sequence[AddrInfoType]] = loop.create_future()

        def settle(outcome: Sequence[AddrInfoType] | Exception) -> None:
            if found.done():
                return  # the session has been closed meanwhile
            if isinstance(outcome, Exception):
                found.set_exception(outcome)
            else:
                found.set_result(outcome)

        def body() -> None:
            outcome: Sequence[AddrInfoType] | Exception
            try:
                outcome = self._lookup(host, port, family)
            except Exception as error:  # noqa: BLE001  whoever waits gets it
                outcome = error
            with suppress(RuntimeError):  # the loop has been closed: nobody waits
                loop.call_soon_threadsafe(settle, outcome)

        try:
            threading.Thread(target=body, name=f"lookup of {host}", daemon=True).start()
        except RuntimeError:
            raise OSError("no thread could be started for a name lookup") from None
        return found
