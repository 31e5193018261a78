"""A Vault and two token endpoints in one light process: `python -m tests.bench.stub [--latency 0.02] [--lifetime 600]`.

It stands for servers that are elsewhere, so that the processors of this machine are left to what is measured: each
answer comes after a latency and costs some 40 µs. Loopback only; it prints its port and ends when its standard input
does. `GET /-/report` tells what it has seen since `POST /-/begin`; `POST /-/redate` gives every record a new life.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from functools import partial
from typing import TYPE_CHECKING

from rotator.engine.clock import SystemClock
from tests.bench.http11 import Connection, Reply, Request, response
from tests.bench.stub_counts import Counts
from tests.bench.stub_provider import Provider
from tests.bench.stub_session import MISSING
from tests.bench.stub_vault import Vault

if TYPE_CHECKING:
    from rotator.core.model import Moment
    from rotator.core.ports import Clock

TOKEN_PATH, SLOW_PATH = "/token", "/slow/token"


class Stub:
    """Answers everything.

    Args:
        latency: Seconds until an answer is sent.
        slow: The same at the slow provider.
        lifetime: Seconds that tokens live.
        clock: Time.
    """

    def __init__(self, latency: float, slow: float, lifetime: int, clock: Clock) -> None:
        self._latency = latency
        self._slow = slow
        self._clock = clock
        self._vault = Vault()
        self._provider = Provider(lifetime)
        self._counts = Counts(clock.now().elapsed)

    def answer(self, request: Request) -> Reply:
        """What a request is answered with, and when."""
        now = self._clock.now()
        if request.path.startswith("/v1/"):
            return Reply(self._vault.answer(request, now, self._counts), self._latency)
        if request.path in {TOKEN_PATH, SLOW_PATH}:
            self._counts.rates.add("token", now.elapsed)
            after = self._latency if request.path == TOKEN_PATH else self._slow
            return Reply(self._provider.answer(request.body, now, self._counts), after)
        return Reply(self._steer(request, now), 0.0)

    def _steer(self, request: Request, now: Moment) -> bytes:
        match request.path:
            case "/-/report":
                found = self._counts.report(now.elapsed, self._vault.ends(), now.wall.timestamp())
                return response(200, json.dumps(found).encode())
            case "/-/begin":
                self._counts = Counts(now.elapsed)
                return response(204)
            case "/-/redate":
                asked = json.loads(request.body)
                self._vault.redate(now, asked["lifetime"], asked["oldest"])
                self._provider.forget()
                return response(204)
            case _:
                return MISSING


async def serve(stub: Stub) -> None:
    """Serve until standard input ends; the port goes to standard output."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(partial(Connection, stub.answer), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    ended = asyncio.Event()
    loop.add_reader(sys.stdin, ended.set)
    await ended.wait()
    server.close()


def main() -> None:
    """Parse and serve."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--latency", type=float, default=0.02, help="seconds until an answer")
    parser.add_argument("--slow", type=float, default=5.0, help="the same at the slow provider")
    parser.add_argument("--lifetime", type=int, default=600, help="seconds that tokens live")
    chosen = parser.parse_args()
    asyncio.run(serve(Stub(chosen.latency, chosen.slow, chosen.lifetime, SystemClock())))


if __name__ == "__main__":
    main()
