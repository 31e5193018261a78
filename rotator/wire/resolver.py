"""Name lookups that cannot hold anything up (N01).

The system's getaddrinfo has no deadline: with a silent name server it takes half a minute. Each lookup has a thread of
its own (`rotator.wire.threads`), or the names of others would wait behind it. A session has one lookup per host under
way at most, since aiohttp lets further requests join.
"""

from __future__ import annotations

import socket
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

from aiohttp.abc import AbstractResolver, ResolveResult

from rotator.wire.threads import in_thread

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
        found = await in_thread(partial(self._lookup, host, port, family), f"lookup of {host}")
        return [
            ResolveResult(
                hostname=host, host=str(address[0]), port=int(address[1]), family=kind, proto=protocol, flags=_NUMERIC
            )
            for kind, _, protocol, _, address in found
        ]

    async def close(self) -> None:
        """Nothing is kept."""
