"""A rotator that is killed and started again, and its sinks as consumers see them."""

from __future__ import annotations

import asyncio
import signal
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from tests.integration.files.harness import left_over
from tests.support.consumer import expiry
from tests.support.process import Rotator

if TYPE_CHECKING:
    from pathlib import Path
    from random import Random

    from tests.support.process import Site

BOUND = 20.0
"""Seconds from a start until every sink holds an unexpired token again; two cores are shared."""

CUT = 1.0
"""Seconds by which a stored date may be earlier than a told one."""


class Token(NamedTuple):
    """What a consumer sees in a sink: when it ends, POSIX seconds, and what is wrong with it, if anything."""

    expires: float
    trouble: str = ""


@dataclass
class Found:
    """What came of killing one rotator.

    Attributes:
        kills: By what it was at.
        wrong: Whatever must not be, one sentence each.
        late: What did not come in time, one sentence each.
        recoveries: Seconds from a start to all sinks served, of each restart that was let live.
        requests: Token requests that the provider received.
        allowed: How many the policy and the kills allow.
        unheard: Requests after which no process told of a token.
        left: Temporary files that kills left behind.
    """

    kills: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    late: list[str] = field(default_factory=list)
    recoveries: list[float] = field(default_factory=list)
    requests: int = 0
    allowed: int = 0
    unheard: int = 0
    left: int = 0


class Victim:
    """A rotator that is started and killed, and its sinks as consumers see them."""

    def __init__(self, site: Site, configuration: Path, random: Random) -> None:
        self.found = Found()
        self.minted = 0
        self._site = site
        self._configuration = configuration
        self._random = random
        self._sinks = {sink for name in site.clients for sink in sinks(site, name)}
        self._seen: dict[str, Token] = {}
        self._left: set[str] = set()
        self._startup = 1.0

    async def live_and_die(self, number: int) -> None:
        """One life: which kind of moment ends it goes by turns, which moment is drawn."""
        async with Rotator(self._configuration) as rotator:
            watching = asyncio.create_task(self._watch())
            try:
                await self._until_its_end(rotator, number)
            except AssertionError as error:  # an event did not come
                self.found.late.append(str(error))
            rotator.signal(signal.SIGKILL)
            await rotator.ended()
            watching.cancel()
            with suppress(asyncio.CancelledError):
                await watching
        self.minted += len(rotator.named("token.minted"))
        self.found.kills[_was_at(rotator)] += 1
        self._expect_what_was_told(rotator)
        await self._look("after a kill")
        left = set(left_over(self._site.home))
        self.found.left += len(left - self._left)
        self._left |= left

    async def _until_its_end(self, rotator: Rotator, number: int) -> None:
        started = time.monotonic()
        if number % 2 == 0:
            await asyncio.sleep(self._random.uniform(0, 1.5 * self._startup))
            return
        await self._recovered(rotator, started)
        if number % 4 == 1:
            await asyncio.sleep(self._random.uniform(0, 1.5))
            return
        before = len(rotator.named("token.minted"))
        await rotator.says("token.minted", count=before + 1, within=self._site.lifetime)
        await asyncio.sleep(self._random.uniform(0, 0.01))

    async def live_to_the_end(self) -> None:
        """A last life that ends in order, after which nothing but sinks and their states is left."""
        async with Rotator(self._configuration) as rotator:
            await self._recovered(rotator, time.monotonic())
            rotator.signal(signal.SIGTERM)
            await rotator.ended()
        self.minted += len(rotator.named("token.minted"))
        if left := left_over(self._site.home):
            self.found.wrong.append(f"{len(left)} temporary files are left in the end")

    async def _recovered(self, rotator: Rotator, started: float) -> None:
        """Wait until the first round is over and every sink is served; what that took must be within the bound."""
        await rotator.says("daemon.ready", within=BOUND)
        while (await self._look("after a restart")).keys() != self._sinks or self._any_expired():
            if time.monotonic() - started > BOUND:
                self.found.late.append(f"{BOUND:g} s after a start some sinks still hold no unexpired token")
                break
            await asyncio.sleep(0.02)
        took = time.monotonic() - started
        self.found.recoveries.append(took)
        self._startup += 0.2 * (took - self._startup)
        if stayed := self._left & set(left_over(self._site.home)):
            self.found.wrong.append(f"{len(stayed)} temporary files have outlived a start")
        self._left = set()

    def _any_expired(self) -> bool:
        return min(token.expires for token in self._seen.values()) <= time.time()

    def _expect_what_was_told(self, rotator: Rotator) -> None:
        """A sink that a token was delivered to, by the process's own word, holds it or one that ends later."""
        told = [*rotator.named("token.minted"), *rotator.named("token.adopted")]
        ends = {event["fingerprint"]: datetime.fromisoformat(event["expires_at"]).timestamp() for event in told}
        for event in rotator.named("token.delivered"):
            delivered = Token(ends[event["fingerprint"]] - CUT)
            self._seen[event["sink"]] = max(delivered, self._seen.get(event["sink"], delivered))

    async def _watch(self) -> None:
        """Read every file all the while."""
        while True:
            self._compare(look_at_files(self._site), "meanwhile", set(files(self._site)))
            await asyncio.sleep(0.05)

    async def _look(self, when: str) -> dict[str, Token]:
        """Read every sink."""
        seen = await look(self._site)
        self._compare(seen, when, self._sinks)
        return seen

    def _compare(self, seen: dict[str, Token], when: str, among: set[str]) -> None:
        """Compare what consumers see with what was there before."""
        for sink, token in seen.items():
            if token.trouble:
                self.found.wrong.append(f"{when} {sink} holds {token.trouble}")
            before = self._seen.get(sink)
            if before is not None and token.expires < before.expires:
                self.found.wrong.append(f"{when} {sink} moved back by {before.expires - token.expires:g} s")
        if gone := (self._seen.keys() & among) - seen.keys():
            self.found.wrong.append(f"{when} {', '.join(sorted(gone))} holds nothing any more")
        self._seen |= seen


def _was_at(rotator: Rotator) -> str:
    """What a process was at when it was killed, as far as its last words tell."""
    minted = {event["fingerprint"] for event in rotator.named("token.minted")}
    delivered = Counter(event["fingerprint"] for event in rotator.named("token.delivered"))
    if not rotator.named("daemon.started"):
        return "before it had said a word"
    if any(delivered[fingerprint] < 2 for fingerprint in minted):
        return "between a mint and its last delivery"
    return "in quiet times or during a request" if rotator.named("daemon.ready") else "in its first round"


def sinks(site: Site, name: str) -> tuple[str, str]:
    """The names of an application's sinks: its Vault path and its file."""
    return f"vault:secret/tokens/{name}", f"file:{site.file(name)}"


async def look(site: Site) -> dict[str, Token]:
    """Every sink that holds anything, by its name.

    The files last: if anything came between reading and comparing them, a look of `_watch` could be the later one.
    """
    seen = {}
    for name in site.clients:
        status, answer = await site.bao.ask("GET", f"secret/data/tokens/{name}")
        if status == 200:
            document = answer["data"]["data"]
            stored = datetime.fromisoformat(document["expires_at"]).timestamp()
            seen[sinks(site, name)[0]] = Token(stored, _judge(document["access_token"]).trouble)
    return seen | look_at_files(site)


def look_at_files(site: Site) -> dict[str, Token]:
    """The files among them."""
    return {sink: _judge(file.read_text()) for sink, file in files(site).items() if file.exists()}


def files(site: Site) -> dict[str, Path]:
    """Every file that is a sink, by the sink's name."""
    return {sinks(site, name)[1]: site.file(name) for name in site.clients}


def _judge(token: str) -> Token:
    try:
        return Token(expiry(token))
    except ValueError as error:
        return Token(0.0, str(error))
