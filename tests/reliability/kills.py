"""Real: the installed rotator, OpenBao and oidc-provider, which is 100 ms away. Five rotators run at once, each with
three credentials, each of these with a Vault path and a file; tokens live 15 s, so that there is always one to be
minted. Each is killed (`kill -9`) and started again, 1,000 times in all, at moments drawn from the seed, by turns: in
the first seconds after a start; some time after its first round; within 10 ms of a mint, while it is delivered. After
each kill every sink is read, and again at the next recovery, and compared with what it was before: it must hold a whole
token, the same one or one that ends later. A restart that is let live must have every sink served within 20 s, and no
temporary file of before may be there any more. The policy predicts at most one request in 0.4 of a life, less the
second to which stored dates are cut; a kill may add one for each credential. Then 1,000 credentials whose tokens live
an hour: kills at random moments of the first ten seconds after a start must not cost a single request.
"""

from __future__ import annotations

import asyncio
import math
import signal
import tempfile
import time
from collections import Counter
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, NamedTuple

from rotator.demo.bao import BaoServer
from tests.integration.files.harness import left_over
from tests.reliability.figures import Figure
from tests.support.consumer import expiry
from tests.support.fault_proxy import Fault, FaultProxy, port_of
from tests.support.oidc import OidcProvider
from tests.support.process import Rotator, Site

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

TITLE = "`kill -9` at random moments"
SEED = 1
KILLS, ROTATORS = 1000, 5
NAMES = ("billing", "reporting", "search")
LIFE = 15
FAR = 0.1
"""Seconds between rotator and provider, there and back again, so that kills fall between a request and its answer."""

BOUND = 20.0
"""Seconds from a start until every sink holds an unexpired token again; two cores are shared."""

EARLIEST = 0.4
"""Share of its life after which a token may be renewed: half, less the spread."""

FRESH, FRESH_KILLS, FRESH_LIFE, FIRST_SECONDS = 1000, 10, 3600, 10.0
MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108  a directory of our own is made in it


def measure(seed: int, say: Callable[[str], None]) -> list[Figure]:
    """See `tests.reliability.figures.Measurement`."""
    return asyncio.run(_measure(seed, say))


async def _measure(seed: int, say: Callable[[str], None]) -> list[Figure]:
    with OidcProvider() as oidc:
        work = (killed(oidc, seed * ROTATORS + number, KILLS // ROTATORS, say) for number in range(ROTATORS))
        found = await asyncio.gather(*work)
        fresh = await restarted_while_fresh(oidc, seed, FRESH, FRESH_KILLS, say)
    wrong = [text for each in found for text in each.wrong]
    for text in wrong:
        say(text)
    kills = sum((each.kills for each in found), Counter())
    recoveries = sorted(second for each in found for second in each.recoveries)
    requests, allowed = sum(each.requests for each in found), sum(each.allowed for each in found)
    lost, left = sum(each.unheard for each in found), sum(each.left for each in found)
    return [
        Figure("kills", f"≥ {KILLS:,}", f"{kills.total():,}: {_list(kills)}", kills.total() >= KILLS),
        Figure(
            "tokens lost, torn or moved back; restarts that did not serve every sink in time; temporary files that "
            "outlived a start",
            "0",
            "; ".join(wrong[:5]) or "0",
            not wrong,
        ),
        Figure(
            "from a start to every sink served, median and longest",
            f"≤ {BOUND:g} s",
            f"{recoveries[len(recoveries) // 2]:.1f} s, {recoveries[-1]:.1f} s, of {len(recoveries):,} restarts",
            recoveries[-1] <= BOUND,
        ),
        Figure(
            "token requests", f"≤ {allowed:,}", f"{requests:,}", all(each.requests <= each.allowed for each in found)
        ),
        Figure("of them by a process that was killed before it knew the answer", "", f"{lost}"),
        Figure("temporary files that kills left for the next start to remove", "", f"{left}"),
        Figure(
            f"token requests after {FRESH_KILLS} kills while {FRESH:,} credentials are fresh",
            "0",
            f"{fresh}",
            fresh == 0,
        ),
    ]


def _list(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{many} {what}" for what, many in sorted(counts.items(), key=lambda item: -item[1]))


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
        recoveries: Seconds from a start to all sinks served, of each restart that was let live.
        requests: Token requests that the provider received.
        allowed: How many the policy and the kills allow.
        unheard: Requests after which no process told of a token.
        left: Temporary files that kills left behind.
    """

    kills: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    recoveries: list[float] = field(default_factory=list)
    requests: int = 0
    allowed: int = 0
    unheard: int = 0
    left: int = 0


async def killed(
    oidc: OidcProvider, seed: int, kills: int, say: Callable[[str], None] = lambda _: None, names: Sequence[str] = NAMES
) -> Found:
    """Kill one rotator so many times, at moments that the seed decides, and judge what its consumers see."""
    async with AsyncExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        bao = await stack.enter_async_context(BaoServer("inmem"))
        proxy = await stack.enter_async_context(FaultProxy(port_of(oidc.token_url)))
        proxy.fault = Fault(latency=FAR / 2)
        await bao.enable_approle()
        site = Site(home, bao, oidc, lifetime=LIFE)
        configuration = await site.prepare(names)
        text = configuration.read_text().replace(oidc.issuer, f"http://127.0.0.1:{proxy.port}")
        configuration.write_text(text)
        victim = Victim(site, configuration, Random(seed))  # noqa: S311  moments, not secrets
        started = time.monotonic()
        for number in range(kills):
            await victim.live_and_die(number)
            if number % 25 == 24:
                say(f"rotator {seed}: {number + 1} kills, {len(victim.found.wrong)} wrong")
        await victim.live_to_the_end()
        found, elapsed = victim.found, time.monotonic() - started
        found.requests = sum(len(oidc.requests(client.client_id)) for client in site.clients.values())
        each = 1 + math.ceil(elapsed / (LIFE * EARLIEST - 1)) + kills
        found.allowed = each * len(names)
        found.unheard = found.requests - victim.minted
        return found


class Victim:
    """A rotator that is started and killed, and its sinks as consumers see them."""

    def __init__(self, site: Site, configuration: Path, random: Random) -> None:
        self.found = Found()
        self.minted = 0
        self._site = site
        self._configuration = configuration
        self._random = random
        self._sinks = {f"{kind}:{name}" for name in site.clients for kind in ("vault", "file")}
        self._seen: dict[str, Token] = {}
        self._left: set[str] = set()
        self._startup = 1.0

    async def live_and_die(self, number: int) -> None:
        """One life: which kind of moment ends it goes by turns, which moment is drawn."""
        async with Rotator(self._configuration) as rotator:
            try:
                await self._until_its_end(rotator, number)
            except AssertionError as error:  # something did not come in time
                self.found.wrong.append(f"life {number}: {error}")
            rotator.signal(signal.SIGKILL)
            await rotator.ended()
        self.minted += len(rotator.named("token.minted"))
        self.found.kills[_was_at(rotator)] += 1
        await self._look("a kill")
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
        await rotator.says("token.minted", count=before + 1, within=LIFE)
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
        while (await self._look("a restart")).keys() != self._sinks or self._any_expired():
            if time.monotonic() - started > BOUND:
                self.found.wrong.append(f"{BOUND:g} s after a start some sinks still hold no unexpired token")
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

    async def _look(self, after: str) -> dict[str, Token]:
        """Read every sink as a consumer does, and compare with what was there before."""
        seen = await look(self._site)
        for sink, token in seen.items():
            if token.trouble:
                self.found.wrong.append(f"after {after} {sink} holds {token.trouble}")
            before = self._seen.get(sink)
            if before is not None and token.expires < before.expires:
                self.found.wrong.append(f"after {after} {sink} moved back by {before.expires - token.expires:g} s")
        if gone := self._seen.keys() - seen.keys():
            self.found.wrong.append(f"after {after} {', '.join(gone)} holds nothing any more")
        self._seen |= seen
        return seen


def _was_at(rotator: Rotator) -> str:
    """What a process was at when it was killed, as far as its last words tell."""
    minted = {event["fingerprint"] for event in rotator.named("token.minted")}
    delivered = Counter(event["fingerprint"] for event in rotator.named("token.delivered"))
    if not rotator.named("daemon.started"):
        return "before it had said a word"
    if any(delivered[fingerprint] < 2 for fingerprint in minted):
        return "between a mint and its last delivery"
    return "in quiet times or during a request" if rotator.named("daemon.ready") else "in its first round"


async def look(site: Site) -> dict[str, Token]:
    """Every sink that holds anything, by its name."""
    seen = {}
    for name in site.clients:
        status, answer = await site.bao.ask("GET", f"secret/data/tokens/{name}")
        if status == 200:
            document = answer["data"]["data"]
            stored = datetime.fromisoformat(document["expires_at"]).timestamp()
            seen[f"vault:{name}"] = Token(stored, _judge(document["access_token"]).trouble)
        if site.file(name).exists():
            seen[f"file:{name}"] = _judge(site.file(name).read_text())
    return seen


def _judge(token: str) -> Token:
    try:
        return Token(expiry(token))
    except ValueError as error:
        return Token(0.0, str(error))


async def restarted_while_fresh(
    oidc: OidcProvider, seed: int, credentials: int, kills: int, say: Callable[[str], None] = lambda _: None
) -> int:
    """Kill a rotator again and again whose tokens all have most of an hour to live: token requests from then on."""
    random = Random(seed)  # noqa: S311  moments, not secrets
    async with AsyncExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=MEMORY)))
        bao = await stack.enter_async_context(BaoServer("inmem"))
        await bao.enable_approle()
        site = Site(home, bao, oidc, lifetime=FRESH_LIFE, provider='rate_limit = "1000/s"\nmax_in_flight = 50')
        configuration = await site.prepare([f"app-{number:04}" for number in range(credentials)])
        configuration.write_text(configuration.read_text().replace('recheck_interval = "2s"', ""))
        async with Rotator(configuration) as rotator:
            await rotator.says("token.delivered", count=2 * credentials, within=300)
        before = len(oidc.requests())
        say(f"{credentials:,} credentials are fresh")
        for number in range(kills):
            async with Rotator(configuration) as rotator:
                await asyncio.sleep(random.uniform(0, FIRST_SECONDS))
                rotator.signal(signal.SIGKILL)
                await rotator.ended()
            say(f"{number + 1} kills, {len(rotator.named('token.adopted')):,} tokens adopted by the last one before")
        async with Rotator(configuration) as rotator:
            await rotator.says("daemon.ready", within=120)
            adopted = len(rotator.named("token.adopted"))
        if adopted != credentials:
            raise RuntimeError(f"{adopted} of {credentials} tokens were adopted by the last restart")
        return len(oidc.requests()) - before
