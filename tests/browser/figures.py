"""What the page of ten thousand credentials costs: `python -m tests.browser.figures`.

Over real HTTP on loopback, from the request to the first byte, the judgement of every credential included, as in the
daemon; and the page alone, in seconds of CPU.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import time
from functools import partial
from typing import TYPE_CHECKING

import aiohttp
from aiohttp import web

from rotator.core.observation import Surroundings
from rotator.operate import page
from rotator.operate.status import of
from tests.support import fleets

if TYPE_CHECKING:
    from collections.abc import Callable

RUNS = 15
COUNT = 10_000
QUERIES: dict[str, dict[str, str]] = {
    "first page": {},
    "search": {"q": "sync 12"},
    "last page of fresh": {"state": "fresh", "page": "999"},
    "one provider": {"provider": "idp-3"},
    "one credential": {"name": "api-00004"},
}


async def main() -> None:
    """Measure, and print."""
    cases = fleets.large(COUNT)
    known = fleets.status(cases)
    history = fleets.history(cases)
    observed = [(case.spec(), case.observation(), dict.fromkeys(case.names, "vault")) for case in cases]

    def judge() -> None:
        for spec, seen, kinds in observed:
            of(spec, seen, Surroundings(), fleets.NOW.elapsed, kinds=kinds)

    _say("judging 10,000 credentials, CPU", _cpu(judge))
    for name, asked in QUERIES.items():
        query = page.Query.parse(asked)
        size = len(page.render(known, history, query))
        _say(f"{name}, {size:,} bytes, CPU", _cpu(partial(page.render, known, history, query)))

    async def answer(request: web.Request) -> web.Response:
        def work() -> bytes:
            judge()
            return page.render(known, history, page.Query.parse(request.query))

        return web.Response(body=await asyncio.to_thread(work), headers=page.HEADERS)

    application = web.Application()
    application.router.add_get("/", answer)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}/"
    async with aiohttp.ClientSession() as session:
        for name, asked in QUERIES.items():
            _say(f"{name}, time to first byte", [await _first_byte(session, url, asked) for _ in range(RUNS)])
    await runner.cleanup()


async def _first_byte(session: aiohttp.ClientSession, url: str, asked: dict[str, str]) -> float:
    began = time.perf_counter()  # noqa: TID251  it is a measurement
    async with session.get(url, params=asked) as answer:
        await answer.content.readany()
        return time.perf_counter() - began  # noqa: TID251  it is a measurement


def _cpu(work: Callable[[], object]) -> list[float]:
    found = []
    for _ in range(RUNS):
        began = time.process_time()
        work()
        found.append(time.process_time() - began)
    return found


def _say(what: str, seconds: list[float]) -> None:
    least, median, most = (1000 * value for value in (min(seconds), statistics.median(seconds), max(seconds)))
    sys.stdout.write(f"{what}: {median:.0f} ms ({least:.0f} to {most:.0f})\n")


if __name__ == "__main__":
    asyncio.run(main())
