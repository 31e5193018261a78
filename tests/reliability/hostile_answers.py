"""A process with rotator's own transport asks a token endpoint on loopback that answers with hostile bytes, each kind
ten times, one at a time, with a deadline of 2 s. Resident memory is read from /proc: its peak during a request less
what it was before, the worst of ten. Every request must end with a typed refusal, at the deadline at the latest. What
eight at once do, as many as may be in flight by default, is told as well.
"""

from __future__ import annotations

import asyncio
import gzip
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rotator.oauth.provider import LARGEST_ANSWER
from tests.reliability.figures import Figure
from tests.support.asker import Asker
from tests.support.hostile_provider import GOOD, answering, dripping, hostile, response

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tests.support.asker import Asked
    from tests.support.hostile_provider import Behaviour

TITLE = "Hostile answers"
SEED = 0
DEADLINE = 2.0
LATE = 0.5
"""Seconds beyond the deadline at which a busy machine may notice it."""

MIB = 1 << 20
MOST_MEMORY = 5 * MIB

HEAD = b"HTTP/1.1 200 OK\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
GO_ON = b"HTTP/1.1 100 Continue\r\n\r\n"


def bomb(mib: int) -> bytes:
    """So many MiB of blanks, compressed."""
    return gzip.compress(b" " * (mib << 20))


def fill(piece: bytes) -> bytes:
    """Repetitions, just as many as are read."""
    return piece * ((LARGEST_ANSWER - 64) // len(piece))


def keys() -> bytes:
    """A JSON object with about as many keys as are read."""
    return b"{" + b",".join(b'"%x":0' % number for number in range(LARGEST_ANSWER // 9)) + b"}"


def larger(body: bytes) -> bytes:
    """Eight times the same, which is too much."""
    return body * 8


KINDS: Mapping[str, Callable[[], Behaviour]] = {
    "a gzip bomb, 200 MiB in 200 kB": lambda: answering(response(bomb(200), "200 OK", "Content-Encoding: gzip")),
    "an endless chunked body, as fast as it goes": lambda: dripping(b"4000\r\n" + b" " * 16384 + b"\r\n", CHUNKED, 0),
    "an endless chunked body, dripping": lambda: dripping(b"1\r\n \r\n", CHUNKED),
    "a body that is said to have 10 GB": lambda: dripping(
        b" " * 16384, HEAD + b"Content-Length: 10000000000\r\n\r\n", 0
    ),
    "10⁵ headers": lambda: answering(HEAD + b"X-A: b\r\n" * 100_000 + b"\r\n"),
    "endless headers": lambda: dripping(b"X-A: b\r\n" * 100, HEAD, 0),
    "a header line of 1 MB": lambda: answering(HEAD + b"X-A: " + b"b" * 1_000_000 + b"\r\n\r\n"),
    "endless 100 Continue": lambda: dripping(GO_ON * 10, GO_ON, 0),
    "131,000 nested lists": lambda: answering(response(fill(b"["))),
    "26,000 nested objects": lambda: answering(response(fill(b'{"a":'))),
    "43,000 empty objects": lambda: answering(response(b"[" + fill(b"{},") + b"{}]")),
    "350,000 empty objects": lambda: answering(response(larger(fill(b"{},")))),
    "14,500 keys": lambda: answering(response(keys())),
}


@dataclass(frozen=True)
class Outcome:
    """What a kind of answer did to the process that asked.

    Attributes:
        codes: Every code that came of it.
        grown: Bytes; the worst.
        seconds: The longest.
    """

    codes: frozenset[str]
    grown: int
    seconds: float

    @classmethod
    def of(cls, asked: Sequence[Asked]) -> Outcome:
        """The worst of several questions."""
        return cls(
            frozenset(code for one in asked for code in one.codes),
            max(one.grown for one in asked),
            max(one.seconds for one in asked),
        )

    @property
    def is_refused(self) -> bool:
        """Whether each was refused for a reason that we know."""
        return not self.codes & {"minted", "internal"}


async def expose(kinds: Sequence[str], times: int, *, at_once: int = 1) -> dict[str, Outcome]:
    """Let one process meet these kinds of answers."""
    outcomes = {}
    async with Asker() as asker:
        await _warm_up(asker)
        for kind in kinds:
            async with hostile(KINDS[kind]()) as url:
                outcomes[kind] = Outcome.of([await asker.ask(url, DEADLINE, at_once=at_once) for _ in range(times)])
    return outcomes


async def _warm_up(asker: Asker) -> None:
    """What is loaded and allocated once, whatever is answered, is not the answer's doing."""
    for body in (GOOD, b"{}", json.dumps({"error": "invalid_client"}).encode()):
        async with hostile(answering(response(body))) as url:
            for _ in range(5):
                await asker.ask(url, DEADLINE)


def measure(seed: int, say: Callable[[str], None]) -> list[Figure]:
    """See the module."""
    del seed  # nothing here is left to chance
    alone = asyncio.run(expose(list(KINDS), 10))
    for kind, outcome in alone.items():
        say(f"{kind}: {outcome.grown / MIB:.2f} MiB, {outcome.seconds:.2f} s, {', '.join(sorted(outcome.codes))}")
    together = asyncio.run(expose(list(KINDS), 1, at_once=8))
    worst = max(together.values(), key=lambda outcome: outcome.grown)
    longest = max(outcome.seconds for outcome in alone.values())
    refused = sum(outcome.is_refused for outcome in (*alone.values(), *together.values()))
    return [
        *(
            Figure(f"memory grows by, for {kind}", "< 5 MiB", f"{o.grown / MIB:.2f} MiB", o.grown < MOST_MEMORY)
            for kind, o in alone.items()
        ),
        Figure(
            "longest request, deadline 2 s", f"≤ {DEADLINE + LATE:g} s", f"{longest:.2f} s", longest <= DEADLINE + LATE
        ),
        Figure(
            "kinds that end with a typed refusal only, alone and eight at once",
            f"{2 * len(KINDS)}",
            f"{refused}",
            refused == 2 * len(KINDS),
        ),
        Figure("memory grows by, for the worst of them eight at once", "", f"{worst.grown / MIB:.2f} MiB"),
    ]
