"""One pass in the foreground: what `rotate` and `plan` do."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from rotator.cli import options
from rotator.core import policy
from rotator.core.errors import Code, RotationError
from rotator.core.model import rfc3339
from rotator.core.observation import NEVER, Failure, Stage
from rotator.core.policy import Deliver, Mint, Wait
from rotator.engine.clock import SystemClock
from rotator.fleet import Fleet
from rotator.fleet.discovery import Discovery
from rotator.operate import logs
from rotator.settings import translate
from rotator.settings.startup import take

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Mapping, Sequence
    from pathlib import Path

    from rotator.core.ports import Clock
    from rotator.core.rotation import Rotation
    from rotator.fleet import Member
    from rotator.fleet.discovery import Search
    from rotator.settings.load import Loaded


@dataclass(frozen=True, slots=True)
class Line:
    """What is told of one credential.

    Attributes:
        credential: Its name.
        action: `mint`, `deliver` or `wait`: what would be done, or what was done.
        reason: Why; of the closed list in rotator.core.policy.
        at: When, RFC 3339.
        valid_for_s: Seconds for which consumers are served.
        error: The code of what went wrong; None when nothing did.
        detail: The same as a sentence.
        cure: What to do about it.
    """

    credential: str
    action: str
    reason: str
    at: str
    valid_for_s: float
    error: str | None = None
    detail: str | None = None
    cure: str | None = None


def rotate(file: Path, names: Sequence[str], output: str, *, force: bool, dry_run: bool) -> int:
    """Make one pass, or say what one would do; return the exit code.

    Raises:
        ConfigError: The configuration cannot be used, or does not have a name that was given.
    """
    environ = dict(os.environ)
    loaded = take(file, environ)
    if not loaded.settings.discover:
        _check_names(loaded.settings.credentials, names)
    log = logs.configure(_quieter(translate.logs(loaded.settings), output, dry_run=dry_run))
    try:
        lines = asyncio.run(_pass(loaded, environ, names, log, force=force, dry_run=dry_run))
    finally:
        log.close()
    show(lines, output)
    return 1 if any(line.error is not None or (not dry_run and line.valid_for_s <= 0) for line in lines) else 0


def _quieter(settings: logs.LogSettings, output: str, *, dry_run: bool) -> logs.LogSettings:
    """How a pass is logged: who watches a terminal sees it go on; cron and CI are told what went wrong, and no more."""
    watched = sys.stderr.isatty() and not dry_run
    level = "warning" if settings.level == "info" and not watched else settings.level
    form = "console" if settings.format == "auto" and output == "text" else settings.format
    return logs.LogSettings(level, form)


@asynccontextmanager
async def fleet(loaded: Loaded, environ: Mapping[str, str], log: logs.Log, clock: Clock) -> AsyncIterator[Fleet]:
    """The credentials of a configuration without a schedule; Vault has been tried once."""
    taken = Fleet(clock, log, environ, lambda _, __: None, lambda _: None)
    try:
        yield taken
    finally:
        grace = loaded.settings.shutdown_grace
        await taken.dispatcher.drain(grace)
        await taken.close(grace)


async def _pass(
    loaded: Loaded, environ: Mapping[str, str], names: Sequence[str], log: logs.Log, *, force: bool, dry_run: bool
) -> list[Line]:
    clock = SystemClock()
    only = set(names) or None
    async with fleet(loaded, environ, log, clock) as taken:
        await taken.apply(loaded, only, start=not dry_run, force=force and not dry_run)
        discovery = Discovery(taken, clock, log)
        discovery.apply(loaded.settings)
        if dry_run or discovery.searches:
            await taken.tried()
        await discovery.look(only=only, start=not dry_run, force=force and not dry_run)
        unlisted = [_unlisted(place, search, clock) for place, search in discovery.searches.items() if search.failure]
        if not unlisted:
            _check_names({*loaded.settings.credentials, *discovery.names()}, names)
        if dry_run:
            members = [taken.members[name] for name in sorted(taken.members)]
            return [*unlisted, *[await _foresee(member, clock, force=force) for member in members]]
        await taken.dispatcher.idle()
        broken = taken.dispatcher.broken
        done = [_outcome(taken.members[name].rotation, clock, broken=name in broken) for name in sorted(taken.members)]
        return [*unlisted, *done]


def _check_names(known: Collection[str], names: Sequence[str]) -> None:
    unknown = sorted(set(names) - set(known))
    if unknown:
        raise options.misnamed("credential", unknown, known)


def _unlisted(place: str, search: Search, clock: Clock) -> Line:
    """What is told of a template whose keys could not be listed."""
    return Line(f"discover.{place}", "failed", "list", rfc3339(clock.now().wall), 0.0, *_told(search.failure))


async def _foresee(member: Member, clock: Clock, *, force: bool) -> Line:
    rotation = member.rotation
    if force:
        rotation.force()
    around = member.server.gate.around(may_mint=True, store_recovered_at=NEVER)
    decision, unreadable = await rotation.foresee(around)
    now = clock.now()
    action = {Mint: "mint", Deliver: "deliver", Wait: "wait"}[type(decision)]
    # A waiting credential is looked at sooner than it is minted; what matters here is the mint.
    next_mint = policy.next_mint(rotation.spec, rotation.seen, around, now.elapsed)
    at = next_mint.at if isinstance(decision, Wait) else now.elapsed
    trouble = unreadable or next(
        (view.failure for view in rotation.seen.sinks.values() if view.failure is not None), None
    )
    return Line(
        rotation.spec.name,
        action,
        str(decision.reason),
        rfc3339(now.at(at)),
        _valid_for(rotation, now.elapsed),
        *_told(trouble),
    )


def _outcome(rotation: Rotation, clock: Clock, *, broken: bool) -> Line:
    now = clock.now()
    seen = rotation.seen
    failures = [seen.failure, *(view.failure for view in seen.sinks.values())]
    if broken:
        failures.insert(0, Failure(Code.INTERNAL, Stage.READ, Code.INTERNAL.meaning, 1, now.elapsed, now.elapsed))
    failure = next((failure for failure in failures if failure is not None), None)
    minted = seen.in_hand is not None
    return Line(
        rotation.spec.name,
        "failed" if failure is not None else "minted" if minted else "kept",
        "" if failure is None else str(failure.stage),
        rfc3339(now.wall),
        _valid_for(rotation, now.elapsed),
        *_told(failure),
    )


def _told(trouble: Failure | RotationError | None) -> tuple[str | None, str | None, str | None]:
    """Code, sentence and cure."""
    return (None, None, None) if trouble is None else (trouble.code.text, trouble.detail, trouble.code.cure)


def _valid_for(rotation: Rotation, now: float) -> float:
    return round(max(rotation.served_until - now, 0.0), 1)


def show(lines: Sequence[Line], output: str) -> None:
    """Print lines for people, or as JSON."""
    if output == "json":
        print(json.dumps([asdict(line) for line in lines], indent=2))  # noqa: T201  the command's output
        return
    people = Console()
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("CREDENTIAL", overflow="fold")
    for title in ("ACTION", "REASON", "AT", "VALID FOR"):
        table.add_column(title, no_wrap=True)
    for line in lines:
        table.add_row(line.credential, line.action, line.reason, line.at, f"{line.valid_for_s:.0f} s")
    people.print(table)
    for line in lines:
        if line.error is not None:
            people.print(
                Text(f"\n{line.credential}: {line.error}: {line.detail}\n    cure: {line.cure}"), soft_wrap=True
            )
