"""What `check` does: the configuration alone, and with `--live` all that is around it."""

from __future__ import annotations

import asyncio
import json
import os
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from rotator.cli.foreground import fleet
from rotator.core.errors import Code, RotationError
from rotator.engine.clock import SystemClock
from rotator.files.sink import FileSink
from rotator.operate import logs
from rotator.settings.problems import ConfigError
from rotator.settings.startup import take
from rotator.vault.policies import explain, missing_capabilities

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Mapping
    from pathlib import Path

    from rotator.core.model import ClientCredentials
    from rotator.fleet import Fleet, Member
    from rotator.settings.load import Loaded


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was tried."""

    what: str
    ok: bool
    error: str | None = None
    detail: str | None = None
    cure: str | None = None


def check(file: Path, output: str, *, live: bool) -> int:
    """Check and tell; return the exit code."""
    environ = dict(os.environ)
    try:
        loaded = take(file, environ)
    except ConfigError as error:
        if output != "json":
            raise
        _print({"ok": False, "config": error.file, "problems": [problem.as_dict() for problem in error.problems]})
        return 2
    findings: list[Finding] = []
    people = Console() if output == "text" else None
    if people is not None:
        _tell_configuration(people, loaded)
    if live:
        log = logs.configure(logs.LogSettings(level="error"))
        try:
            findings = asyncio.run(_live(loaded, environ, log, people))
        finally:
            log.close()
    ok = all(finding.ok for finding in findings)
    if people is None:
        warnings = [warning.as_dict() for warning in loaded.warnings]
        checks = [asdict(finding) for finding in findings]
        _print({"ok": ok, "config": str(file), "problems": [], "warnings": warnings, "checks": checks})
    return 0 if ok else 1


def _print(document: object) -> None:
    print(json.dumps(document, indent=2))  # noqa: T201  the command's output


def _tell_configuration(people: Console, loaded: Loaded) -> None:
    count = len(loaded.settings.credentials)
    told = f"{loaded.file}: {count} credential{'s' * (count != 1)}"
    people.print(Text.assemble(("ok    ", "green"), told), soft_wrap=True)
    for warning in loaded.warnings:
        people.print(Text.assemble(("warn  ", "yellow"), warning.render(str(loaded.file))), soft_wrap=True)


async def _live(loaded: Loaded, environ: Mapping[str, str], log: logs.Log, people: Console | None) -> list[Finding]:
    findings = []
    async with fleet(loaded, environ, log, SystemClock()) as taken:
        async for finding in _findings(taken, loaded):
            findings.append(finding)
            if people is not None:
                _tell(people, finding)
    return findings


def _tell(people: Console, finding: Finding) -> None:
    mark = ("ok    ", "green") if finding.ok else ("fail  ", "red")
    people.print(Text.assemble(mark, finding.what), soft_wrap=True)
    if not finding.ok:
        people.print(Text(f"      {finding.error}: {finding.detail}\n      cure: {finding.cure}"), soft_wrap=True)


async def _findings(taken: Fleet, loaded: Loaded) -> AsyncIterator[Finding]:
    await taken.apply(loaded, start=False)
    trouble = await taken.session.tried()
    yield _finding(f"log in to Vault at {loaded.settings.vault.address}", trouble)
    if trouble is not None:
        return
    asked: set[str] = set()
    for name in sorted(taken.members):
        member = taken.members[name]
        yield _finding(f"{name}: what Vault's policies allow", await _error(_allowed(taken, member)))
        credentials: list[ClientCredentials] = []
        yield _finding(f"{name}: read the client credentials", await _error(_read(member, credentials)))
        for sink in member.sinks:
            trouble = await _error(sink.check() if isinstance(sink, FileSink) else sink.read())
            yield _finding(f"{name}: {sink.name}", trouble)
        provider = member.rotation.spec.provider
        if credentials and provider not in asked:
            asked.add(provider)
            secret = credentials[0].secrets[0]
            refused = await _error(member.endpoint.mint(credentials[0].client_id, secret))
            yield _finding(f"{name}: one token from {provider}, thrown away", refused)


async def _allowed(taken: Fleet, member: Member) -> None:
    needs = dict(await member.source.needs())
    for sink in member.sinks:
        if not isinstance(sink, FileSink):
            needs |= await sink.needs()
    missing = await missing_capabilities(taken.session, needs)
    if missing:
        raise RotationError(Code.VAULT_DENIED, explain(needs, missing))


async def _read(member: Member, into: list[ClientCredentials]) -> None:
    into.append(await member.source.read())


async def _error(work: Awaitable[object]) -> RotationError | None:
    try:
        await work
    except RotationError as error:
        return error
    return None


def _finding(what: str, error: RotationError | None) -> Finding:
    if error is None:
        return Finding(what, ok=True)
    return Finding(what, ok=False, error=error.code.text, detail=error.detail, cure=error.code.cure)
