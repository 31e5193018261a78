"""The local socket as a sink. Its place is the server's memory: another process would find nothing there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from rotator.contract import SinkContract
from rotator.engine.clock import SystemClock
from rotator.local.peers import Peers
from rotator.local.server import LocalServer
from rotator.local.sink import SocketSink

if TYPE_CHECKING:
    from collections.abc import Callable


class TestSocketSink(SinkContract):
    @pytest.fixture
    def open_sink(self) -> Callable[[], SocketSink]:
        server = LocalServer(SystemClock())
        return lambda: SocketSink(server, "billing", Peers(users=("0",)))
