"""allowed_networks: what is read, what is refused, and what reaches the other rooms (N02)."""

from __future__ import annotations

from ipaddress import ip_network
from typing import TYPE_CHECKING

import pytest

from rotator.settings import translate

if TYPE_CHECKING:
    from tests.unit.settings.home import Home

PLACES = {
    "vault": ("[vault.auth]", "vault.allowed_networks"),
    "provider": ("[defaults]", "providers.thx.allowed_networks"),
}


def with_networks(home: Home, place: str, networks: str) -> str:
    """Set the key at a place; its name."""
    table, key = PLACES[place]
    home.write(home.file.read_text().replace(table, f"allowed_networks = {networks}\n{table}", 1))
    return key


def test_n02_networks_reach_the_provider_and_vault(home: Home) -> None:
    with_networks(home, "vault", '["10.0.0.0/8"]')
    with_networks(home, "provider", '["192.0.2.7", "FD00::/8"]')
    loaded = home.loads()
    assert translate.vault(loaded, {}).allowed_networks == (ip_network("10.0.0.0/8"),)
    provider = translate.provider(loaded.settings.providers["thx"])
    assert provider.allowed_networks == (ip_network("192.0.2.7"), ip_network("fd00::/8"))


def test_n02_without_the_key_nothing_is_narrowed(home: Home) -> None:
    loaded = home.loads()
    assert translate.vault(loaded, {}).allowed_networks is None
    assert translate.provider(loaded.settings.providers["thx"]).allowed_networks is None


REFUSED = {
    "bits beyond the prefix": ('["10.1.0.0/8"]', "no bits set beyond its prefix"),
    "a host name": ('["vault.example.com"]', "a network such as"),
    "a number": ("[10]", "a network such as"),
    "another script": ('["１０.0.0.0/8"]', "a network such as"),  # noqa: RUF001  that is the point
    "only addresses that are never talked to": ('["169.254.0.0/16"]', "link-local ones never are"),
    "nothing": ("[]", "at least"),
    "no list": ('"10.0.0.0/8"', "list"),
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("case", REFUSED)
def test_n02_networks_are_refused_that_are(home: Home, place: str, case: str) -> None:
    networks, wanted = REFUSED[case]
    key = with_networks(home, place, networks)
    problem = home.problem()
    assert problem.key.startswith(key)
    assert wanted in f"{problem.wanted} {problem.cure}"
