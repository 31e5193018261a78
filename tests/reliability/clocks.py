"""Real: the installed rotator as a process, OpenBao and oidc-provider; six processes, three credentials each, each with
a Vault path and a file. What is not real is how the clocks came to be wrong, since the clock of a machine that
others work on cannot be set or sent to sleep. Steps: a library that is loaded before libc sets the wall clock of the
running process, by an hour and by 30 days, on and back, at phases drawn from the seed. Start in 1970: likewise, once
over plain HTTP and once with a Vault over TLS, whose certificate is not valid yet in 1970; then the clock is set
right. Suspend: the process sees CLOCK_REALTIME and CLOCK_BOOTTIME 600 s further on and CLOCK_MONOTONIC, as well as
its timers, where they were, as after a suspend; the kernel's own timers were not asked to sleep. SIGSTOP for 5 min,
then SIGCONT, is real; so are tokens and the login to Vault that have expired meanwhile. Time namespaces (`unshare
-T`) have fixed offsets, so they show a restart on a machine that has been up, asleep or not, for a different time.
Lateness: by how much longer than half its life a token was kept, or how long after its end, or after waking, the
next one came; by a clock that nobody meddled with. "Right again": until every Vault path has the true end of its
token, by the clock of its process. Extra: tokens minted before four tenths of their predecessor's life.
"""

from __future__ import annotations

import asyncio
import signal
import subprocess
import tempfile
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

from rotator.demo.bao import BaoServer
from tests.integration.vault.certificates import Authority
from tests.reliability.figures import Figure
from tests.support.consumer import expiry
from tests.support.meddled_clocks import NO_COMPILER, MeddledClocks, compiler
from tests.support.oidc import OidcProvider
from tests.support.process import Rotator, Site

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

TITLE = "Clocks that are set, and machines that sleep"
SEED = 1
NAMES = ("billing", "reporting", "search")
HOUR, DAY = 3600, 86400
STEPS = (HOUR, -HOUR, 30 * DAY, -30 * DAY)
SLEEP, STOP = 600, 300
SINCE_1970 = 56 * 365 * DAY
LATEST, MOST_EXTRA = 5.0, 1
RENEWED_BY, NOT_BEFORE, SECOND = 0.5, 0.4, 1.0
ROUNDING = 2.0
"""Seconds by which a published date may be off: dates are whole seconds, rounded down, on both sides."""


@dataclass(frozen=True)
class Pace:
    """How fast it goes.

    Attributes:
        life: Seconds that tokens live.
        vault_life: Seconds that a login to Vault lives.
        before: Lives before the first upset.
        after: Lives that are watched after each.
    """

    life: int = 20
    vault_life: int = 60
    before: float = 0.8
    after: float = 1.3


USUAL = Pace()


@dataclass
class Found:
    """What one process made of its clocks.

    Attributes:
        lateness: Seconds, of each token after the first; negative when it came before half a life.
        extra: For each upset and credential, the tokens that came too early.
        right: For each upset, seconds until every published date was right again.
        wrong: Whatever else should not be.
    """

    lateness: list[float] = field(default_factory=list)
    extra: list[int] = field(default_factory=list)
    right: list[float] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)


def measure(seed: int, say: Callable[[str], None]) -> list[Figure]:
    """See `tests.reliability.figures.Measurement`."""
    return asyncio.run(_measure(seed, say))


async def _measure(seed: int, say: Callable[[str], None]) -> list[Figure]:
    rng = Random(seed)  # noqa: S311  moments, not secrets
    missing = "" if compiler() else NO_COMPILER
    phases = [rng.uniform(0, USUAL.life / 2) for _ in STEPS]
    parts: list[tuple[str, str, Callable[[OidcProvider], Awaitable[Found]]]] = [
        ("steps of ±1 h and ±30 d", missing, lambda oidc: steps(oidc, phases)),
        ("start in 1970, set right later", missing, born_in_1970),
        ("start in 1970 with a Vault over TLS", missing, born_in_1970_with_tls),
        (f"suspend of {SLEEP // 60} min", missing, suspended),
        (f"SIGSTOP of {STOP // 60} min", "", lambda oidc: stopped(oidc, STOP)),
        ("restart with an uptime of ten more days", _without_namespaces(), restarted_elsewhere),
    ]

    async def one(what: str, missing: str, part: Callable[[OidcProvider], Awaitable[Found]]) -> list[Figure]:
        if missing:
            say(f"{what}: not measured: {missing}")
            return [Figure(what, "measured", f"not measured here: {missing}", holds=False)]
        found = await part(oidc)
        for text in found.wrong:
            say(f"{what}: {text}")
        say(f"{what}: done")
        return _figures(what, found)

    with OidcProvider() as oidc:
        return [figure for figures in await asyncio.gather(*(one(*part) for part in parts)) for figure in figures]


def _figures(what: str, found: Found) -> list[Figure]:
    late, right = max(found.lateness), max(found.right, default=0.0)
    return [
        Figure(
            f"{what}: longest lateness", f"≤ {LATEST:g} s", f"{late:.1f} s, of {len(found.lateness)}", late <= LATEST
        ),
        Figure(
            f"{what}: extra tokens of a credential for one upset, at most",
            f"≤ {MOST_EXTRA}",
            f"{max(found.extra)}",
            max(found.extra) <= MOST_EXTRA,
        ),
        Figure(f"{what}: until published dates are right again", f"≤ {LATEST:g} s", f"{right:.1f} s", right <= LATEST),
        *(
            [Figure(f"{what}: what else should not be", "0", "; ".join(found.wrong[:3]), holds=False)]
            if found.wrong
            else []
        ),
    ]


class Watched:
    """A rotator whose clocks are meddled with, and what its consumers and its provider see of it."""

    def __init__(self, site: Site, rotator: Rotator, wrong: Callable[[], int], pace: Pace) -> None:
        self.found = Found()
        self._pace = pace
        self.rotator = rotator
        self._site = site
        self._wrong = wrong
        self._loop = asyncio.get_running_loop()

    async def settle(self) -> None:
        """Live undisturbed; past the first renewals, as a rule."""
        await self.rotator.says("daemon.ready")
        await self.live(self._pace.before)

    async def live(self, lives: float) -> None:
        """Live on."""
        await asyncio.sleep(lives * self._pace.life)

    async def after(self, upset: Callable[[], None], *, expired: bool = False) -> None:
        """Upset the clocks, and see what comes of it.

        Args:
            upset: Does it.
            expired: Whether every token has expired in it, by the clocks of the process.
        """
        upset()
        at = self._loop.time()
        await self._dates_right(at, past=at if expired else None)
        await self.live(self._pace.after)
        self.judge(at, expired=expired)

    def judge(self, since: float, *, expired: bool) -> None:
        """What the tokens minted since then say."""
        life = self._pace.life
        for name in self._site.clients:
            minted = self._minted(name)
            before = [at for at in minted if at < since]
            extra, last = 0, before[-1] if before else None
            if expired:
                last = None
            for at in (at for at in minted if at >= since):
                self.found.lateness.append(at - (since if last is None else last + RENEWED_BY * life))
                extra += last is not None and at - last < NOT_BEFORE * life - SECOND
                last = at
            if last is None:
                self.found.wrong.append(f"no token of {name} was minted after the upset")
            else:
                self.found.lateness.append(self._loop.time() - last - RENEWED_BY * life)
            self.found.extra.append(extra)

    def _minted(self, name: str) -> list[float]:
        told = zip(self.rotator.events, self.rotator.arrived, strict=True)
        return [at for event, at in told if event["event"] == "token.minted" and event["credential"] == name]

    async def _dates_right(self, since: float, past: float | None) -> None:
        """Wait until every Vault path has the true end of its token, by the clock of the process."""
        while self._loop.time() - since < 6 * LATEST:
            new = past is None or all(self._minted(name)[-1:] > [past] for name in self._site.clients)
            if new and all([await self._is_right(name) for name in self._site.clients]):
                self.found.right.append(self._loop.time() - since)
                return
            await asyncio.sleep(0.1)
        self.found.wrong.append(f"published dates were still wrong {6 * LATEST:g} s after the upset")

    async def _is_right(self, name: str) -> bool:
        status, answer = await self._site.bao.ask("GET", f"secret/data/tokens/{name}")
        if status != 200:
            return False  # the very first token is on its way
        document = answer["data"]["data"]
        told = datetime.fromisoformat(document["expires_at"]).timestamp()
        return abs(told - expiry(document["access_token"]) - self._wrong()) <= ROUNDING


@asynccontextmanager
async def place(oidc: OidcProvider, pace: Pace, authority: Authority | None = None) -> AsyncIterator[Site]:
    """A site of its own; with an authority, its Vault speaks TLS."""
    async with AsyncExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="rotator-clocks-")))
        tls = None if authority is None else authority.issue(home / "server.pem")
        ca_file = None if authority is None else authority.file
        bao = await stack.enter_async_context(BaoServer(tls=tls, ca_file=ca_file))
        await bao.enable_approle()
        site = Site(home, bao, oidc, lifetime=pace.life)
        await site.prepare(NAMES)
        await bao.request("POST", "auth/approle/role/rotator", {"token_ttl": f"{pace.vault_life}s"})
        yield site


async def steps(oidc: OidcProvider, phases: Sequence[float], by: Sequence[int] = STEPS, pace: Pace = USUAL) -> Found:
    """The wall clock is set, again and again, each time after so many seconds."""
    async with place(oidc, pace) as site:
        clock = MeddledClocks(site.home)
        async with Rotator(site.write(NAMES), env=clock.env) as rotator:
            watched = Watched(site, rotator, lambda: clock.off, pace)
            await watched.settle()
            for phase, step in zip(phases, by, strict=True):
                await asyncio.sleep(phase)
                await watched.after(lambda step=step: clock.set(clock.off + step))  # type: ignore[misc]  # of this turn
            stepped = [round(event["step_s"]) for event in rotator.named("clock.stepped")]
            if any(abs(told - step) > ROUNDING for told, step in zip(stepped, by, strict=False)) or len(stepped) != len(
                by
            ):
                watched.found.wrong.append(f"steps of {list(by)} s were told as {stepped}")
            return watched.found


async def born_in_1970(oidc: OidcProvider, pace: Pace = USUAL) -> Found:
    """It starts as after a boot without a battery, works, and then the clock is set."""
    async with place(oidc, pace) as site:
        clock = MeddledClocks(site.home, -SINCE_1970)
        async with Rotator(site.write(NAMES), env=clock.env) as rotator:
            watched = Watched(site, rotator, lambda: clock.off, pace)
            await watched.settle()
            await watched.after(lambda: clock.set(0))
            return watched.found


async def born_in_1970_with_tls(oidc: OidcProvider, pace: Pace = USUAL) -> Found:
    """It starts in 1970, trusts nobody whose certificate is not valid yet, and works once the clock has been set."""
    with tempfile.TemporaryDirectory(prefix="rotator-clocks-") as home:
        authority = Authority(Path(home) / "ca.pem")
        async with place(oidc, pace, authority) as site:
            clock = MeddledClocks(site.home, -SINCE_1970)
            env = {**clock.env, "VAULT_CACERT": str(authority.file)}
            async with Rotator(site.write(NAMES), env=env) as rotator:
                watched = Watched(site, rotator, lambda: clock.off, pace)
                told = await rotator.says("vault.unavailable")
                await watched.live(pace.before)
                if told["error"] != "vault_tls" or site.requests_of(NAMES) or not rotator.runs:
                    watched.found.wrong.append(
                        f"in 1970 it said {told['error']}, and asked {site.requests_of(NAMES)} times"
                    )
                await watched.after(lambda: clock.set(0), expired=True)
                return watched.found


async def suspended(oidc: OidcProvider, seconds: int = SLEEP, pace: Pace = USUAL) -> Found:
    """The machine sleeps for so long."""
    async with place(oidc, pace) as site:
        clocks = MeddledClocks(site.home)
        async with Rotator(site.write(NAMES), env=clocks.env) as rotator:
            watched = Watched(site, rotator, lambda: clocks.off, pace)
            await watched.settle()
            await watched.after(lambda: clocks.suspend(seconds), expired=True)
            if [round(event["slept_s"]) for event in rotator.named("clock.resumed")] != [seconds]:
                watched.found.wrong.append(f"told of its sleep: {rotator.named('clock.resumed')}")
            return watched.found


async def stopped(oidc: OidcProvider, seconds: float, pace: Pace = USUAL) -> Found:
    """The process stands still for so long, in which its tokens and its login to Vault expire."""
    async with place(oidc, pace) as site, Rotator(site.write(NAMES)) as rotator:
        watched = Watched(site, rotator, lambda: 0, pace)
        await watched.settle()
        rotator.signal(signal.SIGSTOP)
        await asyncio.sleep(seconds)
        await watched.after(lambda: rotator.signal(signal.SIGCONT), expired=True)
        if seconds > pace.vault_life and len(rotator.named("vault.login")) != 2:
            watched.found.wrong.append(f"{len(rotator.named('vault.login'))} logins, wanted 2")
        return watched.found


async def restarted_elsewhere(oidc: OidcProvider, pace: Pace = USUAL) -> Found:
    """It ends, and starts again on a machine that has been up for longer, and has slept for a part of that."""
    async with place(oidc, pace) as site:
        configuration = site.write(NAMES)
        async with Rotator(configuration) as rotator:
            await rotator.says("daemon.ready")
            rotator.signal(signal.SIGTERM)
            await rotator.ended()
        before = site.requests_of(NAMES)
        under = ("unshare", "-T", "--boottime", f"{10 * DAY + SLEEP}", "--monotonic", f"{10 * DAY}")
        async with Rotator(configuration, under=under) as rotator:
            watched = Watched(site, rotator, lambda: 0, pace)
            await rotator.says("token.adopted", count=len(NAMES))
            await rotator.says("daemon.ready")
            if site.requests_of(NAMES) != before:
                watched.found.wrong.append("tokens were asked for although those of before were fresh")
            await watched.live(pace.before)
            await watched.after(lambda: None)
            return watched.found


def _without_namespaces() -> str:
    tried = subprocess.run(["unshare", "-T", "--boottime", "1", "true"], capture_output=True, check=False)
    return (
        "" if tried.returncode == 0 else "this user may not make time namespaces, or the kernel has none (unshare -T)"
    )
