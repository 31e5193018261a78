"""Names that do not resolve, resolve slowly, or resolve to where nobody should go (N01, N02, N03)."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import subprocess
import sys
import threading
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any, Self

import pytest
from yarl import URL

from rotator.core.errors import Code, RotationError
from rotator.core.model import Secret
from rotator.vault import adapter
from rotator.vault.answers import DownError
from rotator.vault.transport import Transport
from rotator.wire.resolver import system_lookup
from tests.support.hostile_provider import (
    CLIENT,
    GOOD,
    answering,
    asking,
    counting,
    full_backlog,
    hostile,
    mint,
    response,
)

if TYPE_CHECKING:
    from aiohttp import AddrInfoType

    from rotator.wire.resolver import Lookup

NAME = "auth.example.com"


def resolving(*addresses: str) -> Lookup:
    """A name service that has these addresses for every name."""

    def lookup(_: str, port: int, __: socket.AddressFamily) -> list[AddrInfoType]:
        return [found for address in addresses for found in system_lookup(address, port, socket.AF_UNSPEC)]

    return lookup


def named(url: str, name: str = NAME) -> str:
    """The same URL with a name for its host."""
    return str(URL(url).with_host(name))


async def refused(url: str, lookup: Lookup, **settings: Any) -> RotationError:
    with pytest.raises(RotationError) as caught:
        await mint(url, lookup=lookup, **settings)
    assert "CANARY" not in f"{caught.value!r}"
    return caught.value


class Hanging:
    """A name service that answers when it is let go; `with` lets go in the end."""

    def __init__(self) -> None:
        self.asked = 0
        self._go = threading.Event()
        self._more = threading.Condition()

    def __call__(self, _: str, __: int, ___: socket.AddressFamily) -> list[AddrInfoType]:
        with self._more:
            self.asked += 1
            self._more.notify_all()
        self._go.wait(60)
        raise socket.gaierror(socket.EAI_AGAIN, "at last")

    async def asked_so_often(self, times: int) -> None:
        """Wait until so many lookups hang."""

        def wait() -> None:
            with self._more:
                self._more.wait_for(lambda: self.asked >= times, 20)

        await asyncio.to_thread(wait)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._go.set()


@pytest.mark.parametrize("number", [socket.EAI_NONAME, socket.EAI_AGAIN], ids=["NXDOMAIN", "SERVFAIL"])
async def test_a_name_that_does_not_resolve_is_a_provider_that_is_not_reached_n01(number: int) -> None:
    def lookup(*_: object) -> list[AddrInfoType]:
        raise socket.gaierror(number, "CANARY")

    error = await refused(f"https://{NAME}/token", lookup)
    assert error.code is Code.PROVIDER_UNREACHABLE
    assert error.detail == f"the token endpoint https://{NAME}/token has a host name that does not resolve"


async def test_a_lookup_that_hangs_is_given_up_at_the_deadline_n01() -> None:
    began = asyncio.get_running_loop().time()
    with Hanging() as hanging:
        error = await refused(f"https://{NAME}/token", hanging, timeout=0.3)
    assert error.code is Code.PROVIDER_TIMEOUT
    assert not error.ambiguous
    assert asyncio.get_running_loop().time() - began < 1.0


async def test_lookups_that_hang_delay_no_other_names_n01_n08() -> None:
    async with AsyncExitStack() as stack:
        hanging = stack.enter_context(Hanging())
        url = await stack.enter_async_context(hostile(answering(response(GOOD))))
        hung = [asyncio.create_task(refused(f"http://{NAME}/{number}", hanging, timeout=5.0)) for number in range(40)]
        async with asyncio.timeout(4):
            await hanging.asked_so_often(len(hung))
            assert (await mint(named(url, "localhost"))).lifetime == 600.0
        assert not any(task.done() for task in hung)
        for task in hung:
            task.cancel()
        await asyncio.gather(*hung, return_exceptions=True)


async def test_requests_to_one_host_share_a_lookup_that_hangs_n01() -> None:
    with Hanging() as hanging:
        async with asking(f"https://{NAME}/token", hanging, timeout=0.3) as endpoint:
            for _ in range(2):
                errors = await asyncio.gather(*(endpoint.mint(CLIENT) for _ in range(8)), return_exceptions=True)
                assert {error.code for error in errors if isinstance(error, RotationError)} == {Code.PROVIDER_TIMEOUT}
    assert hanging.asked == 1


HANGS = """
import asyncio, time
from tests.support.hostile_provider import mint
from rotator.core.errors import RotationError

async def main():
    try:
        await mint("https://auth.example.com/token", lookup=lambda *_: time.sleep(300), timeout=0.2)
    except RotationError as error:
        print(error.code.text)

asyncio.run(main())
"""


def test_a_lookup_that_hangs_does_not_keep_the_process_from_ending_n01() -> None:
    # 15 s are far less than the lookup takes, and enough for Python to start on a busy machine.
    ended = subprocess.run([sys.executable, "-c", HANGS], check=True, capture_output=True, text=True, timeout=15)
    assert ended.stdout == "provider_timeout\n"


@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0", "::ffff:127.0.0.1"])  # noqa: S104  nothing is bound to it
async def test_a_name_that_leads_to_this_machine_is_sent_nothing_n02(address: str) -> None:
    served: list[bytes] = []
    async with hostile(counting(served, response(GOOD))) as url:
        assert (await mint(url)).lifetime == 600.0, "the server is there"
        error = await refused(named(url), resolving(address))
    assert error.code is Code.PROVIDER_ADDRESS_REFUSED
    assert len(served) == 1, "not even a connection was made"


async def test_a_refused_address_is_told_with_what_speaks_against_it_n02() -> None:
    error = await refused(f"https://{NAME}/token", resolving("169.254.169.254"))
    assert error.detail == (
        f"the token endpoint https://{NAME}/token is at 169.254.169.254, and link-local addresses are never talked to"
    )


async def test_an_address_in_place_of_a_name_is_checked_as_well_n02() -> None:
    with pytest.raises(RotationError) as caught:
        await mint("https://169.254.169.254/token")
    assert caught.value.code is Code.PROVIDER_ADDRESS_REFUSED


async def test_networks_that_are_named_are_the_only_ones_n02() -> None:
    async with hostile(answering(response(GOOD)), host="127.0.0.2") as url:
        allowed = (ipaddress.ip_network("127.0.0.2/32"),)
        assert (await mint(named(url), lookup=resolving("127.0.0.2"), allowed_networks=allowed)).lifetime == 600.0
        error = await refused(named(url), resolving("127.0.0.1"), allowed_networks=allowed)
    assert error.code is Code.PROVIDER_ADDRESS_REFUSED
    assert "127.0.0.1, and allowed_networks has 127.0.0.2/32 only" in error.detail


async def test_the_address_that_is_allowed_is_taken_where_another_is_not_n02_n03() -> None:
    async with hostile(answering(response(GOOD))) as url:
        grant = await mint(named(url, "localhost"), lookup=resolving("169.254.169.254", "127.0.0.1"))
    assert grant.lifetime == 600.0


async def test_vaults_name_that_leads_to_this_machine_is_sent_nothing_n02() -> None:
    served: list[bytes] = []
    async with hostile(counting(served, response(b"{}"))) as url:
        port = URL(url).port
        address = f"http://vault.example.com:{port}"
        transport = Transport(frozenset({f"vault.example.com:{port}"}), lookup=resolving("127.0.0.1"))
        try:
            with pytest.raises(DownError) as caught:
                await adapter.client(transport, address, "", Secret("CANARY")).adapter.get("/v1/secret/data/x")
        finally:
            await transport.close()
    assert caught.value.code is Code.VAULT_ADDRESS_REFUSED
    assert "Vault's host is at 127.0.0.1" in caught.value.detail
    assert served == []


@pytest.mark.parametrize("dead", ["127.0.0.2", "::1"], ids=["of two A records", "an IPv6 black hole"])
async def test_the_next_address_is_tried_long_before_the_deadline_n03(dead: str) -> None:
    async with hostile(answering(response(GOOD))) as url:
        port = URL(url).port
        assert port is not None
        with full_backlog(dead, port):
            began = asyncio.get_running_loop().time()
            grant = await mint(named(url, "localhost"), lookup=resolving(dead, "127.0.0.1"), timeout=5.0)
            took = asyncio.get_running_loop().time() - began
    assert grant.lifetime == 600.0
    assert took < 0.5, "the dead one was not waited for until its connect timeout"


async def test_an_address_where_nobody_listens_is_passed_over_n03() -> None:
    async with hostile(answering(response(GOOD))) as url:
        grant = await mint(named(url, "localhost"), lookup=resolving("127.0.0.2", "127.0.0.1"))
    assert grant.lifetime == 600.0
