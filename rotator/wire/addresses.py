"""Which addresses a connection may be made to (docs/adr/0011-addresses-are-checked-where-connections-are-made.md).

A host name says whom an operator means; what it resolves to is said by whoever answers for DNS. So the address itself
is held against the configuration, each time a connection is made, before anything is sent to it (N02).
"""

from __future__ import annotations

import ipaddress
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aiohttp import AddrInfoType

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

_NEVER: tuple[tuple[str, tuple[Network, ...]], ...] = (
    ("link-local", (ipaddress.ip_network("169.254.0.0/16"), ipaddress.ip_network("fe80::/10"))),
    ("unspecified", (ipaddress.ip_network("0.0.0.0/8"), ipaddress.ip_network("::/128"))),
    (
        "multicast or broadcast",
        (
            ipaddress.ip_network("224.0.0.0/4"),
            ipaddress.ip_network("ff00::/8"),
            ipaddress.ip_network("255.255.255.255/32"),
        ),
    ),
)
"""Where no provider and no Vault is. Cloud metadata is link-local, and 0.0.0.0 leads back to this machine."""

_LOOPBACK: tuple[Network, ...] = (ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128"))

_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
"""RFC 6052: a gateway speaks to the IPv4 address that such an address ends with."""


class AddressRefusedError(OSError):
    """An address that the configuration does not allow; the connection has not been made.

    Its text is always the same: aiohappyeyeballs keeps the type of errors that say the same.

    Attributes:
        address: The address.
        why: What speaks against it, as a clause.
    """

    def __init__(self, address: str, why: str) -> None:
        super().__init__("an address that is not allowed")
        self.address = address
        self.why = why


def is_loopback(host: str) -> bool:
    """Whether a host is this machine by its very spelling: 127.0.0.0/8, ::1 or localhost; nothing is resolved."""
    try:
        return _is_in(ipaddress.ip_address(host), _LOOPBACK)
    except ValueError:
        return host == "localhost"


def never_allowed(network: Network) -> str:
    """What kind of address all of a network are, if they are never talked to; empty for any other network."""
    return next((kind for kind, never in _NEVER if any(_is_within(network, other) for other in never)), "")


@dataclass(frozen=True, slots=True)
class Reach:
    """What the configuration says of the addresses of one server.

    Attributes:
        networks: Those that it may have; None for any.
        loopback: Whether the configuration itself names this machine as the host.
    """

    networks: tuple[Network, ...] | None = None
    loopback: bool = False

    @classmethod
    def of(cls, hosts: Iterable[str | None], networks: tuple[Network, ...] | None = None) -> Reach:
        """The reach of a server that is configured under these host names or addresses."""
        return cls(networks, loopback=any(is_loopback(host) for host in hosts if host is not None))

    def check(self, address: str) -> None:
        """See that an address may be talked to.

        Raises:
            AddressRefusedError: It may not.
        """
        meant = _meant(ipaddress.ip_address(address.partition("%")[0]))
        why = self._why_not(meant)
        if why:
            raise AddressRefusedError(str(meant), why)

    def _why_not(self, address: Address) -> str:
        for kind, never in _NEVER:
            if _is_in(address, never):
                return f"{kind} addresses are never talked to"
        allowed = [network for network in self.networks or () if address in network]
        if self.networks is not None and not allowed:
            return f"allowed_networks has {', '.join(map(str, self.networks))} only"
        named = self.loopback or any(_is_within(network, other) for network in allowed for other in _LOOPBACK)
        if _is_in(address, _LOOPBACK) and not named:
            return "this machine itself is talked to only where the configured host is localhost, 127.0.0.0/8 or ::1"
        return ""

    def open_socket(self, where: AddrInfoType) -> socket.socket:
        """A socket for a connection to `where`, which is not made yet; aiohttp's `socket_factory`.

        Raises:
            AddressRefusedError: The address may not be talked to.
        """
        family, kind, protocol, _, address = where
        self.check(str(address[0]))
        return socket.socket(family, kind, protocol)


def _meant(address: Address) -> Address:
    """The IPv4 address that packets to an IPv6 address end up at, where it is but a wrapping of one."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return ipaddress.IPv4Address(address.packed[-4:]) if address in _NAT64 else address


def _is_in(address: Address, networks: Iterable[Network]) -> bool:
    return any(address in network for network in networks)


def _is_within(inner: Network, outer: Network) -> bool:
    return inner.version == outer.version and inner.subnet_of(outer)  # type: ignore[arg-type]  # of one version, as asked before
