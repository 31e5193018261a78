"""Real: the installed rotator, OpenBao and oidc-provider, which is 100 ms away. Five rotators run at once, each with
three credentials, each of these with a Vault path and a file; tokens live 15 s, so that there is always one to be
minted. Each is killed (`kill -9`) and started again, 1,000 times in all, at moments drawn from the seed, by turns:
in the first seconds after a start; some time after its first round; within 10 ms of a mint, while it is delivered.
Every sink is read after each kill and at the next recovery, each file 20 times a second all the while, and compared
with what it was before: it must hold a whole token, the same one or one that ends later. A restart that is let live
must have every sink served within 20 s, and no temporary file of before may be there any more. The policy predicts
at most one request in 0.4 of a life, less the second to which stored dates are cut; a kill may add one for each
credential. Then 1,000 credentials whose tokens live an hour: kills at random moments of the first ten seconds after
a start must not cost a single request.
"""

from __future__ import annotations

import asyncio
import math
import signal
import tempfile
import time
from collections import Counter
from contextlib import AsyncExitStack
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

from rotator.demo.bao import BaoServer
from tests.reliability.figures import Figure
from tests.reliability.victim import BOUND, Found, Victim
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
    late = sum(len(each.late) for each in found)
    kills = sum((each.kills for each in found), Counter())
    recoveries = sorted(second for each in found for second in each.recoveries)
    requests, allowed = sum(each.requests for each in found), sum(each.allowed for each in found)
    lost, left = sum(each.unheard for each in found), sum(each.left for each in found)
    return [
        Figure("kills", f"≥ {KILLS:,}", f"{kills.total():,}: {_list(kills)}", kills.total() >= KILLS),
        Figure(
            "tokens lost, torn or moved back; temporary files that outlived a start",
            "0",
            "; ".join(wrong[:5]) or "0",
            not wrong,
        ),
        Figure(f"restarts that had not served every sink after {BOUND:g} s", "0", str(late), late == 0),
        Figure(
            "from a start to every sink served, median and longest",
            "",
            f"{recoveries[len(recoveries) // 2]:.1f} s, {recoveries[-1]:.1f} s, of {len(recoveries):,} restarts",
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
            before = len(victim.found.wrong), len(victim.found.late)
            await victim.live_and_die(number)
            for text in [*victim.found.wrong[before[0] :], *victim.found.late[before[1] :]]:
                say(f"rotator {seed}, life {number}: {text}")
            if number % 25 == 24:
                say(f"rotator {seed}: {number + 1} kills, {len(victim.found.wrong)} wrong")
        await victim.live_to_the_end()
        found, elapsed = victim.found, time.monotonic() - started
        found.requests = sum(len(oidc.requests(client.client_id)) for client in site.clients.values())
        each = 1 + math.ceil(elapsed / (LIFE * EARLIEST - 1)) + kills
        found.allowed = each * len(names)
        found.unheard = found.requests - victim.minted
        return found


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
