"""Real: the installed rotator as a process, OpenBao and oidc-provider. 24 h are 144 lives of 600 s; here tokens live 12
s and 144 lives take 28.8 min, which is 50 times as fast. It is not faster because two tokens of a credential are
never asked for within 5 s, and at 12 s that does not bind yet: tokens are renewed after 5 to 6 s. 60 credentials,
each with a Vault path and a file; the login to Vault lives 72 s (an hour), sources and sinks are looked at every 6 s
(5 min). Every 45 s something goes wrong, by turns, at a moment drawn from the seed: the provider refuses connections
for 3 s, which no consumer may notice; it is silent for 20 s, longer than a life; Vault is sealed for 20 s; the
configuration is reloaded with one credential more, or less; nobody reads the log for 30 s, until its pipe is full.
Twice a second every file is read and two Vault paths are: an expired token counts as a gap unless its kind of sink
had been cut off within the last life. Memory, file descriptors and threads are the kernel's figures, every 5 s;
tasks are what the process tells of itself in `process.vitals`. The first quarter is warm-up, for memory the first
half: Python's allocator fills up ever more slowly. The slope is that of a straight line through the means of 24
equal stretches, since neighbouring samples are not independent; its interval is that of 95 %. Other work on the
machine counts 50 times as much as well: a second without a processor is most of a minute.
"""

from __future__ import annotations

import asyncio
import math
import os
import signal
import statistics
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
from tests.reliability.figures import Figure
from tests.support.consumer import expiry
from tests.support.fault_proxy import CLEAR, DROP, RESET, FaultProxy, port_of
from tests.support.oidc import OidcProvider
from tests.support.process import Rotator, Site

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

TITLE = "24 hours of virtual life"
SEED = 1
LIFE, LIVES, CREDENTIALS = 12, 144, 60
WARM_UP, SETTLED = 0.25, 0.5
"""Shares of the time: before counts, and before memory, are expected to stay where they are."""

BETWEEN_FAULTS, SAMPLE, LOOK = 45.0, 5.0, 0.5
SHORT, LONG, STALL = 3.0, 20.0, 30.0
BLOCKS = 24
T_95 = 2.074
"""Student's t for 95 % and the 22 degrees of freedom of a line through 24 points."""

SLOPE_BAR = 1.0
"""MiB in 24 h of virtual life that the line may rise by at most."""

EXTRA = "comes-and-goes"


def measure(seed: int, say: Callable[[str], None]) -> list[Figure]:
    """See `tests.reliability.figures.Measurement`."""
    seen = asyncio.run(soak(seed, LIFE * LIVES, say))
    return [*_flat(seen), *_served(seen)]


class Sample(NamedTuple):
    """What the kernel says of the process; `at` is seconds from the start."""

    at: float
    rss_kib: int
    fds: int
    threads: int


@dataclass
class Seen:
    """What came of a soak.

    Attributes:
        seconds: How long it was.
        tasks: What the process told of itself: seconds from the start, and asyncio's tasks.
        gaps: Expired tokens where there should be none, one sentence each.
        looks: Tokens that were looked at.
        faults: What went wrong, and how often.
        told: How often each event was told.
        dropped: Log lines that the process says were lost.
        waited: Seconds for which its main thread was ready to run and had no processor.
        exit_code: Its last word.
    """

    seconds: float
    samples: list[Sample] = field(default_factory=list)
    tasks: list[tuple[float, int]] = field(default_factory=list)
    gaps: list[str] = field(default_factory=list)
    looks: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    told: Counter[str] = field(default_factory=Counter)
    dropped: int = 0
    waited: float = 0.0
    exit_code: int = -1


async def soak(seed: int, seconds: float, say: Callable[[str], None]) -> Seen:
    """Let it live for so long."""
    async with AsyncExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="rotator-soak-")))
        oidc = stack.enter_context(OidcProvider())
        bao = await stack.enter_async_context(BaoServer())
        proxy = await stack.enter_async_context(FaultProxy(port_of(oidc.token_url)))
        await bao.enable_approle()
        site = _Site(home, bao, oidc, lifetime=LIFE)
        site.through = proxy
        names = [f"app-{number}" for number in range(CREDENTIALS)]
        await site.prepare(names)
        await site.register(EXTRA)
        await bao.request("POST", "auth/approle/role/rotator", {"token_ttl": f"{LIFE * 6}s"})
        rotator = await stack.enter_async_context(Rotator(site.write(names), level="debug"))
        await rotator.says("daemon.ready", within=60)
        return await _Soak(site, rotator, names, Random(seed), seconds, say).live()  # noqa: S311  moments, not secrets


class _Site(Site):
    """A site whose provider is behind a proxy, and whose looks are as far apart as the compression asks for."""

    through: FaultProxy

    def write(self, names: Sequence[str]) -> Path:
        file = super().write(names)
        text = file.read_text().replace(self.oidc.issuer, f"http://127.0.0.1:{self.through.port}")
        file.write_text(text.replace('recheck_interval = "2s"', f'recheck_interval = "{LIFE // 2}s"'))
        return file


class _Soak:
    """One life, watched."""

    def __init__(
        self,
        site: _Site,
        rotator: Rotator,
        names: Sequence[str],
        random: Random,
        seconds: float,
        say: Callable[[str], None],
    ) -> None:
        self._site = site
        self._rotator = rotator
        self._names = list(names)
        self._random = random
        self._say = say
        self._seen = Seen(seconds)
        self._started = time.monotonic()
        self._excused = {"file": -math.inf, "vault": -math.inf}

    async def live(self) -> Seen:
        """Until the time is over; then it is told to stop."""
        work = [asyncio.create_task(part()) for part in (self._sample, self._look, self._afflict)]
        over = asyncio.create_task(asyncio.sleep(self._seen.seconds))
        ended, _ = await asyncio.wait([over, *work], return_when=asyncio.FIRST_COMPLETED)
        for task in work:
            task.cancel()
        await asyncio.gather(*work, return_exceptions=True)
        for task in ended - {over}:
            await task  # raises why
        self._rotator.listen()
        self._rotator.signal(signal.SIGTERM)
        self._seen.exit_code = await self._rotator.ended()
        self._seen.told = Counter(event["event"] for event in self._rotator.events)
        self._seen.dropped = max((event["total"] for event in self._rotator.named("log.dropped")), default=0)
        ready = datetime.fromisoformat(self._rotator.named("daemon.ready")[0]["timestamp"])
        self._seen.tasks = [
            ((datetime.fromisoformat(event["timestamp"]) - ready).total_seconds(), event["tasks"])
            for event in self._rotator.named("process.vitals")
        ]
        return self._seen

    def _now(self) -> float:
        return time.monotonic() - self._started

    async def _sample(self) -> None:
        process = Path(f"/proc/{self._rotator.pid}")
        while True:
            status = dict(line.split(":", 1) for line in (process / "status").read_text().splitlines() if ":" in line)
            fds = len(os.listdir(process / "fd"))  # noqa: PTH208  a count
            self._seen.samples.append(Sample(self._now(), int(status["VmRSS"].split()[0]), fds, int(status["Threads"])))
            self._seen.waited = int((process / "schedstat").read_text().split()[1]) / 1e9
            if len(self._seen.samples) % 12 == 0:
                last = self._seen.samples[-1]
                self._say(
                    f"{last.at / LIFE:.0f} lives: {last.rss_kib / 1024:.1f} MiB, {last.fds} descriptors, "
                    f"{last.threads} threads, {len(self._seen.gaps)} gaps"
                )
            await asyncio.sleep(SAMPLE)

    async def _look(self) -> None:
        turn = 0
        while True:
            for name in self._names:
                self._judge("file", name, expiry(self._site.file(name).read_text()))
            for _ in range(2):
                turn = (turn + 1) % len(self._names)
                name = self._names[turn]
                status, answer = await self._site.bao.ask("GET", f"secret/data/tokens/{name}")
                if status == 200:
                    self._judge("vault", name, datetime.fromisoformat(answer["data"]["data"]["expires_at"]).timestamp())
            await asyncio.sleep(LOOK)

    def _judge(self, kind: str, name: str, ends: float) -> None:
        self._seen.looks += 1
        if ends <= time.time() and self._now() > self._excused[kind]:
            gap = f"{self._now():.1f} s: {kind} of {name} has been expired for {time.time() - ends:.1f} s"
            self._seen.gaps.append(gap)
            self._say(gap)

    async def _afflict(self) -> None:
        faults = [
            ("provider away for 3 s", self._provider_away),
            ("Vault sealed for 20 s", self._vault_sealed),
            ("reload", self._reload),
            ("provider silent for 20 s", self._provider_silent),
            ("log not read for 30 s", self._log_stalled),
        ]
        number = 0
        while True:
            await asyncio.sleep(self._random.uniform(0.5, 1.0) * BETWEEN_FAULTS - LONG / 2)
            what, fault = faults[number % len(faults)]
            await fault()
            self._seen.faults[what] += 1
            number += 1

    async def _provider_away(self) -> None:
        self._site.through.fault = RESET
        await asyncio.sleep(SHORT)
        self._site.through.fault = CLEAR

    async def _provider_silent(self) -> None:
        async def silent() -> None:
            self._site.through.fault = DROP
            await asyncio.sleep(LONG)
            self._site.through.fault = CLEAR

        await self._excusing(silent, "file", "vault")

    async def _vault_sealed(self) -> None:
        async def sealed() -> None:
            await self._site.bao.seal()
            await asyncio.sleep(LONG)
            await self._site.bao.unseal()

        # Minting goes on, with the client credentials that were read last.
        await self._excusing(sealed, "vault")

    async def _excusing(self, fault: Callable[[], Awaitable[None]], *kinds: str) -> None:
        """For as long as a fault lasts, and for one life after it, these kinds of sinks may hold expired tokens."""
        for kind in kinds:
            self._excused[kind] = math.inf
        await fault()
        for kind in kinds:
            self._excused[kind] = self._now() + LIFE

    async def _reload(self) -> None:
        with_extra = self._seen.faults["reload"] % 2 == 0
        before = len(self._rotator.named("config.reloaded"))
        self._site.write([*self._names, EXTRA] if with_extra else self._names)
        self._rotator.signal(signal.SIGHUP)
        await self._rotator.says("config.reloaded", count=before + 1)

    async def _log_stalled(self) -> None:
        self._rotator.stall()
        await asyncio.sleep(STALL)
        self._rotator.listen()


def _flat(seen: Seen) -> list[Figure]:
    warm = [sample for sample in seen.samples if sample.at >= WARM_UP * seen.seconds]
    settled = [sample for sample in warm if sample.at >= SETTLED * seen.seconds]
    tasks = [(at, count) for at, count in seen.tasks if at >= WARM_UP * seen.seconds]
    early, _ = _slope([sample for sample in warm if sample.at < SETTLED * seen.seconds])
    slope, margin = _slope(settled)
    return [
        Figure("resident memory, slope of the second quarter, in 24 h of virtual life", "", f"{early:+.2f} MiB"),
        Figure(
            "resident memory, slope of the second half, in 24 h of virtual life, with its 95 % interval",
            f"≤ {SLOPE_BAR:g} MiB",
            f"{slope:+.2f} ± {margin:.2f} MiB; {warm[0].rss_kib / 1024:.1f} MiB after a quarter, "
            f"{settled[0].rss_kib / 1024:.1f} MiB after a half, {settled[-1].rss_kib / 1024:.1f} MiB at the end",
            slope <= SLOPE_BAR,
        ),
        _level("file descriptors", [(sample.at, sample.fds) for sample in warm], 2),
        _level("threads", [(sample.at, sample.threads) for sample in warm], 2),
        _level("asyncio's tasks", tasks, 2),
    ]


def _slope(samples: Sequence[Sample]) -> tuple[float, float]:
    """MiB in 24 h of virtual life, and half the 95 % interval."""
    slope, margin = line([(sample.at, sample.rss_kib / 1024) for sample in samples], BLOCKS)
    return slope * LIFE * LIVES, margin * LIFE * LIVES


def _level(what: str, points: Sequence[tuple[float, int]], bar: int) -> Figure:
    """That the median of the last third is not above that of the first."""
    third = len(points) // 3
    first = statistics.median(count for _, count in points[:third])
    last = statistics.median(count for _, count in points[-third:])
    counts = [count for _, count in points]
    return Figure(
        f"{what}: median of the last third after warm-up, against the first",
        f"≤ +{bar}",
        f"{last:g} against {first:g} ({min(counts)} to {max(counts)})",
        last - first <= bar,
    )


def _served(seen: Seen) -> list[Figure]:
    told = seen.told
    bad = {name: told[name] for name in ("process.error", "credential.broken", "schedule.mended") if told[name]}
    faults = ", ".join(f"{count} times {what}" for what, count in seen.faults.items())
    return [
        Figure(
            "share of the time for which the process was kept waiting for a processor",
            "",
            f"{100 * seen.waited / seen.seconds:.0f} %",
        ),
        Figure(
            "expired tokens where nothing had cut consumers off",
            "0",
            f"{len(seen.gaps)} of {seen.looks:,} looks; {told['token.minted']:,} tokens; {faults}",
            not seen.gaps,
        ),
        Figure(
            "`process.error`, `credential.broken`, `schedule.mended`, log lines lost; exit code after SIGTERM",
            "0; 0",
            f"{bad or 0}, {seen.dropped} lines; {seen.exit_code}",
            not bad and seen.dropped == 0 and seen.exit_code == 0,
        ),
    ]


def line(points: Sequence[tuple[float, float]], blocks: int) -> tuple[float, float]:
    """The slope of a straight line through the means of so many equal stretches, and half its 95 % interval."""
    size = len(points) / blocks
    parts = [points[round(number * size) : round((number + 1) * size)] for number in range(blocks)]
    means = [(statistics.fmean(x for x, _ in part), statistics.fmean(y for _, y in part)) for part in parts]
    fitted = statistics.linear_regression([x for x, _ in means], [y for _, y in means])
    off = [y - fitted.intercept - fitted.slope * x for x, y in means]
    middle = statistics.fmean(x for x, _ in means)
    spread = sum((x - middle) ** 2 for x, _ in means)
    error = math.sqrt(sum(each**2 for each in off) / (blocks - 2) / spread)
    return fitted.slope, T_95 * error
