"""The same number of files, a token in each, written by `bao agent` (one template per file) and by the installed
`rotator run` (one file sink per credential), both logging in with the same AppRole and reading the tokens that are in
Vault already: rotator finds them fresh there and mints nothing. A third row is rotator with no tokens in Vault, where
it mints and stores every one as well. Each is started anew in every round, one after the other; time is from the start
of the process to the last file, CPU and peak memory are what Linux counts for the process until then.
"""

from __future__ import annotations

import asyncio
import json
import os
import statistics
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rotator.demo.bao import find_bao
from tests.bench import race
from tests.bench.contender import ContenderError
from tests.bench.ground import Ground, ground
from tests.bench.processes import Usage
from tests.reliability.figures import Figure
from tests.support.process import Rotator

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence
    from pathlib import Path

TITLE = "Files, beside the agent"
SEED = 0
LOOK_EVERY, DEADLINE = 0.02, 120.0
ENDS_WITH_US = ("setpriv", "--pdeathsig", "KILL")
"""Runs a program that is not to outlive the measurement, however that ends, and turns into it."""

AGENT, ADOPTS, MINTS = "bao agent", "rotator, tokens in Vault", "rotator, no tokens in Vault: mints and stores them too"
TOKENS = "files"
"""The directory in Vault that the agent reads."""


@dataclass(frozen=True)
class Size:
    """How much is measured: files, and rounds that count."""

    files: int = 200
    rounds: int = 5


SMALL = Size(files=20, rounds=2)


@dataclass(frozen=True)
class Written:
    """What it took until all files were there: seconds, seconds of CPU, MiB at the most."""

    wall: float
    cpu: float
    peak: float


def agent_configuration(its: Ground, folder: Path) -> str:
    """JSON for `bao agent`: what rotator does with file sinks."""
    home = its.site.home
    login: dict[str, object] = {"role_id_file_path": f"{home}/role-id", "secret_id_file_path": f"{home}/secret-id"}
    login["remove_secret_id_file_after_reading"] = False
    template = '{{{{ with secret "secret/data/tokens/{}/{}" }}}}{{{{ .Data.data.access_token }}}}{{{{ end }}}}'
    templates = [
        {"contents": template.format(TOKENS, name), "destination": f"{folder}/{name}", "perms": "0600"}
        for name in its.names
    ]
    auto_auth = {"method": [{"type": "approle", "config": login}]}
    return json.dumps({"vault": {"address": its.site.bao.address}, "auto_auth": auto_auth, "template": templates})


@asynccontextmanager
async def agent(its: Ground, folder: Path) -> AsyncIterator[int]:
    """A running agent; its process id."""
    file = its.site.home / "agent.json"
    file.write_text(agent_configuration(its, folder))
    process = await asyncio.create_subprocess_exec(
        # Not `rotator.demo.child`, whose Python would be counted as the agent's work.
        *(*ENDS_WITH_US, find_bao(), "agent", f"-config={file}"),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
        env={"HOME": str(its.site.home)},
    )
    try:
        yield process.pid
    finally:
        process.kill()
        await process.wait()


@asynccontextmanager
async def rotator(its: Ground, prefix: str, folder: Path) -> AsyncIterator[int]:
    """A running rotator; its process id.

    Raises:
        ContenderError: It has minted although every token was there.
    """
    configuration = its.configuration(prefix, lambda name: f'  {{ type = "file", path = "{folder}/{name}" }},\n')
    async with Rotator(configuration, under=ENDS_WITH_US) as running:
        yield running.pid
        if prefix == TOKENS and running.named("token.minted"):
            raise ContenderError("rotator has minted although every token was in Vault")


async def until_written(its: Ground, pid: int, folder: Path, began: float) -> Written:
    """Wait for every file.

    Raises:
        ContenderError: They do not come.
    """
    now, wanted = asyncio.get_running_loop().time, set(its.names)
    while not wanted <= set(os.listdir(folder)):  # noqa: PTH208  names are all that is wanted
        if now() - began > DEADLINE:
            raise ContenderError(f"not all files were written within {DEADLINE:g} s")
        await asyncio.sleep(LOOK_EVERY)
    wall, usage = now() - began, Usage.of(pid)
    return Written(wall, usage.cpu, usage.peak)


async def once(its: Ground, who: str, number: int) -> Written:
    """One contender, from nothing to the last file."""
    folder = its.site.home / f"{who.partition(',')[0].replace(' ', '-')}-{len(who)}-{number}"
    folder.mkdir(mode=0o700)
    began = asyncio.get_running_loop().time()
    prefix = TOKENS if who == ADOPTS else f"{TOKENS}-{number}"
    async with agent(its, folder) if who == AGENT else rotator(its, prefix, folder) as pid:
        written = await until_written(its, pid, folder, began)
    empty = [name for name in its.names if (folder / name).read_text().count(".") != 2]
    if empty:
        raise ContenderError(f"{who} wrote {len(empty)} files without a token")
    return written


def measure(seed: int, say: Callable[[str], None], size: Size | None = None) -> list[Figure]:
    """See the module; `size` is what a trial takes instead of everything."""
    del seed  # nothing is drawn
    return asyncio.run(_measure(size or Size(), say))


async def _measure(size: Size, say: Callable[[str], None]) -> list[Figure]:
    found: dict[str, list[Written]] = {who: [] for who in (AGENT, ADOPTS, MINTS)}
    async with ground(size.files) as its:
        await _fill(its)
        for number in range(size.rounds):
            for who in race.rotated(list(found), number):
                found[who].append(await once(its, who, number))
            say(f"round {number + 1} of {size.rounds}: {', '.join(_told([its[-1]]) for its in found.values())}")
    cpu = race.ratio([one.cpu for one in found[ADOPTS]], [one.cpu for one in found[AGENT]])
    wall = race.ratio([one.wall for one in found[ADOPTS]], [one.wall for one in found[AGENT]])
    return [
        *(Figure(f"{size.files} files: {who}", "", _told(its)) for who, its in found.items()),
        Figure("CPU of rotator with tokens in Vault, of the agent's", "", f"{cpu:.2f} times"),
        Figure("time of the same, of the agent's", "", f"{wall:.2f} times"),
    ]


async def _fill(its: Ground) -> None:
    """Have every token in Vault."""
    async with Rotator(its.configuration(TOKENS)) as running:
        await running.says("daemon.ready", within=DEADLINE)


def _told(its: Sequence[Written]) -> str:
    wall, cpu, peak = (
        statistics.median(values) for values in zip(*((one.wall, one.cpu, one.peak) for one in its), strict=True)
    )
    return f"{wall:.2f} s, {cpu:.2f} s of CPU, {peak:.0f} MiB"
