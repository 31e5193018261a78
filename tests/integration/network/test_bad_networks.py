"""A real authorization server behind a network at fault."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from rotator.core.errors import Code, RotationError
from rotator.core.model import CredentialSpec
from rotator.core.rotation import Rotation
from rotator.engine.clock import SystemClock
from rotator.engine.dispatcher import Dispatcher
from rotator.engine.gate import Gate, Limits
from rotator.engine.gated import GatedEndpoint
from rotator.engine.schedule import Schedule
from rotator.oauth.endpoint import EndpointSettings, HttpTokenEndpoint
from rotator.oauth.provider import Provider, ProviderSettings
from rotator.testing import MemorySink, MemorySource, RecordingJournal
from tests.support.fault_proxy import CLEAR, DROP, RESET, Fault, FaultProxy, port_of
from tests.support.hostile_provider import GOOD, asking, hostile, read_request, response

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from rotator.core.model import Grant
    from tests.support.oidc import OidcProvider


class Line:
    """A client of the real server, and the network between them."""

    def __init__(self, oidc: OidcProvider, proxy: FaultProxy) -> None:
        self.client = oidc.register()
        self.proxy = proxy
        self.url = f"http://127.0.0.1:{proxy.port}/token"
        self._oidc = oidc

    async def mint(self, timeout: float = 1.0) -> Grant:  # noqa: ASYNC109  the endpoint's own
        async with asking(self.url, timeout=timeout) as endpoint:
            return await endpoint.mint(self.client.credentials)

    async def fails(self, fault: Fault, timeout: float = 1.0) -> RotationError:  # noqa: ASYNC109  likewise
        """How a mint fails under a fault; without it, the next one succeeds."""
        self.proxy.fault = fault
        with pytest.raises(RotationError) as caught:
            await self.mint(timeout)
        self.proxy.fault = CLEAR
        assert (await self.mint()).lifetime == 600.0
        return caught.value

    def served(self) -> int:
        """Requests that reached the server."""
        return len(self._oidc.requests(self.client.client_id))


@pytest.fixture
async def line(oidc_provider: OidcProvider) -> AsyncIterator[Line]:
    async with FaultProxy(port_of(oidc_provider.token_url)) as proxy:
        yield Line(oidc_provider, proxy)


@pytest.mark.parametrize(
    ("fault", "codes"),
    [
        pytest.param(DROP, {Code.PROVIDER_TIMEOUT}, id="P03 carries nothing"),
        pytest.param(Fault(bandwidth=100), {Code.PROVIDER_TIMEOUT}, id="P05 drips 100 bytes a second"),
        pytest.param(RESET, {Code.PROVIDER_UNREACHABLE}, id="P06 resets at once"),
        pytest.param(Fault(cut_after=10, with_reset=True), {Code.PROVIDER_UNREACHABLE}, id="P06 resets in the head"),
        pytest.param(Fault(cut_after=700, with_reset=True), {Code.ANSWER_TRUNCATED}, id="P06 resets in the body"),
        pytest.param(Fault(cut_after=700), {Code.ANSWER_TRUNCATED}, id="P06 ends in the body"),
        pytest.param(
            Fault(corrupt_every=50),
            {Code.ANSWER_STATUS, Code.ANSWER_NOT_JSON, Code.PROVIDER_TIMEOUT, Code.ANSWER_TRUNCATED},
            id="P06 corrupts bytes",
        ),
        pytest.param(Fault(latency=0.6), {Code.PROVIDER_TIMEOUT}, id="N07 is later than the deadline"),
    ],
)
async def test_a_mint_fails_and_the_next_one_succeeds_where_the_network(
    line: Line, fault: Fault, codes: set[Code]
) -> None:
    assert (await line.fails(fault)).code in codes


async def test_a_refused_connection_is_made_once_somebody_listens_again_p01(line: Line) -> None:
    await line.proxy.refuse()
    with pytest.raises(RotationError, match="ECONNREFUSED"):
        await line.mint()
    await line.proxy.listen()
    assert (await line.mint()).lifetime == 600.0


async def test_a_line_of_8_kbit_a_second_is_enough_for_a_token_n07(line: Line) -> None:
    line.proxy.fault = Fault(bandwidth=1000)
    assert (await line.mint(timeout=10.0)).lifetime == 600.0


class Told(RecordingJournal):
    """A journal that can be waited for."""

    def __init__(self) -> None:
        super().__init__()
        self._more = asyncio.Event()

    def event(self, name: str, /, **fields: object) -> None:
        super().event(name, **fields)
        self._more.set()

    async def until(self, reached: Callable[[], bool], within: float) -> None:
        async with asyncio.timeout(within):
            while not reached():
                self._more.clear()
                await self._more.wait()


class Herd:
    """Many credentials of one provider, in real time over real sockets."""

    def __init__(self, url: str, limits: Limits, secrets: dict[str, str]) -> None:
        clock = SystemClock()
        self.journal = Told()
        self.schedule = Schedule(self._due, clock)
        self.dispatcher = Dispatcher(clock, self.schedule.plan, self.journal)
        self.gate = Gate("thx", limits)
        settings = ProviderSettings(url, timeout=1.0, connect_timeout=0.5, connections=limits.max_in_flight)
        self.provider = Provider(settings, clock)
        self.schedule.start()
        for client_id, secret in secrets.items():
            plain = HttpTokenEndpoint(self.provider, EndpointSettings(), clock)
            endpoint = GatedEndpoint(plain, self.gate, clock, self.dispatcher.provider_recovered)
            sinks, spec = [MemorySink(client_id)], CredentialSpec(client_id, "thx", ())
            rotation = Rotation(spec, MemorySource(client_id, secret), endpoint, sinks, clock, self.journal)
            self.dispatcher.add(rotation, self.gate)

    def _due(self, name: str, planned: float) -> None:
        self.dispatcher.submit(name, planned)

    async def served(self, within: float) -> None:
        """Wait until everybody has a token."""
        await self.journal.until(
            lambda: len(self.journal.named("token.delivered")) >= len(self.dispatcher.rotations()), within
        )

    async def end(self) -> None:
        self.schedule.stop()
        await self.dispatcher.drain(2.0)
        await self.provider.close()


@asynccontextmanager
async def herd(url: str, limits: Limits, secrets: dict[str, str]) -> AsyncIterator[Herd]:
    made = Herd(url, limits, secrets)
    try:
        yield made
    finally:
        await made.end()


class Counting:
    """A server that writes down when it was asked, and how many requests it had at once."""

    def __init__(self) -> None:
        self.times: list[float] = []
        self.at_once = 0
        self.most = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await read_request(reader)
            self.times.append(asyncio.get_running_loop().time())
            self.at_once += 1
            self.most = max(self.most, self.at_once)
            await asyncio.sleep(0.05)
            self.at_once -= 1
            writer.write(response(GOOD))
            await writer.drain()

    def busiest(self, seconds: float) -> int:
        """The most requests within any so many seconds."""
        return max(sum(start <= at < start + seconds for at in self.times) for start in self.times)


CROWD = {f"client-{number}": "secret" for number in range(40)}


async def test_credentials_that_are_due_at_once_come_to_the_server_within_its_rate_h04() -> None:
    server = Counting()
    async with hostile(server.serve) as url, herd(url, Limits(20, 1.0, 4), CROWD) as crowd:
        await crowd.served(within=10)
    assert len(server.times) == len(CROWD)
    assert server.busiest(0.75) <= 20, "in three quarters of the second: a busy machine bunches what was sent apart"
    assert server.most == 4


async def test_a_server_that_is_back_after_an_outage_is_asked_within_its_rate_h05() -> None:
    server = Counting()
    async with hostile(server.serve) as url, FaultProxy(port_of(url)) as proxy:
        await proxy.refuse()
        async with herd(f"http://127.0.0.1:{proxy.port}/token", Limits(20, 1.0, 4), CROWD) as crowd:
            await crowd.journal.until(lambda: crowd.gate.in_outage, within=10)
            await proxy.listen()
            await crowd.served(within=15)
    assert len(server.times) == len(CROWD)
    assert server.busiest(0.75) <= 20, "in three quarters of the second: a busy machine bunches what was sent apart"


async def test_a_network_that_flaps_costs_nobody_a_token_and_makes_no_outage_n09(oidc_provider: OidcProvider) -> None:
    clients = [oidc_provider.register() for _ in range(10)]
    secrets = {client.client_id: client.secret.reveal() for client in clients}
    async with FaultProxy(port_of(oidc_provider.token_url)) as proxy, proxy.flapping(RESET, good=0.5, bad=0.5):
        proxy.fault = RESET
        async with herd(f"http://127.0.0.1:{proxy.port}/token", Limits(20, 1.0, 4), secrets) as crowd:
            await crowd.served(within=60)
            assert crowd.journal.named("token.mint_failed")
            assert not crowd.gate.in_outage


PORTS = 8
EXHAUSTED = """
import asyncio, json, socket, struct, sys
from pathlib import Path
from rotator.core.errors import RotationError
from tests.support.hostile_provider import GOOD, answering, hostile, mint, response

async def ask(url):
    try:
        await mint(url)
    except RotationError as error:
        return error.detail.rpartition(": ")[2], error.code.text
    return "minted"

async def main(ports):
    Path("/proc/sys/net/ipv4/ip_local_port_range").write_text(f"40000 {40000 + ports - 1}")
    async with hostile(answering(response(GOOD))) as url:
        port = int(url.rpartition(":")[2].partition("/")[0])
        taken = []
        try:
            while True:
                connection = socket.create_connection(("127.0.0.1", port), 5)
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                taken.append(connection)
        except OSError:
            pass
        said = [await ask(url)]
        for connection in taken:
            connection.close()
        said.append(await ask(url))
    print(json.dumps(said))

asyncio.run(main(int(sys.argv[1])))
"""
"""A process that uses up the local ports, asks, gives them back, and asks again."""


def test_a_machine_without_local_ports_says_so_and_recovers_n10() -> None:
    inside = f"ip link set lo up && exec {sys.executable} -c '{EXHAUSTED}' {PORTS}"
    ended = subprocess.run(
        ["unshare", "--map-root-user", "--net", "sh", "-c", inside], check=False, capture_output=True, text=True
    )
    if "unshare" in ended.stderr or "ip: not found" in ended.stderr:
        pytest.skip("a network namespace of one's own is not to be had here")
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout) == [["EADDRNOTAVAIL", "provider_unreachable"], "minted"]
