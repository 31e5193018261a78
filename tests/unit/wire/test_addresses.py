"""Which addresses may be talked to (N02)."""

from __future__ import annotations

import ipaddress
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rotator.wire.addresses import AddressRefusedError, Reach, is_loopback, never_allowed


def reach(*hosts: str, networks: tuple[str, ...] | None = None) -> Reach:
    return Reach.of(hosts, None if networks is None else tuple(map(ipaddress.ip_network, networks)))


ANYWHERE = reach("auth.example.com")
HERE = reach("localhost")
NARROW = reach("auth.example.com", networks=("10.0.0.0/8", "fd00::/8"))
BESIDE = reach("auth.example.com", networks=("127.0.0.2/32",))

ALLOWED = {
    "any public address": (ANYWHERE, "192.0.2.7"),
    "any public address of IPv6": (ANYWHERE, "2001:db8::7"),
    "a private network": (ANYWHERE, "10.1.2.3"),
    "this machine where the host says so": (HERE, "127.0.0.1"),
    "all of this machine where the host says so": (HERE, "::1"),
    "this machine where an address says so": (reach("127.0.0.9"), "127.0.0.1"),
    "this machine where one of several hosts says so": (reach("vault.example.com", "::1"), "::1"),
    "a network that is named": (NARROW, "10.1.2.3"),
    "a network of IPv6 that is named": (NARROW, "fd12::1"),
    "an address that is named by its IPv4 and comes wrapped in IPv6": (NARROW, "::ffff:10.1.2.3"),
    "a loopback address that a network names": (BESIDE, "127.0.0.2"),
}


@pytest.mark.parametrize("case", ALLOWED)
def test_n02_a_connection_may_be_made_to(case: str) -> None:
    allows, address = ALLOWED[case]
    allows.check(address)


REFUSED = {
    "the metadata service of a cloud": (ANYWHERE, "169.254.169.254", "link-local"),
    "the same, wrapped in IPv6": (ANYWHERE, "::ffff:169.254.169.254", "link-local"),
    "the same, through a NAT64 gateway": (ANYWHERE, "64:ff9b::a9fe:a9fe", "link-local"),
    "a link-local address of IPv6": (ANYWHERE, "fe80::1", "link-local"),
    "a link-local address with its zone": (ANYWHERE, "fe80::1%eth0", "link-local"),
    "the unspecified address": (ANYWHERE, "0.0.0.0", "unspecified"),  # noqa: S104  nothing is bound to it
    "the unspecified address of IPv6": (ANYWHERE, "::", "unspecified"),
    "the unspecified address although the host says loopback": (HERE, "0.0.0.0", "unspecified"),  # noqa: S104  likewise
    "the broadcast address": (ANYWHERE, "255.255.255.255", "multicast or broadcast"),
    "a multicast address": (ANYWHERE, "224.0.0.1", "multicast or broadcast"),
    "a multicast address of IPv6": (ANYWHERE, "ff02::1", "multicast or broadcast"),
    "this machine": (ANYWHERE, "127.0.0.1", "this machine itself"),
    "this machine in IPv6": (ANYWHERE, "::1", "this machine itself"),
    "this machine, wrapped in IPv6": (ANYWHERE, "::ffff:127.0.0.1", "this machine itself"),
    "this machine, of which everything was named": (
        reach("auth.example.com", networks=("0.0.0.0/0",)),
        "127.0.0.1",
        "this machine itself",
    ),
    "this machine where other networks are named": (reach("localhost", networks=("10.0.0.0/8",)), "127.0.0.1", "10."),
    "a network that is not named": (NARROW, "192.0.2.7", "allowed_networks has 10.0.0.0/8, fd00::/8 only"),
    "the neighbour of a loopback address that is named": (BESIDE, "127.0.0.1", "127.0.0.2/32 only"),
    "link-local where everything is named": (
        reach("auth.example.com", networks=("0.0.0.0/0", "::/0")),
        "169.254.169.254",
        "never",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_n02_no_socket_is_opened_for(case: str) -> None:
    allows, address, why = REFUSED[case]
    with pytest.raises(AddressRefusedError) as caught:
        allows.open_socket((socket.AF_INET, socket.SOCK_STREAM, 0, "", (address, 443)))
    assert why in caught.value.why


@given(st.ip_addresses(), st.sampled_from([ANYWHERE, HERE, NARROW, BESIDE]))
def test_n02_whatever_the_address_nothing_link_local_is_allowed(address: object, allows: Reach) -> None:
    try:
        allows.check(str(address))
    except AddressRefusedError:
        return
    parsed = ipaddress.ip_address(str(address))
    assert not any((parsed.is_link_local, parsed.is_multicast, parsed.is_unspecified))
    assert not parsed.is_loopback or allows in (HERE, BESIDE)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.9.9.9", "::1"])
def test_a_host_says_loopback_by_its_spelling(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["localhost.example.com", "::ffff:127.0.0.1", "1.2.3.4", "", "0x7f.1", "::"])
def test_no_other_host_says_loopback(host: str) -> None:
    assert not is_loopback(host)


@pytest.mark.parametrize(("network", "kind"), [("169.254.169.254/32", "link-local"), ("fe80::/16", "link-local")])
def test_a_network_of_which_nothing_is_ever_allowed_is_told(network: str, kind: str) -> None:
    assert never_allowed(ipaddress.ip_network(network)) == kind


@pytest.mark.parametrize("network", ["10.0.0.0/8", "0.0.0.0/0", "169.0.0.0/8", "::/0"])
def test_a_network_that_holds_others_as_well_is_not(network: str) -> None:
    assert never_allowed(ipaddress.ip_network(network)) == ""
