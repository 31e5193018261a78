"""A refresh is a read of the client credentials (KV v2), a token request (`client_secret_basic`), and a write of the
token with check-and-set (KV v2), against a real OpenBao and a real oidc-provider on loopback. Each contender is a
process of its own, started and warmed once; then all of them do the same work in every round, one after the other, in
an order that changes. Every path is read before and after each turn, and must hold a newer version then, with a token
that was never seen before. CPU is that of the contender's process alone; a ratio is the median of the rounds' ratios.
The servers share the processors with whoever is measured, so the rates are good as ratios only.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING

from rotator.core.policy import MINT_INTERVAL
from tests.bench import race
from tests.bench.ceiling import HOW_TO_GET_IT, Ceiling
from tests.bench.contender import ROOT, Program
from tests.bench.ground import ground
from tests.reliability.figures import Figure
from tests.support.oidc import NODE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tests.bench.ceiling import Rates
    from tests.bench.contender import Lap

TITLE = "A refresh, beside other clients"
SEED = 0

FLOOR, WHOLE, THREADS, DOCUMENTED, HTTPX, NODES = "floor", "rotator", "threads", "authlib", "authlib-httpx", "node"


@dataclass(frozen=True)
class Size:
    """How much is measured.

    Attributes:
        credentials: Refreshed in each round by each contender.
        rounds: That count.
        seconds: Of each kind of request that wrk sends, in each round.
    """

    credentials: int = 1000
    rounds: int = 7
    seconds: float = 2.0


SMALL = Size(credentials=40, rounds=2, seconds=1.0)


def programs() -> list[Program]:
    """Who competes."""
    names = ("hvac", "Authlib", "requests", "httpx2", "aiohttp")
    hvac, authlib, requests, httpx, aiohttp = (f"{name} {version(name)}" for name in names)
    return [
        Program(FLOOR, f"the floor: {hvac} over a bare adapter of {aiohttp}", _python("bare")),
        # Beyond what rotator waits for between two tokens of one credential.
        Program(WHOLE, "rotator, all of it", _python("whole"), rest=MINT_INTERVAL + 1),
        Program(THREADS, f"{hvac} and {requests} in 16 threads", _python("threads")),
        Program(
            DOCUMENTED,
            f"{authlib} (requests) and {hvac} as documented, one after the other",
            _python("documented", "requests"),
        ),
        Program(HTTPX, f"the same with Authlib over {httpx}", _python("documented", "httpx")),
        Program(NODES, "Node: openid-client and node-vault", (NODE, ROOT / "tests/bench/node/contender.mjs")),
    ]


def _python(module: str, *arguments: str) -> tuple[str, ...]:
    return (sys.executable, "-m", f"tests.bench.programs.{module}", *arguments)


def measure(seed: int, say: Callable[[str], None], size: Size | None = None) -> list[Figure]:
    """See the module; `size` is what a trial takes instead of everything."""
    del seed  # nothing is drawn
    return asyncio.run(_measure(size or Size(), say))


async def _measure(size: Size, say: Callable[[str], None]) -> list[Figure]:
    who = programs()
    say(f"{len(who)} contenders, {size.credentials} credentials, {size.rounds} rounds after one to warm up")
    async with ground(size.credentials) as its:
        ceiling = Ceiling(its, size.seconds)
        laps = await race.run(its, who, size.rounds, say, ceiling.measure)
    if not ceiling.seen:
        say(HOW_TO_GET_IT)
    return [*bars(laps), *table(who, laps), *limits(ceiling.seen, laps[WHOLE])]


def bars(laps: Mapping[str, Sequence[Lap]]) -> list[Figure]:
    """What rotator is held to."""
    rate, cost = ({key: [pick(lap) for lap in its] for key, its in laps.items()} for pick in (_rate, _cost))
    speed = race.ratio(rate[WHOLE], rate[FLOOR])
    over = race.ratio(cost[WHOLE], cost[FLOOR])
    threads, documented = (race.ratio(cost[key], cost[WHOLE]) for key in (THREADS, DOCUMENTED))
    return [
        Figure("throughput of rotator, of the floor's", "≥ 85 %", f"{100 * speed:.0f} %", speed >= 0.85),
        Figure("CPU per refresh of rotator, of the floor's", "≤ 1.5 times", f"{over:.2f} times", over <= 1.5),
        Figure(
            "CPU of hvac and requests in 16 threads, of rotator's", "≥ 2 times", f"{threads:.1f} times", threads >= 2
        ),
        Figure("the same of Authlib and hvac", "≥ 20 times", f"{documented:.1f} times", documented >= 20),
    ]


def table(who: Sequence[Program], laps: Mapping[str, Sequence[Lap]]) -> list[Figure]:
    """What each contender reached, medians."""
    return [
        Figure(
            program.title,
            "",
            f"{statistics.median(map(_rate, laps[program.key])):.0f} refreshes/s, "
            f"{statistics.median(map(_cost, laps[program.key])):.2f} ms of CPU for each",
        )
        for program in who
    ]


def limits(seen: Sequence[Rates], whole: Sequence[Lap]) -> list[Figure]:
    """The servers' own ceiling, medians."""
    if not seen:
        return [Figure("the servers' own ceiling", "", HOW_TO_GET_IT)]
    tokens, reads, writes, refreshes = (
        statistics.median(values)
        for values in zip(*((one.tokens, one.reads, one.writes, one.refreshes) for one in seen), strict=True)
    )
    reached = race.ratio([_rate(lap) for lap in whole], [one.refreshes for one in seen])
    return [
        Figure("the servers alone, asked by wrk: token requests", "", f"{tokens:.0f}/s"),
        Figure("the same: KV reads", "", f"{reads:.0f}/s"),
        Figure("the same: KV writes", "", f"{writes:.0f}/s"),
        Figure("the same: one of each, the ceiling of refreshes", "", f"{refreshes:.0f}/s"),
        Figure("throughput of rotator, of that ceiling", "", f"{100 * reached:.0f} %"),
    ]


def _rate(lap: Lap) -> float:
    return lap.rate


def _cost(lap: Lap) -> float:
    return lap.cost
