"""A socket holds nothing after a restart: what another sink holds is then delivered to it, and else a token minted."""

from __future__ import annotations

from rotator.core.observation import Surroundings
from rotator.core.rotation import Rotation
from rotator.local.peers import Peers
from rotator.local.server import LocalServer
from rotator.local.sink import SocketSink
from rotator.testing import MemorySink
from tests.integration.local.street import ME
from tests.unit.core.desk import Desk


def started(desk: Desk, *others: MemorySink) -> tuple[Rotation, SocketSink]:
    """A rotation whose first sink is a socket, as after a start."""
    server = LocalServer(desk.clock)
    sink = SocketSink(server, "billing", Peers(users=(ME,)))
    server.offer([sink])
    return Rotation(desk.spec, desk.source, desk.endpoint, [sink, *others], desk.clock, desk.journal), sink


async def test_r02_what_another_sink_holds_is_served_after_a_restart_and_nothing_is_minted() -> None:
    desk, file = Desk(), MemorySink("memory:file")
    first, _ = started(desk, file)
    await first.run(Surroundings())
    again, sink = started(desk, file)
    assert await sink.read() is None
    await again.run(Surroundings())
    assert await sink.read() == file.record
    assert len(desk.endpoint.requests) == 1


async def test_where_there_is_no_other_sink_a_restart_costs_a_token() -> None:
    desk = Desk()
    first, _ = started(desk)
    await first.run(Surroundings())
    again, sink = started(desk)
    desk.clock.advance(10)
    await again.run(Surroundings())
    assert await sink.read() is not None
    assert len(desk.endpoint.requests) == 2
